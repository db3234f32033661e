"""kill -9 at each named line of a text's journey: nothing is lost, nothing doubled, nothing out of order."""

import pytest
from _pytest.mark import ParameterSet

from tests.faults.conftest import Build
from tests.faults.deaths import dies_meanwhile, report, restart
from tests.faults.injection import LINES
from tests.faults.installation import Installation, thorough
from tests.support.gateway import FakePhone

pytestmark = [pytest.mark.processes, pytest.mark.faults]

# Around each commit and each call to somebody else; the lines between them are for the full programme.
ALWAYS = {
    "inbox.stored",
    "turn.claimed",
    "turn.told",
    "turn.replying",
    "part.marked",
    "part.taken",
    "part.accepted",
    "delivery.stored",
}


def chosen(lines: list[str]) -> list[ParameterSet]:
    return [pytest.param(line) if line in ALWAYS else thorough(line) for line in lines]


DELIVERIES = [line for line in LINES if line.startswith("delivery.")]
JOURNEY = [line for line in LINES if line not in DELIVERIES]


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgres/redis", marks=[pytest.mark.thorough, pytest.mark.postgres, pytest.mark.redis]),
    ],
)
def installation(request: pytest.FixtureRequest, build: Build) -> Installation:
    return build(request.param)


@pytest.fixture(scope="module")
def phones(installation: Installation) -> list[FakePhone]:
    return installation.phones(2)


@pytest.mark.parametrize("line", chosen(JOURNEY))
def test_killed_at(installation: Installation, phones: list[FakePhone], line: str) -> None:
    books = installation.books()
    restart(installation.gateway, f"{line}:2")

    dies_meanwhile(installation.gateway, lambda: books.deliver_many(phones, each=2))

    books.balance()


@pytest.mark.parametrize("line", chosen(DELIVERIES))
def test_killed_with_a_report_in_hand_at(installation: Installation, phones: list[FakePhone], line: str) -> None:
    books, phone = installation.books(), phones[0].again()
    restart(installation.gateway, f"{line}:1")
    books.deliver(phone)
    reply = phone.hears()

    dies_meanwhile(installation.gateway, lambda: report(installation.twilio, reply, "delivered"))

    books.balance()
    states = installation.rows(f"SELECT state, delivery FROM openclaw_sms_outboundpart WHERE sid = '{reply.sid}'")
    assert states == [("accepted", "delivered")]
