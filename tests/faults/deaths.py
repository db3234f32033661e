"""How a process under test comes to its end, and back."""

import threading
import time
from collections.abc import Callable

from tests.faults.installation import order
from tests.support.gateway import Gateway
from tests.support.pretend_twilio import Message, PretendTwilio

DEATH_LIMIT = 60.0  # seconds until a process that was told to die at a line must have passed it
REPORT_LIMIT = 60.0


def restart(gateway: Gateway, fault: str = "") -> None:
    """Kill the process and start it with another fault on order."""
    gateway.kill()
    order(gateway, fault)
    gateway.start()


def dies_meanwhile(gateway: Gateway, work: Callable[[], object]) -> None:
    """Do `work`, during which the process meets the fault on order; start it again without one."""
    failures: list[BaseException] = []

    def do() -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    working = threading.Thread(target=do)
    working.start()
    died = gateway.ended(DEATH_LIMIT)
    restart(gateway)
    working.join()
    assert died, f"it never passed the line\n{gateway.log_tail()}"
    if failures:
        raise failures[0]


def report(twilio: PretendTwilio, message: Message, status: str) -> None:
    """Post a status report until it is taken."""
    deadline = time.monotonic() + REPORT_LIMIT
    while not _taken(twilio, message, status):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _taken(twilio: PretendTwilio, message: Message, status: str) -> bool:
    try:
        return twilio.calls_back(message, status)[0].status == 200
    except Exception:  # the process may be away, or go away with the report in hand
        return False
