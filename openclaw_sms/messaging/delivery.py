"""What became of a text after Twilio took it: status reports, in any order and any number, end in the same state."""

import functools
import logging
import re
import uuid
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import queue, trail
from openclaw_sms.models import (
    Delivery,
    DeliveryEvent,
    OptOutSource,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.twilio.payloads import StatusCallback

logger = logging.getLogger(__name__)

# The recipient is on Twilio's own list (https://www.twilio.com/docs/api/errors/21610).
OPTED_OUT_AT_TWILIO = 21610
# Twilio's order of states. Reports come unordered; a lower rank never replaces a higher one.
RANK = {
    Delivery.UNKNOWN: 0,
    Delivery.ACCEPTED: 10,
    Delivery.SCHEDULED: 20,
    Delivery.QUEUED: 30,
    Delivery.SENDING: 40,
    Delivery.SENT: 50,
}
FINAL = frozenset({Delivery.DELIVERED, Delivery.UNDELIVERED, Delivery.FAILED, Delivery.CANCELED})
# What we believe of a part as long as nobody has said that Twilio has it.
UNSETTLED = frozenset(
    {PartState.QUEUED, PartState.SENDING, PartState.CHECKING, PartState.UNCERTAIN, PartState.FAILED}
)
# Read confirms a delivery, it does not contradict it.
CONFIRMED = frozenset({Delivery.DELIVERED, Delivery.READ})


def after(known: Delivery, reported: Delivery) -> Delivery:
    """The state after `reported` when `known` held. Commutative and idempotent over any set of reports."""
    if Delivery.CONFLICTED in (known, reported):
        return Delivery.CONFLICTED
    if known in RANK and reported in RANK:
        return max(known, reported, key=RANK.__getitem__)
    if known in RANK or reported in RANK:
        return reported if known in RANK else known
    if known == reported:
        return known
    return Delivery.READ if {known, reported} == CONFIRMED else Delivery.CONFLICTED


def record(account: Account, callback: StatusCallback, *, now: datetime) -> None:
    """Store one status callback and let its part follow. A report for a part not known yet is kept for `join`.

    A report that names another Twilio account is dropped: it is not about a text of ours.
    """
    if callback.account_sid != account.account_sid:
        logger.warning("delivery.foreign account=%s sid=%s", account.id, callback.sid)
        return
    part = _part_of(account, callback)
    event = DeliveryEvent(
        account_id=account.pk,
        part=part,
        sid=callback.sid,
        status=re.sub(r"[^A-Za-z_]", "", callback.status)[:32],
        error_code=callback.error_code or 0,
        done_date=re.sub(r"[^0-9]", "", callback.done_date)[:32],
        received_at=now,
    )
    # One transaction: a report that was only half taken in must not look like a repetition when it comes again.
    with transaction.atomic():
        if not _store(event):
            return
        if part is not None:
            _settle(part, callback.sid, now)
            report(part, status=callback.status, error_code=callback.error_code or 0)
    with trail.following(_began_with(part)):
        logger.info("delivery.reported account=%s sid=%s status=%s", account.id, callback.sid, event.status)


def report(part: OutboundPart, *, status: str, error_code: int = 0) -> None:
    """Let the part's delivery state follow one report; a race with another report is run again."""
    if error_code == OPTED_OUT_AT_TWILIO:
        to = part.conversation
        opt_out.suppress(to.account_id, to.sender, source=OptOutSource.TWILIO_21610, at=timezone.now(), sid=part.sid)
    if status not in Delivery.values:
        return
    while True:
        known = OutboundPart.objects.values_list("delivery", "error_code").get(pk=part.pk)
        then = after(Delivery(known[0]), Delivery(status))
        code = known[1] or error_code or None
        if (then, code) == known:
            break
        if OutboundPart.objects.filter(pk=part.pk, delivery=known[0]).update(delivery=then, error_code=code):
            break
    part.delivery, part.error_code = then, code


def join(part: OutboundPart) -> None:
    """Give the part the reports that came before we knew its sid."""
    early = DeliveryEvent.objects.filter(account_id=part.conversation.account_id, sid=part.sid, part__isnull=True)
    for event in early:
        report(part, status=event.status, error_code=event.error_code)
    early.update(part=part)


def _store(event: DeliveryEvent) -> bool:
    """Whether the report is new."""
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _part_of(account: Account, callback: StatusCallback) -> OutboundPart | None:
    """By our own id, which the StatusCallback carries, else by Twilio's."""
    parts = OutboundPart.objects.filter(conversation__account_id=account.pk)
    by_token = parts.filter(token=token).first() if (token := _token(callback.part)) else None
    return by_token or parts.filter(sid=callback.sid).first()


def _began_with(part: OutboundPart | None) -> str | None:
    """The sid of the received text that the part answers."""
    if part is None or not logger.isEnabledFor(logging.INFO):
        return None
    return OutboundMessage.objects.filter(pk=part.message_id).values_list("in_reply_to__sid", flat=True).first()


def _token(word: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(word)
    except ValueError:
        return None


def _settle(part: OutboundPart, sid: str, now: datetime) -> None:
    """A report is proof that Twilio took the part, whatever we had written down of the post."""
    if part.sid or part.state not in UNSETTLED:
        return
    if part.move(PartState.ACCEPTED, sid=sid, accepted_at=now, next_attempt_at=None, reason=Reason.NONE, detail=""):
        part.release_rest()
        transaction.on_commit(functools.partial(queue.wake_outbox, part.conversation_id))
