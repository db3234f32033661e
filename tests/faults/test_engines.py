"""One suite for every engine and every shape: what holds on one machine holds on several."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Build
from tests.faults.deaths import restart
from tests.faults.installation import Installation
from tests.support.gateway import FakePhone, new_sid, unique
from tests.support.pretend_agent import Turn

pytestmark = [pytest.mark.processes, pytest.mark.faults]

POSTGRES, REDIS = pytest.mark.postgres, pytest.mark.redis
SHAPES = [
    pytest.param(("sqlite", 0, 0), id="sqlite"),
    pytest.param(("postgres/postgres", 0, 0), id="postgres-alone", marks=[POSTGRES]),
    pytest.param(("postgres/redis", 0, 0), id="postgres-redis", marks=[POSTGRES, REDIS, pytest.mark.thorough]),
    pytest.param(("postgres/postgres", 2, 2), id="2-webs-2-workers-postgres", marks=[POSTGRES, pytest.mark.thorough]),
    pytest.param(("postgres/redis", 2, 2), id="2-webs-2-workers-redis", marks=[POSTGRES, REDIS]),
]


@pytest.fixture(scope="module", params=SHAPES)
def installation(request: pytest.FixtureRequest, build: Build) -> Installation:
    engines, webs, workers = request.param
    return build(engines, webs=webs, workers=workers, SMS_FAULT_LEASE="6")


@pytest.fixture(scope="module")
def phones(installation: Installation) -> list[FakePhone]:
    return installation.phones(3)


def test_every_sender_is_answered_in_order(installation: Installation, phones: list[FakePhone]) -> None:
    books = installation.books()
    books.deliver_many(phones, each=8)
    books.balance()


def test_a_sid_is_one_row_in_fifty_posts_at_once(installation: Installation, phones: list[FakePhone]) -> None:
    books, sid, words = installation.books(), new_sid(), unique("only once")
    gateways, phone = installation.webs or [installation.gateway], phones[0]

    def post(number: int) -> int:
        return FakePhone(gateways[number % len(gateways)], phone.number).texts(words, sid=sid).status

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(post, range(50)))

    assert statuses == [200] * 50
    assert installation.rows(f"SELECT count(*) FROM openclaw_sms_inboundmessage WHERE sid = '{sid}'") == [(1,)]
    books.deliver(phone, words, sid=sid)
    books.balance()


def test_reports_in_any_order_and_number_end_the_same(installation: Installation, phones: list[FakePhone]) -> None:
    books = installation.books()
    phone = phones[1].again()
    books.deliver(phone)
    reply = phone.hears(within=60)
    shuffled = random.Random(5)
    statuses = ["queued", "sending", "sent", "delivered", "delivered", "sent"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: installation.twilio.calls_back(reply, *statuses, shuffle=shuffled), range(3)))
    books.balance()
    states = installation.rows(f"SELECT state, delivery FROM openclaw_sms_outboundpart WHERE sid = '{reply.sid}'")
    assert states == [("accepted", "delivered")]


def test_one_process_after_the_other_is_killed(installation: Installation, phones: list[FakePhone]) -> None:
    books = installation.books()
    senders = threading.Thread(target=books.deliver_many, args=(phones, 10))
    senders.start()
    for number, process in enumerate(installation.processes, start=1):
        assert books.wait_for(4 * number)
        restart(process)
    senders.join()
    books.balance()


def test_agents_that_think_hold_up_no_stranger(installation: Installation) -> None:
    """Every agent slot of every process is taken by a slow answer, and more approved texts wait behind them."""
    slots = 2 * max(1, len(installation.workers))
    thinkers = installation.phones(slots + 1)
    for process in installation.workers or [installation.gateway]:
        process.also["SMS_WORKER_THREADS"] = "2"
        restart(process)
    books, go_on = installation.books(), threading.Event()
    installation.agent.replies(lambda turn: _after(go_on, turn))
    before = len(installation.agent.turns)
    for thinker in thinkers:
        books.deliver(thinker)
    assert installation.agent.wait_until(lambda: len(installation.agent.turns) - before >= slots, within=60)

    stranger = installation.front.new_phone()
    code = stranger.asks_to_be_let_in()

    assert code
    assert not go_on.is_set()
    go_on.set()
    books.balance()
    installation.agent.behaves()
    installation.front.dismiss_waiting()


def _after(go_on: threading.Event, turn: Turn) -> str:
    go_on.wait(120)
    return f"You said: {turn.text}"
