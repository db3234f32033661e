"""Leases: one worker at a time on one lane of a conversation, and a fence against the worker that came too late.

A lease is a token in the conversation's row and the time it lapses. It is taken by a conditional update, renewed
while work goes on, and confirmed inside every transaction that writes: a worker that stalled past its lease finds
another token there, and its transaction is rolled back.
"""

import enum
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from openclaw_sms.messaging import instance
from openclaw_sms.models import Conversation, OutgoingEvent

logger = logging.getLogger(__name__)

# Recovery after a dead worker takes at most LENGTH and one sweep; renewing thrice a length survives two failures.
LENGTH = timedelta(seconds=30)
RENEW_EVERY = LENGTH / 3


class LeaseLost(Exception):
    """Another worker holds the lane now. Whatever this one was about to write must not be written."""

    def __init__(self) -> None:
        super().__init__("The lease lapsed and another worker took the conversation.")


class Lane(enum.Enum):
    """The value is the prefix of the conversation's columns."""

    TURN = "turn"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Lease:
    conversation_id: int
    lane: Lane
    token: str

    def renew(self, now: datetime) -> bool:
        """Whether the lease was still ours; if so it now lapses a full LENGTH after `now`."""
        return bool(self._mine().update(**{f"{self.lane.value}_lease_until": now + LENGTH}))

    def confirm(self, now: datetime) -> None:
        """The fence. Inside a transaction: locks the conversation's row. Raises `LeaseLost`."""
        if not connection.in_atomic_block:
            raise RuntimeError("a lease is confirmed inside the transaction that it guards")
        if not self.renew(now):
            raise LeaseLost

    def release(self) -> None:
        self._mine().update(**{f"{self.lane.value}_lease": "", f"{self.lane.value}_lease_until": None})

    def _mine(self) -> QuerySet[Conversation]:
        return Conversation.objects.filter(pk=self.conversation_id, **{f"{self.lane.value}_lease": self.token})


def take(conversation_id: int, lane: Lane, now: datetime) -> Lease | None:
    """The lease, if nobody holds it or its holder let it lapse; None otherwise."""
    token = f"{instance.current().id}/{uuid.uuid4().hex}"
    column = f"{lane.value}_lease"
    free = Q(**{column: ""}) | Q(**{f"{column}_until__lt": now})
    taken = Conversation.objects.filter(free, pk=conversation_id).update(
        **{column: token, f"{column}_until": now + LENGTH}
    )
    return Lease(conversation_id, lane, token) if taken else None


@contextmanager
def held(conversation_id: int, lane: Lane) -> Iterator[Lease | None]:
    """Hold the lane for the length of the block, renewing it meanwhile. Yields None when another worker has it."""
    lease = take(conversation_id, lane, timezone.now())
    if lease is None:
        yield None
        return
    keeper.keep(lease)
    try:
        yield lease
    finally:
        keeper.drop(lease)
        _let_go(lease)


def _let_go(lease: Lease) -> None:
    """Release, on a new connection if this one is dead, or later: the sender must not wait until the lease lapses."""
    try:
        lease.release()
    except DatabaseFailure:
        connection.close()
        try:
            lease.release()
        except DatabaseFailure:
            keeper.release_later(lease)


def release_left_behind() -> int:
    """Free at once what would only lapse: leases of this machine's dead workers, and of our own that a database which
    was away did not let go of. Returns how many were freed.
    """
    freed = keeper.release_overdue()
    for dead in instance.take_dead():
        for lane in Lane:
            column = f"{lane.value}_lease"
            freed += Conversation.objects.filter(**{f"{column}__startswith": f"{dead}/"}).update(
                **{column: "", f"{column}_until": None}
            )
        events = OutgoingEvent.objects.filter(lease__startswith=f"{dead}/")
        freed += events.update(lease="", lease_until=None)
    return freed


class _Keeper:
    """One thread a process renews all leases held in it, so that no turn needs a thread of its own for that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Lease] = set()
        self._overdue: set[Lease] = set()
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease) -> None:
        with self._lock:
            self._held.add(lease)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()

    def drop(self, lease: Lease) -> None:
        with self._lock:
            self._held.discard(lease)

    def release_later(self, lease: Lease) -> None:
        with self._lock:
            self._overdue.add(lease)

    def release_overdue(self) -> int:
        """Release what could not be released before. Raises `DatabaseError` while that is still so."""
        with self._lock:
            overdue = list(self._overdue)
        for lease in overdue:
            lease.release()
            with self._lock:
                self._overdue.discard(lease)
        return len(overdue)

    def held(self, lane: Lane) -> list[Lease]:
        with self._lock:
            return [lease for lease in self._held if lease.lane is lane]

    def _run(self) -> None:
        while True:
            time.sleep(RENEW_EVERY.total_seconds())
            with self._lock:
                held = list(self._held)
                if not held:
                    self._thread = None
                    break
            self._renew(held)
        connection.close()

    def _renew(self, leases: list[Lease]) -> None:
        close_old_connections()
        for lease in leases:
            try:
                lease.renew(timezone.now())
            except Exception as error:  # the next round tries again; the fence is what protects
                logger.warning(
                    "lease.not_renewed conversation=%s error=%s", lease.conversation_id, type(error).__name__
                )


keeper = _Keeper()
