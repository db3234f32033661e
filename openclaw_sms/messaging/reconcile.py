"""Parts whose fate is unknown: the post began, and no answer was written down.

Twilio has no idempotency key, so such a part is never simply posted again. Twilio is asked whether it has the text;
only when it says, several times, that it has not is the part sent again. What Twilio cannot tell in a bounded time
is left as *uncertain* for the operator.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.messaging.outbox import Progress
from openclaw_sms.models import OutboundPart, PartState, Reason
from openclaw_sms.twilio.client import Found, Sent
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

# After these waits Twilio is asked again; when the last answer is still "no", the text was never taken.
CHECK_AFTER = (timedelta(seconds=2), timedelta(seconds=4))
# A post that we stopped waiting for may still be on its way through Twilio for some time after that.
TAKEN_LATE = timedelta(seconds=40)
# Twilio's clock may be behind ours, and its times have whole seconds.
CLOCK_SKEW = timedelta(minutes=2)
TRIAL_PREFIX = "Sent from your Twilio trial account - "
ASK_AGAIN_AFTER = timedelta(seconds=10)
GIVE_UP_AFTER = timedelta(minutes=15)


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
    posted_at = part.posted_at or now
    try:
        found = outbox.carrier(account).sent_since(
            to=part.conversation.sender,
            from_number=outbox.from_address(account, part.conversation.sender),
            since=posted_at - CLOCK_SKEW,
        )
    except TwilioError as error:
        logger.warning("part.not_checked part=%s code=%s", part.pk, error.code)
        if now - posted_at > GIVE_UP_AFTER:
            return _leave_to_operator(part, lease, now)
        return _ask_again(part, lease, now + ASK_AGAIN_AFTER, part.checks)
    unclaimed = _unclaimed(found)
    match = _match(part, unclaimed)
    if unclaimed and match is None:
        # Twilio may have changed the words (smart encoding, a trial account's prefix): this could be ours.
        return _leave_to_operator(part, lease, now)
    if match is not None:
        return outbox.accept(
            part,
            lease,
            Sent(
                sid=match.sid,
                status=match.status,
                error_code=match.error_code,
                num_segments=None,
                created_at=match.created_at,
            ),
        )
    if part.checks < len(CHECK_AFTER):
        return _ask_again(part, lease, now + CHECK_AFTER[part.checks], part.checks + 1)
    if part.unanswered and now < posted_at + TAKEN_LATE:
        return _ask_again(part, lease, posted_at + TAKEN_LATE, part.checks)
    return _send_again(part, lease)


def _unclaimed(found: list[Found]) -> list[Found]:
    """What Twilio sent that no part of ours is known to be."""
    claimed = OutboundPart.objects.filter(sid__in=[message.sid for message in found])
    ours = set(claimed.values_list("sid", flat=True))
    return [message for message in found if message.sid not in ours]


def _match(part: OutboundPart, unclaimed: list[Found]) -> Found | None:
    """The oldest message with this part's words. A trial account puts a sentence of Twilio's in front of them."""
    words = part.body.strip()
    same = [message for message in unclaimed if _without_prefix(message.body) == words]
    return min(same, key=lambda message: message.created_at or timezone.now(), default=None)


def _without_prefix(body: str) -> str:
    """A body's own words: none, if it is the caption of a picture sent without any."""
    return f"{body.strip()} ".removeprefix(TRIAL_PREFIX).strip()


def _ask_again(part: OutboundPart, lease: Lease, at: datetime, checks: int) -> Progress:
    with transaction.atomic():
        lease.confirm(timezone.now())
        OutboundPart.objects.filter(pk=part.pk, state=PartState.CHECKING).update(next_attempt_at=at, checks=checks)
    return Progress.MOVED


def _send_again(part: OutboundPart, lease: Lease) -> Progress:
    now = timezone.now()
    if part.attempts >= outbox.MOST_TRIES:
        return _leave_to_operator(part, lease, now)
    with transaction.atomic():
        lease.confirm(now)
        part.move(PartState.QUEUED, next_attempt_at=None, checks=0)
    logger.info("part.not_at_twilio part=%s", part.pk)
    return Progress.MOVED


def _leave_to_operator(part: OutboundPart, lease: Lease, now: datetime) -> Progress:
    with transaction.atomic():
        lease.confirm(now)
        left = part.move(
            PartState.UNCERTAIN,
            reason=Reason.UNCERTAIN,
            detail=Reason.UNCERTAIN.label,
            next_attempt_at=None,
        )
        if left:
            part.block_rest()
    logger.warning("part.uncertain part=%s", part.pk)
    return Progress.MOVED
