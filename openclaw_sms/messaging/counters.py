"""Counting what happens, in every process, so that any process can tell the sum.

A count is a number in memory; every few seconds each process adds its own to rows of `Counter`. A killed process
takes its last seconds along: these are for graphs, no promise stands on them. Labels are ids and codes from short
lists, never a number, a sender or a text.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from openclaw_sms.messaging.background import Background
from openclaw_sms.models import Counter

FLUSH_EVERY = timedelta(seconds=5)

TEXTS_ACCEPTED = "texts_accepted"
TEXTS_REPEATED = "texts_repeated"
POSTS_REFUSED = "posts_refused"
TURNS = "turns"
SENDS = "sends"
AGENT_SECONDS = "agent_seconds"
# A turn is over in a second, or takes minutes: the bounds of the histogram, in seconds.
AGENT_BUCKETS = (0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

Key = tuple[str, str]

_lock = threading.Lock()
_pending: dict[Key, float] = defaultdict(float)


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Add to the counter `name` with these labels. Never raises, never waits."""
    key = (name, spelled(labels))
    with _lock:
        _pending[key] += amount
    _background.wake()


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Put the seconds that the block takes into the histogram `name`, whatever way the block ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - began
        bound = next((bound for bound in AGENT_BUCKETS if seconds <= bound), None)
        count(f"{name}_bucket", le="+Inf" if bound is None else f"{bound:g}")
        count(f"{name}_sum", seconds)


def spelled(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def flush() -> bool:
    """Add what this process counted to the rows. False when there was nothing. On failure it is kept for later."""
    with _lock:
        taken = dict(_pending)
        _pending.clear()
    if not taken:
        return False
    try:
        with transaction.atomic():
            # In one order in every process: two that flush at once must not wait for each other.
            for (name, labels), amount in sorted(taken.items()):
                _add(name, labels, amount)
    except Exception:
        with _lock:
            for key, amount in taken.items():
                _pending[key] += amount
        raise
    return True


def forget() -> None:
    """Drop what was not flushed: between tests."""
    with _lock:
        _pending.clear()


def _add(name: str, labels: str, amount: float) -> None:
    rows = Counter.objects.filter(name=name, labels=labels)
    if rows.update(value=F("value") + amount):
        return
    Counter.objects.bulk_create([Counter(name=name, labels=labels)], ignore_conflicts=True)
    rows.update(value=F("value") + amount)


_background = Background("counters", flush, FLUSH_EVERY)
