"""The database or the queue goes away under a running installation, and comes back."""

import resource
import threading
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Build
from tests.faults.deaths import restart
from tests.faults.installation import Installation
from tests.faults.servers import OwnPostgres, OwnRedis
from tests.support.gateway import FakePhone, unique

pytestmark = [pytest.mark.processes, pytest.mark.faults, pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    with OwnPostgres() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[OwnRedis]:
    with OwnRedis() as server:
        yield server


@pytest.fixture(scope="module")
def installation(build: Build, postgres: OwnPostgres, redis: OwnRedis) -> Installation:
    return build((postgres.url, redis.url))


@pytest.fixture(scope="module")
def phones(installation: Installation) -> list[FakePhone]:
    return installation.phones(3)


def test_a_database_that_stops_and_starts(
    installation: Installation, phones: list[FakePhone], postgres: OwnPostgres
) -> None:
    """What comes meanwhile is not stored and is told so; what was acked is answered."""
    books = installation.books()
    senders = threading.Thread(target=books.deliver_many, args=(phones, 6))
    senders.start()
    assert books.wait_for(5)
    postgres.stop()
    refused = phones[0].again().texts(unique("nobody can take this now"))
    postgres.start()
    senders.join()

    assert (refused.status, refused.text) == (503, "Not stored")
    books.balance()


def test_a_queue_that_is_flushed(installation: Installation, phones: list[FakePhone], redis: OwnRedis) -> None:
    """Hints are lost while nobody takes them; the sweep gives them again."""
    books = installation.books()
    redis.freeze()
    books.deliver_many(phones, each=2)
    redis.kill()
    redis.start()

    books.balance()


def test_a_queue_that_stalls_does_not_hold_up_twilio(
    installation: Installation, phones: list[FakePhone], redis: OwnRedis
) -> None:
    books = installation.books()
    redis.freeze()
    books.deliver_many(phones, each=3)  # each is acked while the queue stands still
    redis.thaw()

    books.balance()


@pytest.fixture(scope="module")
def embedded(build: Build) -> Installation:
    return build("sqlite")


class TestADiskThatIsFull:
    """A limit on the size of files stands in for the disk: SQLite's writes fail in the same place."""

    def test_takes_nothing_and_pretends_nothing(self, embedded: Installation) -> None:
        books, phone = embedded.books(), embedded.phones(1)[0]
        books.deliver(phone)
        books.balance()
        _, hard = resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE)

        resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE, (1, hard))
        refused = phone.texts(unique("no room"))
        stored = embedded.rows("SELECT count(*) FROM openclaw_sms_inboundmessage")
        resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE, (hard, hard))

        assert (refused.status, refused.text) == (503, "Not stored")
        assert stored == [(1,)]
        books.deliver(phone)
        books.balance()

    def test_in_the_middle_of_the_traffic_loses_nothing_acked(self, embedded: Installation) -> None:
        books, phones = embedded.books(), embedded.phones(3)
        _, hard = resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE)
        senders = threading.Thread(target=books.deliver_many, args=(phones, 8))
        senders.start()
        assert books.wait_for(6)
        resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE, (1, hard))
        senders.join(2)
        resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE, (hard, hard))
        senders.join()

        books.balance()

    def test_that_was_full_at_the_start_of_a_turn_is_survived_by_a_restart(self, embedded: Installation) -> None:
        books, phones = embedded.books(), embedded.phones(2)
        books.deliver_many(phones, each=1)
        resource.prlimit(embedded.gateway.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        restart(embedded.gateway)

        books.balance()
