"""STOP from outside: no agent, no reply, no way past it, until they text START. And what strangers cost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.support.gateway import FakePhone, Gateway, code_in, is_refused_in_one_sentence, unique
from tests.support.pretend_agent import PretendAgent, Turn
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.processes

SPELLINGS = [
    "STOP",
    "stop",
    " Stop \n",
    "Stop.",
    "stop!!",
    "“STOP”",
    "StopAll",
    "UNSUBSCRIBE",
    "opt​out",
    "ＣＡＮＣＥＬ。",
]
STRANGERS = 40


@pytest.fixture
def erin(gateway: Gateway) -> FakePhone:
    """Erin is paired, and has had enough."""
    return gateway.new_phone().is_let_in()


@pytest.fixture
def crowd(gateway: Gateway, twilio: PretendTwilio) -> Iterator[list[FakePhone]]:
    """Strangers who never texted before; their requests do not stay behind."""
    phones = [gateway.new_phone() for _ in range(STRANGERS)]
    yield phones
    heard = [message.body for phone in phones for message in twilio.messages_to(phone.number)]
    gateway.waiting |= {code_in(body) for body in heard}
    gateway.dismiss_waiting()


def test_ten_spellings_reach_no_agent_and_draw_no_reply(
    gateway: Gateway, twilio: PretendTwilio, agent: PretendAgent, erin: FakePhone
) -> None:
    posts = len(twilio.posts_to(erin.number))
    ignored = []
    for spelling in SPELLINGS:
        erin.texts(spelling)
        erin.texts(words := unique("is anybody there"))
        ignored.append(words)
        erin.texts("START")
    erin.texts(hello := unique("here I am again"))

    assert erin.hears(within=40).body == f"You said: {hello}"
    assert erin.unheard() == []
    assert len(twilio.posts_to(erin.number)) == posts + 1
    assert [turn.text for turn in agent.turns_of(erin.number)] == [hello]
    assert not any(agent.was_asked(words) for words in ignored)


def test_nobody_is_texted_who_said_stop_until_they_say_start(
    gateway: Gateway, twilio: PretendTwilio, erin: FakePhone
) -> None:
    erin.texts("Stop")
    posts = len(twilio.posts_to(erin.number))

    refused = gateway.manage("message", "send", "--target", f"sms:{erin.number}", "--message", "please stay")

    assert is_refused_in_one_sentence(refused), refused.stderr
    assert refused.returncode == 1
    assert "has opted out; they can text START" in refused.stderr
    assert erin.number not in refused.stderr
    assert len(twilio.posts_to(erin.number)) == posts

    erin.texts("start")
    erin.texts(unique("hello"))
    erin.hears()
    sent = gateway.manage(
        "message", "send", "--target", f"sms:{erin.number}", "--message", (back := unique("welcome"))
    )
    assert sent.returncode == 0, sent.stderr
    assert erin.hears().body == back


def test_a_stop_while_the_agent_thinks_keeps_its_answer_back(
    gateway: Gateway, twilio: PretendTwilio, agent: PretendAgent, erin: FakePhone
) -> None:
    stopped = Event()

    def think(turn: Turn) -> str:
        erin.texts("STOP")
        stopped.set()
        return "And they lived happily ever after."

    agent.replies(think)
    erin.texts(unique("tell me a story"))
    assert stopped.wait(20)
    agent.behaves()
    erin.texts("UNSTOP")
    erin.texts(hello := unique("hello"))

    assert erin.hears().body == f"You said: {hello}"


def test_a_strangers_stop_draws_no_code(gateway: Gateway, twilio: PretendTwilio, bob: FakePhone) -> None:
    bob.texts("STOP")
    bob.texts(unique("hello?"))

    assert bob.unheard(within=1.0) == []
    assert bob.number not in {request["sender"] for request in gateway.pending()}


def test_a_short_code_is_never_answered(gateway: Gateway, twilio: PretendTwilio) -> None:
    shop = FakePhone(gateway, "72345")
    for words in ("STOP", "HELP", unique("50% off")):
        shop.texts(words)

    assert shop.unheard(within=1.0) == []
    assert twilio.posts_to("72345") == []


def test_forty_strangers_at_once_cost_at_least_one_and_at_most_ten_texts(
    gateway: Gateway, twilio: PretendTwilio, crowd: list[FakePhone]
) -> None:
    before = len(twilio.posts)

    with ThreadPoolExecutor(20) as burst:
        answers = list(burst.map(lambda phone: phone.texts(unique("hello")), crowd))

    assert {answer.status for answer in answers} == {200}
    assert twilio.wait_until(lambda: len(twilio.posts) > before, 20)
    twilio.wait_until(lambda: len(twilio.posts) > before + 10, 3)
    assert 1 <= len(twilio.posts) - before <= 10
