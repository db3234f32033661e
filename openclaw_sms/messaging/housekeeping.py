"""What is done now and then beside the texts: probing circuits, fetching missed texts, asking what became of ours.

Every worker process runs it; rows decide which one does a piece of work. Nothing here is needed for a text to go its
way, and a failure of one chore never keeps the others from their turn.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from openclaw_sms.config import accounts
from openclaw_sms.messaging import backfill, circuits, delivery, outbox, polling, retention
from openclaw_sms.models import ProbeKind
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=2)


def probe_circuits(now: datetime) -> None:
    """Ask Twilio whether it lets the account in again, where asking can show it."""
    for circuit in circuits.open_circuits():
        account = accounts.current().by_pk(circuit.account_id)
        if circuit.probe != ProbeKind.QUESTION or account is None or not account.configured:
            continue
        if account.unavailable or not circuits.claim_probe(circuit, now):
            continue
        try:
            outbox.carrier(account).ask()
        except TwilioError as error:
            logger.warning("circuit.still_open account=%s code=%s", account.id, error.code)
        else:
            circuits.close(account.pk, now)


def fetch_missed(now: datetime) -> None:
    for account in backfill.due_accounts(now):
        backfill.catch_up(account, now)


def ask_what_became(now: datetime) -> None:
    polling.poll_due(now)


def clear_up(now: datetime) -> None:
    delivery.join_early()
    delivery.forget_orphans(now)


_retention = retention.Housekeeping()


def erase_old(now: datetime) -> None:
    _retention.once(now)


CHORES: tuple[tuple[Callable[[datetime], None], timedelta], ...] = (
    (probe_circuits, EVERY),
    (fetch_missed, timedelta(seconds=10)),
    (ask_what_became, timedelta(seconds=10)),
    (clear_up, timedelta(minutes=5)),
    (erase_old, EVERY),
)
_next: dict[Callable[[datetime], None], float] = {}


def once(now: datetime) -> None:
    """Do what this process has not done for its interval. Never raises."""
    for chore, every in CHORES:
        if time.monotonic() < _next.get(chore, 0.0):
            continue
        _next[chore] = time.monotonic() + every.total_seconds()
        try:
            chore(now)
        except Exception as error:
            logger.warning("housekeeping.failed chore=%s error=%s", chore.__name__, type(error).__name__)
