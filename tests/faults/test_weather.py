"""Twilio in bad weather: slow, dropping after it accepted, failing, throttling; reports shuffled and repeated."""

import random
import threading

import pytest

from tests.faults.conftest import Build
from tests.faults.installation import Installation
from tests.support.gateway import FakePhone
from tests.support.pretend_twilio import ACCEPT_THEN_DROP, DROP, Fault, Refusal, Silence, throttled

pytestmark = [pytest.mark.processes, pytest.mark.faults]

FAULTS: list[Fault] = [
    ACCEPT_THEN_DROP,
    DROP,
    Refusal(500, 20500, "Internal error"),
    throttled(retry_after=1),
    Silence(accepts=True, seconds=2),
]
REPORTS = ["queued", "sending", "sent", "delivered", "delivered", "sending"]


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
    return installation.phones(4)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_every_reply_goes_out_once(installation: Installation, phones: list[FakePhone], seed: int) -> None:
    books, weather = installation.books(), random.Random(seed)
    for _ in range(8):
        installation.twilio.fails_next(weather.choice(FAULTS), after=weather.randrange(3))
    reporting = Reporter(installation, weather)

    reporting.start()
    books.deliver_many(phones, each=4)
    books.balance()
    reporting.stop()

    installation.twilio.behaves()
    books.balance()
    sids = ", ".join(f"'{sid}'" for sid in reporting.reported)
    states = installation.rows(
        f"SELECT DISTINCT state, delivery FROM openclaw_sms_outboundpart WHERE sid IN ({sids})"
    )
    assert states == [("accepted", "delivered")]


def test_a_storm_of_refusals_ends_in_one_reply_each(installation: Installation, phones: list[FakePhone]) -> None:
    books = installation.books()
    installation.twilio.fails_next(throttled(retry_after=0), times=12)
    books.deliver_many(phones, each=2)
    books.balance()
    installation.twilio.behaves()


class Reporter(threading.Thread):
    """Posts shuffled and repeated status reports of whatever Twilio has accepted, while the traffic goes on."""

    def __init__(self, installation: Installation, weather: random.Random) -> None:
        super().__init__()
        self._twilio, self._weather = installation.twilio, weather
        self._ends = threading.Event()
        self.reported: set[str] = set()

    def run(self) -> None:
        while not self._ends.is_set():
            self._report()
            self._ends.wait(0.1)
        self._report()

    def _report(self) -> None:
        for message in list(self._twilio.messages):
            if message.sid not in self.reported:
                self._twilio.calls_back(message, *REPORTS, shuffle=self._weather)
                self.reported.add(message.sid)

    def stop(self) -> None:
        self._ends.set()
        self.join()
