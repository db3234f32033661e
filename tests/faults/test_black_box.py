"""From outside: 90 texts of 6 senders, and three times kill -9 of the whole process group while they come in."""

import threading

import pytest

from tests.faults.conftest import Build
from tests.faults.deaths import restart
from tests.support.gateway import FakePhone

pytestmark = [pytest.mark.processes, pytest.mark.faults]

SENDERS, EACH = 6, 15
# Texts acked when the group is killed: early, in the middle, and towards the end.
KILLED_AT = (10, 40, 70)


@pytest.mark.parametrize(
    "engines",
    ["sqlite", pytest.param("postgres/redis", marks=[pytest.mark.postgres, pytest.mark.redis])],
)
def test_ninety_texts_and_three_kills(build: Build, engines: str) -> None:
    installation = build(engines)
    books, phones = installation.books(), installation.phones(SENDERS)
    senders = threading.Thread(target=books.deliver_many, args=(phones, EACH))

    senders.start()
    for number in KILLED_AT:
        assert books.wait_for(number)
        restart(installation.gateway)
    senders.join()

    assert books.count == SENDERS * EACH
    books.balance()
    assert heard_by(phones) == SENDERS * EACH


def heard_by(phones: list[FakePhone]) -> int:
    """All texts that reached the phones."""
    return sum(len(phone.gateway.twilio.messages_to(phone.number)) for phone in phones)
