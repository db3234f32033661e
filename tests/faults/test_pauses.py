"""Workers that stand still past their lease, and clocks that jump: whoever comes too late writes nothing."""

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Build
from tests.faults.deaths import restart
from tests.faults.installation import Installation, order, thorough
from tests.support.gateway import FakePhone, Gateway

pytestmark = [pytest.mark.processes, pytest.mark.faults]

LEASE = 4.0  # seconds; the product's thirty would only make the tests longer
FREEZE_LIMIT = 60.0


@pytest.fixture(scope="module")
def machines(build: Build) -> Installation:
    """One web server and two workers, on three machines."""
    return build("postgres/redis", webs=1, workers=2, SMS_FAULT_LEASE=str(LEASE))


@pytest.fixture(scope="module")
def phones(machines: Installation) -> list[FakePhone]:
    return machines.phones(3)


@pytest.mark.postgres
@pytest.mark.redis
class TestTwoWorkers:
    @pytest.mark.parametrize("line", [thorough("turn.claimed"), "turn.told", thorough("part.leased")])
    def test_one_freezes_at_a_line_and_the_other_takes_over(
        self, machines: Installation, phones: list[FakePhone], line: str
    ) -> None:
        """The frozen one wakes up when its lease is long over, goes on at the very line, and writes nothing."""
        frozen, other = machines.workers
        books = machines.books()
        other.kill()
        restart(frozen, f"{line}:1:stop")
        books.deliver(phones[0])
        assert is_stopped(frozen, within=FREEZE_LIMIT)

        other.start()
        books.balance()
        frozen.signal(signal.SIGCONT)
        books.deliver_many(phones, each=1)

        books.balance()
        assert "lease.lost" in frozen.log
        order(frozen, "")

    @pytest.mark.thorough
    def test_both_freeze_at_once(self, machines: Installation, phones: list[FakePhone]) -> None:
        books = machines.books()
        senders = threading.Thread(target=books.deliver_many, args=(phones, 6))
        senders.start()
        assert books.wait_for(4)
        for worker in machines.workers:
            worker.signal(signal.SIGSTOP)
        time.sleep(LEASE + 1)
        for worker in machines.workers:
            worker.signal(signal.SIGCONT)
        senders.join()

        books.balance()

    def test_one_is_killed_and_the_other_machine_goes_on(
        self, machines: Installation, phones: list[FakePhone]
    ) -> None:
        """Nobody restarts it: what it had in hand is taken up once the lease is over and the sweep came by."""
        lost, other = machines.workers
        books = machines.books()
        other.kill()
        restart(lost, "turn.told:1")
        books.deliver(phones[1])
        assert lost.ended(FREEZE_LIMIT)
        order(lost, "")

        other.start()

        books.balance()
        lost.start()


@pytest.mark.thorough
@pytest.mark.postgres
@pytest.mark.redis
def test_with_the_products_own_lease_another_machine_takes_over(build: Build) -> None:
    """Within 45 seconds: a lease, a sweep, and what a busy machine takes to notice."""
    machines = build("postgres/redis", webs=1, workers=2)
    (phone,) = machines.phones(1)
    lost, other = machines.workers
    books = machines.books()
    other.kill()
    restart(lost, "turn.told:1")
    books.deliver(phone)
    assert lost.ended(FREEZE_LIMIT)
    other.start()

    books.balance(within=45)


@pytest.mark.parametrize("ahead", [3600, thorough(-3600)], ids=["forward", "back"])
def test_the_clock_jumps_an_hour(build: Build, tmp_path: Path, ahead: int) -> None:
    clock = tmp_path / "clock"
    installation = build("sqlite", SMS_FAULT_CLOCK=str(clock))
    books, phones = installation.books(), installation.phones(3)
    senders = threading.Thread(target=books.deliver_many, args=(phones, 6))
    senders.start()
    assert books.wait_for(6)
    clock.write_text(str(ahead))
    senders.join()
    books.balance()
    restart(installation.gateway)
    books.deliver_many(phones, each=1)

    books.balance()


def is_stopped(process: Gateway, within: float) -> bool:
    """Whether the kernel says that the process stands still."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "T":
            return True
        time.sleep(0.05)
    return False
