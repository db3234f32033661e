"""Floods: of forgeries, of connections that say nothing, and of signed texts. Good texts get in, and all are kept."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Build
from tests.faults.installation import Installation
from tests.support.gateway import Delivery, Gateway, execute, unique

pytestmark = [pytest.mark.processes, pytest.mark.faults]

FORGERS = 8
SILENT = 300  # connections; waitress would take a hundred, and then no more
MEGABYTE = 1024 * 1024
# A few times what it needs at rest, and far below what the flood carries.
MOST_GROWTH = 64 * MEGABYTE


@pytest.fixture(scope="module")
def installation(build: Build) -> Installation:
    return build("sqlite")


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Gateway:
    return installation.gateway


@pytest.fixture
def flood(installation: Installation) -> Iterator[list[int]]:
    """Forged posts as fast as they are refused, as large as a webhook takes, while the test runs; their answers."""
    mallory, ends, statuses = installation.front.new_phone(), threading.Event(), list[int]()

    def forge() -> None:
        while not ends.is_set():
            with suppress(OSError):
                answer = mallory.texts("x" * 30_000, Delivery(signature="forged"))
                statuses.append(answer.status)

    with ThreadPoolExecutor(FORGERS) as pool:
        for _ in range(FORGERS):
            pool.submit(forge)
        yield statuses
        ends.set()


def test_a_flood_of_forgeries_does_not_keep_good_texts_out(
    installation: Installation, gateway: Gateway, flood: list[int]
) -> None:
    books, phones = installation.books(), installation.phones(3)
    before = resident(gateway)

    books.deliver_many(phones, each=5)
    books.balance()

    assert set(flood) == {403}
    assert len(flood) > FORGERS
    assert resident(gateway) - before < MOST_GROWTH
    assert installation.rows("SELECT count(*) FROM openclaw_sms_inboundmessage") == [(15,)]


def test_connections_that_say_nothing_do_not_keep_good_texts_out(
    installation: Installation, gateway: Gateway
) -> None:
    books, (phone,) = installation.books(), installation.phones(1)
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(gateway.address, timeout=30)) for _ in range(SILENT)]
        for client in silent:
            client.sendall(b"POST /web")
        books.deliver(phone)
        assert all(is_open(client) for client in silent)  # the text did not get in because they were thrown out
    books.balance()


def test_a_sender_over_the_limit_is_stored_and_not_answered(installation: Installation) -> None:
    (phone,) = installation.phones(1)
    limit_to(installation, 5)
    words = [unique("again") for _ in range(9)]
    # Until the gateway has heard of the limit, which takes it seconds.
    while not throttled(installation):
        assert all(phone.texts(text).status == 200 for text in words)
        words = [unique("again") for _ in range(9)]
        installation.books()._wait_until_settled(60)

    kept = execute(
        installation.database_url,
        f"SELECT state, count(*) FROM openclaw_sms_inboundmessage WHERE sender = '{phone.number}' GROUP BY state",
    )
    assert set(dict(kept)) == {"answered", "throttled"}
    assert dict(kept)["answered"] == len(installation.twilio.messages_to(phone.number))


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


def throttled(installation: Installation) -> bool:
    rows = installation.rows("SELECT count(*) FROM openclaw_sms_inboundmessage WHERE state = 'throttled'")
    return bool(rows[0][0])


def limit_to(installation: Installation, per_minute: int) -> None:
    installation.rows(f"UPDATE openclaw_sms_channelsettings SET inbound_per_minute = {per_minute}")


def resident(gateway: Gateway) -> int:
    """Bytes of memory the process has."""
    pages = Path(f"/proc/{gateway.pid}/statm").read_text().split()[1]
    return int(pages) * 4096
