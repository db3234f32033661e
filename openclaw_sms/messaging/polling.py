"""Asking Twilio what became of texts that nobody reported on: callbacks are best effort, and some never come.

A bounded number of texts at a time, each at growing intervals and for two days at most. Silent when there is none.
"""

import logging
from datetime import datetime, timedelta

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import circuits, delivery, outbox
from openclaw_sms.models import Delivery, OutboundPart, ProbeKind
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

AT_ONCE = 20
# After the poll with this number, counted from 0. Most texts are settled by their callbacks long before the first;
# of many, carriers never report more than `sent`.
AGAIN_AFTER = (
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=16),
    timedelta(hours=24),
)
UNKNOWN_TO_TWILIO = 404


def poll_due(now: datetime, *, limit: int = AT_ONCE) -> int:
    """Ask about the parts that are due. Returns how many Twilio told something of. Stops at the first trouble."""
    due = OutboundPart.objects.filter(next_poll_at__lte=now).select_related("conversation").order_by("next_poll_at")
    told = 0
    for part in due[:limit]:
        account = accounts.current().by_pk(part.conversation.account_id)
        if account is None or not _claim(part, now) or not _can_be_asked(account):
            continue
        try:
            told += _ask(account, part, now)
        except TwilioError as error:
            logger.warning("part.not_polled part=%s code=%s", part.pk, error.code)
            break
    return told


def _claim(part: OutboundPart, now: datetime) -> bool:
    """Whether this worker is the one to ask. The next time is set before: a crash costs one poll, never a flood."""
    again = now + AGAIN_AFTER[part.polls] if part.polls < len(AGAIN_AFTER) else None
    mine = OutboundPart.objects.filter(pk=part.pk, next_poll_at=part.next_poll_at)
    return bool(mine.update(next_poll_at=again, polls=part.polls + 1))


def _can_be_asked(account: Account) -> bool:
    if not (account.enabled and account.configured) or account.unavailable:
        return False
    # A circuit that waits for a report is closed by what is asked for here, where no callback reaches us.
    circuit = circuits.of(account.pk)
    return circuit is None or circuit.probe == ProbeKind.REPORT


def _ask(account: Account, part: OutboundPart, now: datetime) -> bool:
    try:
        found = outbox.carrier(account).message(part.sid)
    except TwilioError as error:
        if error.http_status != UNKNOWN_TO_TWILIO:
            raise
        OutboundPart.objects.filter(pk=part.pk).update(next_poll_at=None)  # deleted there: nothing will be known
        return False
    code = found.error_code or 0
    delivery.follow(account, part, status=found.status, error_code=code, now=now)
    delivery.report(part, status=found.status, error_code=code)
    if found.status == Delivery.SENT and not code:
        # Some carriers never report more. What stops an account is reported within seconds, not minutes.
        circuits.reported_well(account.pk, part.accepted_at or now, now)
    logger.info("part.polled part=%s sid=%s status=%s", part.pk, part.sid, found.status)
    return True
