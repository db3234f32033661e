"""Looking references up, and remembering what they said for a while, in this process's memory alone.

Two ways in. `resolve` asks the source when what is known has gone stale: for commands, pages and turns, which
somebody entitled has begun. `peek` asks nobody: for the webhook, so that a flood of forged posts neither runs a
program nor opens a file. `refresh_due` keeps what was peeked at fresh; a thread of the gateway calls it.

While a source cannot be asked, what it said last holds for `OUTLIVES_ITS_SOURCE`. What it says itself ("there is no
such secret") counts at once: a secret that was removed is not used any longer.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import DatabaseError
from django.views.decorators.debug import sensitive_variables

from openclaw_sms.config import providers as defined_providers
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.providers import Provider, provider_of
from openclaw_sms.config.secrets.reference import SecretRef

# As long as a vault's restart or a bad night takes; not so long that a revoked token lives on for days.
OUTLIVES_ITS_SOURCE = timedelta(hours=1)
# A failure is looked into again soon, but a program that fails is not run at every reload.
FAILURE_HOLDS_FOR = timedelta(seconds=5)
# What nobody asked about for this long is not looked up any more.
WANTED_FOR = timedelta(minutes=5)
NOT_YET = "has not been looked up yet: that takes a moment after a start."


@dataclass(slots=True)
class _Entry:
    """What is known of one reference. Times are monotonic seconds."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    provider: Provider | None = None
    value: str | None = field(default=None, repr=False)
    good_until: float = 0.0
    failure: SecretUnavailable | None = None
    due_at: float = 0.0
    wanted_at: float = 0.0


_entries: dict[SecretRef, _Entry] = {}


@sensitive_variables()
def resolve(ref: SecretRef) -> str:
    """The secret, asked of its source unless that was done a moment ago. Raises `SecretUnavailable`.

    Not for a request that anybody may send, and not inside a transaction: a program may take seconds.
    """
    entry = _wanted(ref)
    with entry.lock:
        if time.monotonic() >= entry.due_at:
            _look_up(ref, entry)
    return _said(ref, entry)


@sensitive_variables()
def peek(ref: SecretRef) -> str:
    """The secret as it is known; nobody is asked. Raises `SecretUnavailable`, also while it was never looked up."""
    return _said(ref, _wanted(ref))


def refresh_due() -> None:
    """Look up again whatever is wanted and has gone stale. Failures are kept for whoever asks next."""
    now = time.monotonic()
    for ref, entry in list(_entries.items()):
        if now - entry.wanted_at > WANTED_FOR.total_seconds():
            _entries.pop(ref, None)
        elif now >= entry.due_at and entry.lock.acquire(blocking=False):
            try:
                _look_up(ref, entry)
            finally:
                entry.lock.release()


def known() -> set[str]:
    """Every value in memory, for whoever must keep them out of what is shown."""
    return {entry.value for entry in list(_entries.values()) if entry.value}


def look_again() -> None:
    """Ask every source anew when it is next due to be asked: after a change. Until then what is known goes on."""
    for entry in list(_entries.values()):
        entry.due_at = 0.0


def forget() -> None:
    """As after a start: for tests."""
    _entries.clear()


def _wanted(ref: SecretRef) -> _Entry:
    entry = _entries.setdefault(ref, _Entry())
    entry.wanted_at = time.monotonic()
    return entry


@sensitive_variables()
def _said(ref: SecretRef, entry: _Entry) -> str:
    if entry.value is not None and time.monotonic() < entry.good_until:
        return entry.value
    if entry.failure is not None:
        raise entry.failure.again()
    raise SecretUnavailable(ref, NOT_YET, passing=True)


@sensitive_variables()
def _look_up(ref: SecretRef, entry: _Entry) -> None:
    try:
        before, entry.provider = entry.provider, provider_of(ref, defined_providers.stored())
        if before != entry.provider:
            entry.value = None  # another source: what the old one said is no news of this one
        value = entry.provider.look_up(ref)
    except SecretUnavailable as failure:
        _remember_failure(entry, failure)
    except DatabaseError as error:
        why = f"cannot be had: the database failed ({type(error).__name__})."
        _remember_failure(entry, SecretUnavailable(ref, why, passing=True))
    else:
        now = time.monotonic()
        entry.value, entry.failure = value, None
        entry.good_until = now + OUTLIVES_ITS_SOURCE.total_seconds()
        entry.due_at = now + entry.provider.fresh_for.total_seconds()


def _remember_failure(entry: _Entry, failure: SecretUnavailable) -> None:
    """Keep the sentence, and the value only as long as the same source may still stand by it."""
    entry.failure = failure.again()  # without the traceback, whose frames hold what was read
    entry.due_at = time.monotonic() + FAILURE_HOLDS_FOR.total_seconds()
    if not failure.passing:
        entry.value = None
