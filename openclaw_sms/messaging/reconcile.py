"""Parts whose fate is unknown: the post began, and no answer was written down.

Twilio has no idempotency key, so such a part is never simply posted again. Twilio is asked whether it has the text;
only when it says, several times, that it has not is the part sent again. What Twilio cannot tell in a bounded time,
and what could be another program's text as well as ours, is left as *uncertain* for the operator.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import outbox, part_moves, refusals
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.messaging.part_moves import Progress
from openclaw_sms.models import OutboundPart, PartState, Reason
from openclaw_sms.twilio.client import Found, Sent, TwilioClient
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

# After these waits Twilio is asked again; when the last answer is still "no", the text was never taken.
CHECK_AFTER = (timedelta(seconds=2), timedelta(seconds=4))
# A post that we stopped waiting for may still be on its way through Twilio. No request of its API is known to live
# anywhere near this long; a text it takes even later would be sent twice.
TAKEN_LATE = timedelta(minutes=2)
LOOK_MEANWHILE_EVERY = timedelta(seconds=10)
# Twilio's clock is read off its answers; its times have whole seconds, and answers take a while to arrive.
CLOCK_MARGIN = timedelta(seconds=5)
# How far it may be behind ours when it does not say.
CLOCK_SKEW = timedelta(minutes=2)
TRIAL_PREFIX = "Sent from your Twilio trial account - "
ASK_AGAIN_AFTER = timedelta(seconds=10)
GIVE_UP_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Texts at Twilio since the post that no part of ours is known to be. `same`: with this part's words.

    `rivalled`: another part with the same words was posted at the same time, and its sid is not known either.
    """

    same: list[Found]
    others: list[Found]
    rivalled: bool

    @property
    def sids(self) -> list[str]:
        return [message.sid for message in [*self.same, *self.others]]


def recover(part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    """A part found as "being sent" under a lease of ours was left by a worker that died: ask about it."""
    with transaction.atomic():
        lease.confirm(now)
        part.move(PartState.CHECKING, next_attempt_at=None, checks=0, unanswered=False)
    logger.warning("part.recovered part=%s", part.pk)
    return Progress.MOVED


def check(part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    """Ask Twilio once about a part, and decide. Raises `LeaseLost`."""
    account = accounts.current().by_pk(part.conversation.account_id)
    if account is None or not account.configured:
        return _leave_to_operator(part, lease, now)
    if account.unavailable:
        return _ask_again(part, lease, now + ASK_AGAIN_AFTER, part.checks)
    posted_at = part.posted_at or now
    try:
        found = _sent_since(outbox.carrier(account), account, part, posted_at, now)
    except TwilioError as error:
        logger.warning("part.not_checked part=%s code=%s", part.pk, error.code)
        if now - posted_at > GIVE_UP_AFTER:
            return _leave_to_operator(part, lease, now)
        return _ask_again(part, lease, now + ASK_AGAIN_AFTER, part.checks)
    return _decide(part, account, lease, _evidence(part, found), posted_at=posted_at, now=now)


def _decide(
    part: OutboundPart, account: Account, lease: Lease, seen: Evidence, *, posted_at: datetime, now: datetime
) -> Progress:
    if len(seen.same) == 1 and not seen.rivalled:
        return outbox.accept(part, account, lease, _as_sent(seen.same[0]))
    if seen.same or seen.others:
        # Twins: one may be another program's. Other words: Twilio changes some (smart encoding, a trial's prefix).
        return _leave_to_operator(part, lease, now, candidates=seen.sids)
    if part.checks < len(CHECK_AFTER):
        return _ask_again(part, lease, now + CHECK_AFTER[part.checks], part.checks + 1)
    if part.unanswered and now < posted_at + TAKEN_LATE:
        return _ask_again(part, lease, min(now + LOOK_MEANWHILE_EVERY, posted_at + TAKEN_LATE), part.checks)
    return _send_again(part, lease)


def _sent_since(
    twilio: TwilioClient, account: Account, part: OutboundPart, posted_at: datetime, now: datetime
) -> list[Found]:
    """What Twilio may have made of a post at `posted_at` by our clock."""
    to = part.conversation.sender
    found = twilio.sent_since(to=to, from_number=outbox.from_address(account, to), since=None)
    since = _earliest(posted_at, twilio.clock_ahead, now)
    return [
        message for message in found if since is None or message.created_at is None or message.created_at >= since
    ]


def _earliest(posted_at: datetime, twilio_ahead: timedelta | None, now: datetime) -> datetime | None:
    """Not before this, by Twilio's clock, can the text have been taken; None: nothing is known.

    When in doubt earlier: a text that is overlooked would be sent twice.
    """
    if now < posted_at:
        return None  # our clock was set back since
    if twilio_ahead is None:
        return posted_at - CLOCK_SKEW
    return min(posted_at, posted_at + twilio_ahead) - CLOCK_MARGIN


def _evidence(part: OutboundPart, found: list[Found]) -> Evidence:
    claimed = set(
        OutboundPart.objects.filter(sid__in=[message.sid for message in found]).values_list("sid", flat=True)
    )
    unclaimed = [message for message in found if message.sid not in claimed]
    words = part.body.strip()
    same = [message for message in unclaimed if _words_of(message) == words]
    others = [message for message in unclaimed if _words_of(message) != words]
    return Evidence(same, others, rivalled=bool(same) and _is_rivalled(part))


def _words_of(message: Found) -> str:
    """A body's own words: none, if it is the caption of a picture sent without any."""
    return f"{message.body.strip()} ".removeprefix(TRIAL_PREFIX).strip()


def _is_rivalled(part: OutboundPart) -> bool:
    posted_at = part.posted_at or timezone.now()
    earlier = OutboundPart.objects.filter(
        conversation_id=part.conversation_id,
        sid="",
        state__in=(PartState.ACCEPTED, PartState.UNCERTAIN),
        body=part.body,
        posted_at__gte=posted_at - TAKEN_LATE - CLOCK_SKEW,
    )
    return earlier.exclude(pk=part.pk).exists()


def _as_sent(found: Found) -> Sent:
    return Sent(
        sid=found.sid,
        status=found.status,
        error_code=found.error_code,
        num_segments=None,
        created_at=found.created_at,
    )


def _ask_again(part: OutboundPart, lease: Lease, at: datetime, checks: int) -> Progress:
    with transaction.atomic():
        lease.confirm(timezone.now())
        OutboundPart.objects.filter(pk=part.pk, state=PartState.CHECKING).update(next_attempt_at=at, checks=checks)
    return Progress.MOVED


def _send_again(part: OutboundPart, lease: Lease) -> Progress:
    now = timezone.now()
    if part.attempts >= refusals.MOST_TRIES:
        return _leave_to_operator(part, lease, now)
    with transaction.atomic():
        lease.confirm(now)
        part.move(PartState.QUEUED, next_attempt_at=None, slot_at=None, checks=0)
    logger.info("part.not_at_twilio part=%s", part.pk)
    return Progress.MOVED


def _leave_to_operator(
    part: OutboundPart, lease: Lease, now: datetime, *, candidates: list[str] | None = None
) -> Progress:
    logger.warning("part.uncertain part=%s", part.pk)
    return part_moves.stop(part, lease, PartState.UNCERTAIN, Reason.UNCERTAIN, now=now, candidates=candidates or [])
