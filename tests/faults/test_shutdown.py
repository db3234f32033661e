"""SIGTERM and SIGINT: the turn in hand is finished or handed back, and a second signal ends the process now."""

import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import Build
from tests.faults.installation import Installation, thorough
from tests.support.gateway import FakePhone, Gateway
from tests.support.pretend_agent import Turn

pytestmark = [pytest.mark.processes, pytest.mark.faults]

END_LIMIT = 60.0
SIGNALS = [pytest.param(signal.SIGTERM, id="SIGTERM"), thorough(signal.SIGINT)]


@pytest.fixture(scope="module", params=["gateway", "worker"])
def installation(request: pytest.FixtureRequest, build: Build) -> Installation:
    """The embedded gateway, or a web server and a worker beside each other."""
    return build("sqlite", webs=int(request.param == "worker"), workers=int(request.param == "worker"))


@pytest.fixture(scope="module")
def works(installation: Installation) -> Gateway:
    """The process that has the turns in hand."""
    return (installation.workers or [installation.gateway])[0]


@pytest.fixture(scope="module")
def phone(installation: Installation) -> FakePhone:
    return installation.phones(1)[0]


@pytest.fixture
def gate(installation: Installation, phone: FakePhone) -> threading.Event:
    """What the agent thinks until; it is open before the next test."""
    go_on = threading.Event()
    installation.agent.replies(lambda turn: _after(go_on, turn))
    return go_on


@pytest.mark.parametrize("number", SIGNALS)
def test_lets_the_turn_in_hand_end_and_its_reply_go_out(
    installation: Installation, works: Gateway, phone: FakePhone, gate: threading.Event, number: signal.Signals
) -> None:
    begin(works, grace=60)
    books, heard = installation.books(), phone.again()
    text = asked(installation, books.deliver(phone).words)
    works.signal(number)
    threading.Timer(1, gate.set).start()

    assert works.ended(END_LIMIT)

    assert [reply.removeprefix("You said: ") for reply in heard.unheard()] == [text]
    begin(works, grace=60)
    books.balance()


@pytest.mark.parametrize("number", SIGNALS)
def test_hands_back_the_turn_that_does_not_end(
    installation: Installation, works: Gateway, phone: FakePhone, gate: threading.Event, number: signal.Signals
) -> None:
    begin(works, grace=1)
    books = installation.books()
    asked(installation, books.deliver(phone).words)
    works.signal(number)

    assert works.ended(END_LIMIT)

    rows = installation.rows(
        "SELECT state, attempts, crashes FROM openclaw_sms_inboundmessage ORDER BY id DESC LIMIT 1"
    )
    assert rows == [("received", 1, 0)]
    gate.set()
    begin(works, grace=60)
    books.balance()


@pytest.mark.parametrize("number", SIGNALS)
def test_ends_at_once_when_told_twice(
    installation: Installation, works: Gateway, phone: FakePhone, gate: threading.Event, number: signal.Signals
) -> None:
    """With ten minutes of grace left and an agent that does not answer."""
    begin(works, grace=600)
    books = installation.books()
    asked(installation, books.deliver(phone).words)
    stopping = works.log.count(".stopping")
    works.signal(number)
    wait_for(lambda: works.log.count(".stopping") > stopping)
    works.signal(number)

    assert works.ended(END_LIMIT)

    gate.set()
    begin(works, grace=60)
    books.balance()


def begin(works: Gateway, *, grace: int) -> None:
    works.kill()
    works.also["SMS_SHUTDOWN_GRACE"] = str(grace)
    works.start()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_LIMIT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def asked(installation: Installation, words: str) -> str:
    """The words, once the agent was asked about them."""
    assert installation.agent.wait_until(lambda: installation.agent.was_asked(words), within=END_LIMIT)
    return words


def _after(go_on: threading.Event, turn: Turn) -> str:
    go_on.wait(120)
    return f"You said: {turn.text}"
