"""Transactions that meet take their locks in one order, so that none has to be given up.

On PostgreSQL alone: SQLite's transactions are alone anyway.
"""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.utils import timezone

from openclaw_sms.access import opt_out, pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import admission, circuits
from openclaw_sms.models import Conversation, OutboundPart, PairingRequest, PairingState, PartState, Reason
from tests.messaging.outgoing import write
from tests.support import cast
from tests.support.phone import Phone

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="no row locks"),
]


class Other:
    """A second transaction, which runs into a lock of the first."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def starts_and_waits(self) -> None:
        self._thread.start()
        while self._thread.is_alive() and not _somebody_waits():
            time.sleep(0.01)

    def ends(self) -> None:
        self._thread.join()
        assert self.failure is None

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.failure = error
        finally:
            connection.close()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone() is not None


def test_an_approval_and_a_turn_of_the_same_stranger(bob: Phone) -> None:
    bob.texts("let me in")
    request = PairingRequest.objects.get()
    approval = Other(
        lambda: admission.approve(request.code, actor=Actor("cli:anna"), now=timezone.now(), notify=True)
    )
    with transaction.atomic():
        Conversation.objects.filter(sender=cast.BOB).update(last_activity_at=timezone.now())  # as the fence does
        approval.starts_and_waits()
        pairing.lock(bob.account.pk)
    approval.ends()
    request.refresh_from_db()
    assert request.state == PairingState.APPROVED


@pytest.fixture
def first(alice: Phone) -> OutboundPart:
    """The first of two parts, which lies behind the second on the disk, and on its way."""
    talk = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    part = write(talk, "one " * 8).parts.select_related("message").get(number=1)
    OutboundPart.objects.filter(pk=part.pk).update(reason=Reason.CIRCUIT_OPEN)
    OutboundPart.objects.exclude(pk=part.pk).update(reason=Reason.CIRCUIT_OPEN)
    OutboundPart.objects.filter(pk=part.pk).update(attempts=1)
    return part


def _stop(account_pk: int) -> None:
    with transaction.atomic():
        opt_out.suppress(account_pk, cast.ALICE, source="keyword", at=timezone.now())


def _release(account_pk: int) -> None:
    circuits._release(account_pk)


@pytest.mark.parametrize("work", [_stop, _release])
def test_what_concerns_many_parts_and_a_part_that_is_given_up(
    first: OutboundPart, alice: Phone, work: Callable[[int], None]
) -> None:
    other = Other(lambda: work(alice.account.pk))
    with transaction.atomic():
        assert first.move(PartState.SENDING)
        other.starts_and_waits()
        first.block_rest()
    other.ends()
