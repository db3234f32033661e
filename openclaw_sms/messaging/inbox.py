"""The durable inbox: a text is on the disk before anybody is told that it arrived."""

import functools
import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, OperationalError, transaction

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import counters, events, keywords, media, queue
from openclaw_sms.models import PLACE, WAITING, InboundMessage
from openclaw_sms.text.phone import mask, parse_sender
from openclaw_sms.twilio.payloads import InboundText

logger = logging.getLogger(__name__)

# PostgreSQL's text cannot hold it; the raw form keeps it.
NUL = "\x00"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
DEADLOCK_DETECTED = "40P01"


@dataclass(frozen=True, slots=True)
class Accepted:
    inbound_id: int
    new: bool


def accept(account: Account, text: InboundText, *, form: bytes, now: datetime, backfilled: bool = False) -> Accepted:
    """Commit `text` once per (account, sid) and wake a worker. Raises `DatabaseError`: then it is not stored.

    `backfilled`: fetched from Twilio's list, and `now` is when Twilio got it; it goes before newer texts that wait.
    Nothing about the text is judged here, not even its AccountSid: a text that is stored can be explained. STOP alone
    is obeyed as it is stored.
    """
    store = functools.partial(_store, account, text, form, now, backfilled=backfilled)
    try:
        accepted = store()
    except OperationalError as error:
        if not _is_deadlock(error):
            raise
        accepted = store()  # Twilio hardly tries again, and the transaction that won has ended
    if accepted.new:
        queue.wake_inbound(accepted.inbound_id)
    counters.count(counters.TEXTS_ACCEPTED if accepted.new else counters.TEXTS_REPEATED, account=account.id)
    event = "text.accepted" if accepted.new else "text.repeated"
    logger.info("%s account=%s sid=%s sender=%s", event, account.id, text.sid, mask(text.sender))
    return accepted


def _is_deadlock(error: OperationalError) -> bool:
    """PostgreSQL's: it ends one of the two transactions (https://www.postgresql.org/docs/15/errcodes-appendix.html)."""
    return getattr(error.__cause__, "sqlstate", None) == DEADLOCK_DETECTED


def _store(account: Account, text: InboundText, form: bytes, now: datetime, *, backfilled: bool) -> Accepted:
    """One insert in the common case; the unique constraint, not a look beforehand, tells a repetition."""
    message = InboundMessage(
        account_id=account.pk,
        sid=text.sid,
        sender=parse_sender(text.sender).address.replace(NUL, REPLACEMENT),
        body=text.body.replace(NUL, REPLACEMENT),
        form=form,
        received_at=now,
        backfilled=backfilled,
    )
    try:
        with transaction.atomic():
            if backfilled:
                message.before_id = _oldest_newer(message)
            message.save(force_insert=True)
            media.note(message, text)
            keywords.stop_at_once(account, text, message)
            events.text_received(message, now=now)
    except IntegrityError:
        known = InboundMessage.objects.only("pk").get(account_id=account.pk, sid=text.sid)
        return Accepted(known.pk, new=False)
    return Accepted(message.pk, new=True)


def _oldest_newer(message: InboundMessage) -> int | None:
    """The place of the first waiting text of the sender that was written after this one."""
    waiting = InboundMessage.objects.filter(account_id=message.account_id, sender=message.sender, state__in=WAITING)
    newer = waiting.filter(received_at__gt=message.received_at).annotate(place=PLACE)
    return newer.order_by("place").values_list("place", flat=True).first()
