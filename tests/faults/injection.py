"""Faults in a process of the product: it dies or freezes at a named line, or its clock is wrong.

Each line is a function of the product, wrapped when the process starts: the product itself has no hooks. A function
that no longer exists ends the process at its start, with its name.

    SMS_FAULT=part.taken:1        kill -9 at the first passing of the line; `part.taken:2:stop` freezes at the second
    SMS_FAULT_CLOCK=/path         a file with the seconds that the clock is ahead; read at every look at the clock
    SMS_FAULT_LEASE=6             seconds a lease lasts, instead of the product's thirty
"""

import functools
import importlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def always(result: object, arguments: tuple[object, ...]) -> bool:
    return True


def got_one(result: object, arguments: tuple[object, ...]) -> bool:
    return result is not None


def lane(name: str) -> Callable[[object, tuple[object, ...]], bool]:
    """The lease that was taken is of this lane."""
    return lambda result, arguments: result is not None and getattr(result, "lane").name == name  # noqa: B009


@dataclass(frozen=True, slots=True)
class Line:
    """Just before the function named by `where` (module:qualified name), or just after it returned."""

    where: str
    before: bool = False
    counts: Callable[[object, tuple[object, ...]], bool] = always


MESSAGING = "openclaw_sms.messaging"
# In the order of a text's journey.
LINES = {
    "inbox.storing": Line(f"{MESSAGING}.inbox:_store", before=True),
    "inbox.stored": Line(f"{MESSAGING}.inbox:_store"),
    "inbox.hinted": Line(f"{MESSAGING}.inbox:accept"),
    "turn.leased": Line(f"{MESSAGING}.lease:take", counts=lane("TURN")),
    "turn.claimed": Line(f"{MESSAGING}.turn:claim_next", counts=got_one),
    "turn.asking": Line(f"{MESSAGING}.turn:Turn._note_that_the_agent_is_asked"),
    "turn.told": Line("openclaw_sms.agents.chat_completions:ChatCompletions.answer"),
    "turn.replying": Line(f"{MESSAGING}.outbox:write"),  # inside the transaction
    "turn.replied": Line(f"{MESSAGING}.turn:Turn._reply"),
    "part.leased": Line(f"{MESSAGING}.lease:take", counts=lane("SEND")),
    "part.marked": Line("openclaw_sms.twilio.client:TwilioClient.send", before=True),
    "part.taken": Line("openclaw_sms.twilio.client:TwilioClient.send"),
    "part.accepted": Line(f"{MESSAGING}.outbox:accept"),
    "lease.released": Line(f"{MESSAGING}.lease:Lease.release"),
    "delivery.storing": Line(f"{MESSAGING}.delivery:_store", before=True),
    "delivery.stored": Line(f"{MESSAGING}.delivery:_store"),  # inside the transaction
    "delivery.recorded": Line(f"{MESSAGING}.delivery:record"),
}
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def install(environment: Mapping[str, str]) -> None:
    if order := environment.get("SMS_FAULT"):
        name, number, *action = order.split(":")
        _wrap(LINES[name], int(number), ACTIONS[action[0] if action else "kill"])
    if path := environment.get("SMS_FAULT_CLOCK"):
        _shift_clock(Path(path))
    if seconds := environment.get("SMS_FAULT_LEASE"):
        _shorten_leases(timedelta(seconds=float(seconds)))


def _wrap(line: Line, number: int, action: signal.Signals) -> None:
    module, _, name = line.where.partition(":")
    owner: Any = importlib.import_module(module)
    *holders, attribute = name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    function = getattr(owner, attribute)
    left = number
    lock = threading.Lock()

    def pass_line(result: object, arguments: tuple[object, ...]) -> None:
        nonlocal left
        with lock:
            left -= line.counts(result, arguments)
            strikes = left == 0 and line.counts(result, arguments)
        if strikes:
            os.kill(os.getpid(), action)

    @functools.wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if line.before:
            pass_line(None, arguments)
        result = function(*arguments, **named)
        if not line.before:
            pass_line(result, arguments)
        return result

    setattr(owner, attribute, wrapped)


def _shift_clock(path: Path) -> None:
    from django.utils import timezone

    real = timezone.now

    def shifted() -> datetime:
        ahead = path.read_text() if path.exists() else ""
        return real() + timedelta(seconds=float(ahead or 0))

    timezone.now = shifted


def _shorten_leases(length: timedelta) -> None:
    from openclaw_sms.messaging import lease

    lease.LENGTH = length
    lease.RENEW_EVERY = length / 3
