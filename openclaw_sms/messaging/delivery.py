"""What became of a text after Twilio took it: status reports, in any order and any number, end in the same state."""

import functools
import logging
import re
import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import circuits, events, queue, refusals, trail
from openclaw_sms.models import Delivery, DeliveryEvent, OutboundMessage, OutboundPart, PartState, Reason
from openclaw_sms.twilio.errors import fault_for
from openclaw_sms.twilio.payloads import StatusCallback

logger = logging.getLogger(__name__)

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
# Twilio's words. `conflicted` is ours, and no report can say it.
REPORTABLE = frozenset(Delivery.values) - {Delivery.UNKNOWN, Delivery.CONFLICTED}
# The reference channel's bound on what is kept of one text.
MOST_REPORTS = 20
# Reports of texts that another program sent from the same number, or that we lost.
ORPHANS_KEPT_FOR = timedelta(days=7)
MOST_ORPHANS = 5_000
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
    if _is_known(event):
        return
    # Before the report counts as taken in: a crash in between makes it run twice, which is harmless, not never.
    if part is not None:
        follow(account, part, status=event.status, error_code=event.error_code, now=now)
    # One transaction: a report that was only half taken in must not look like a repetition when it comes again.
    with transaction.atomic():
        if not _store(event):
            return
        _forget_oldest(event)
        if part is not None:
            _settle(part, callback.sid, now)
            if part.sid == callback.sid:
                report(part, status=event.status, error_code=event.error_code)
            else:
                logger.error("delivery.second_sid account=%s part=%s sid=%s", account.id, part.pk, callback.sid)
    with trail.following(_began_with(part)):
        logger.info("delivery.reported account=%s sid=%s status=%s", account.id, callback.sid, event.status)


def follow(account: Account, part: OutboundPart, *, status: str, error_code: int, now: datetime) -> None:
    """Do what a report means for the recipient, the sending number and the account. Harmless when repeated."""
    if status in (Delivery.DELIVERED, Delivery.READ):
        refusals.unflag(part.conversation_id)
        circuits.reported_well(account.pk, part.accepted_at or now, now)
    elif error_code and status in (Delivery.UNDELIVERED, Delivery.FAILED):
        refusals.on_report(account, part, fault_for(None, error_code), now=now)


def report(part: OutboundPart, *, status: str, error_code: int = 0) -> None:
    """Let the part's delivery state follow one report; a race with another report is run again."""
    if status not in REPORTABLE:
        return
    while True:
        known = OutboundPart.objects.values_list("delivery", "error_code").get(pk=part.pk)
        then = after(Delivery(known[0]), Delivery(status))
        code = _latest_code(part, known[1], error_code)
        if (then, code) == known:
            break
        changes = {"next_poll_at": None} if then not in RANK else {}
        with transaction.atomic():
            mine = OutboundPart.objects.filter(pk=part.pk, delivery=known[0], error_code=known[1])
            if mine.update(delivery=then, error_code=code, **changes):
                events.part_reported(part, Delivery(known[0]), then, now=timezone.now())
                break
    part.delivery, part.error_code = then, code


def _latest_code(part: OutboundPart, known: int | None, reported: int) -> int | None:
    """The error code with the latest carrier date among all reports, whatever order they came in.

    A report whose state is no word of Twilio's says nothing of the part, its code neither.
    """
    said = DeliveryEvent.objects.filter(part_id=part.pk, sid=part.sid, status__in=REPORTABLE)
    dated = said.filter(error_code__gt=0)
    latest = max(dated.values_list("done_date", "error_code"), default=("", 0))
    return max(latest, ("", known or 0), ("", reported))[1] or None


def join(part: OutboundPart) -> None:
    """Give the part the reports that came before we knew its sid."""
    early = DeliveryEvent.objects.filter(account_id=part.conversation.account_id, sid=part.sid, part__isnull=True)
    found = list(early)
    early.update(part=part)
    for event in found:
        report(part, status=event.status, error_code=event.error_code)


def join_early(*, limit: int = 200) -> int:
    """Join early reports whose part became known in the moment they were stored. Returns how many parts."""
    sids = DeliveryEvent.objects.filter(part__isnull=True).values("sid")
    parts = OutboundPart.objects.filter(sid__in=sids).select_related("conversation")[:limit]
    for part in parts:
        with transaction.atomic():
            join(part)
    return len(parts)


def forget_orphans(now: datetime) -> int:
    """Delete early reports that are nobody's: too old, or beyond the number kept. Returns how many."""
    orphans = DeliveryEvent.objects.filter(part__isnull=True)
    deleted, _ = orphans.filter(received_at__lt=now - ORPHANS_KEPT_FOR).delete()
    surplus = orphans.order_by("-received_at").values_list("received_at", flat=True)[MOST_ORPHANS : MOST_ORPHANS + 1]
    if surplus:
        deleted += orphans.filter(received_at__lte=surplus[0]).delete()[0]
    return deleted


def _is_known(event: DeliveryEvent) -> bool:
    return DeliveryEvent.objects.filter(
        account_id=event.account_id,
        sid=event.sid,
        status=event.status,
        error_code=event.error_code,
        done_date=event.done_date,
    ).exists()


def _forget_oldest(event: DeliveryEvent) -> None:
    """Keep the latest reports of a text: their number is Twilio's to choose, our disk is ours."""
    kept = DeliveryEvent.objects.filter(account_id=event.account_id, sid=event.sid).order_by("-id")
    surplus = kept.values_list("pk", flat=True)[MOST_REPORTS : MOST_REPORTS + 1]
    if surplus:
        DeliveryEvent.objects.filter(account_id=event.account_id, sid=event.sid, pk__lte=surplus[0]).delete()


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
    if not part.sid and part.state in UNSETTLED:
        _accept(part, sid, now)
    elif not part.sid and part.state == PartState.ACCEPTED:
        # The operator marked it as sent without knowing under which sid.
        OutboundPart.objects.filter(pk=part.pk, sid="").update(sid=sid)
    part.refresh_from_db(fields=["sid", "state"])  # a worker may have been faster


def _accept(part: OutboundPart, sid: str, now: datetime) -> None:
    won = part.move(
        PartState.ACCEPTED,
        sid=sid,
        accepted_at=now,
        next_attempt_at=None,
        slot_at=None,
        reason=Reason.NONE,
        detail="",
        error_code=None,
    )
    if won:
        part.release_rest()
        transaction.on_commit(functools.partial(queue.wake_outbox, part.conversation_id))
