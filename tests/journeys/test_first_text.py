"""The main job: a stranger texts, the owner approves, and the next text is answered by the agent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urldefrag

import pytest

from tests.support.gateway import (
    PUBLIC_URL,
    FakePhone,
    Gateway,
    code_in,
    is_refused_in_one_sentence,
    new_sid,
    unique,
)
from tests.support.pretend_agent import PretendAgent, Turn
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.processes


class TestAStranger:
    def test_hears_one_text_with_the_code_that_the_owner_sees(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        (request,) = gateway.pending()
        assert list(request) == ["id", "code", "account", "sender", "createdAt", "lastSeenAt", "expiresAt"]
        assert (request["code"], request["account"], request["sender"]) == (code, "default", bob.number)
        created, expires = (datetime.fromisoformat(request[key]) for key in ("createdAt", "expiresAt"))
        assert expires - created == timedelta(hours=1)
        assert code in gateway.manage("pairing", "list").stdout
        assert bob.unheard() == []

    def test_hears_nothing_for_a_repeat_and_keeps_the_code(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        bob.texts(unique("hello?"))

        assert seen_again(gateway)["code"] == code
        assert bob.unheard(within=0.5) == []

    def test_does_not_reach_the_agent_before_approval_nor_with_old_texts_after(
        self, gateway: Gateway, agent: PretendAgent, bob: FakePhone
    ) -> None:
        bob.texts(early := unique("let me tell you something first"))
        code = code_in(bob.hears().body)
        assert agent.turns_of(bob.number) == []

        gateway.manage("pairing", "approve", "sms", code)
        bob.texts(later := unique("now we can talk"))

        assert bob.hears().body == f"You said: {later}"
        assert not agent.was_asked(early)
        assert len(agent.turns_of(bob.number)) == 1

    def test_is_let_in_by_a_code_in_lower_case(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        approved = gateway.manage("pairing", "approve", "sms", code.lower())
        bob.texts(text := unique("hello"))

        assert approved.returncode == 0, approved.stderr
        assert bob.hears().body == f"You said: {text}"

    def test_is_not_let_in_by_a_wrong_code_but_still_by_the_right_one(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        refused = gateway.manage("pairing", "approve", "sms", "WR2NGWR2")

        assert refused.returncode == 1
        assert is_refused_in_one_sentence(refused), refused.stderr
        assert gateway.manage("pairing", "approve", "sms", code).returncode == 0

    def test_is_let_in_by_one_of_two_owners_at_once_and_the_other_is_told(
        self, gateway: Gateway, bob: FakePhone
    ) -> None:
        code = bob.asks_to_be_let_in()

        with ThreadPoolExecutor(2) as owners:
            approvals = list(owners.map(lambda _: gateway.manage("pairing", "approve", code), range(2)))

        won, lost = sorted(approvals, key=lambda approval: approval.returncode)
        assert won.returncode == 0
        assert lost.returncode == 1
        assert is_refused_in_one_sentence(lost), lost.stderr

    def test_is_told_when_the_owner_wants_it(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        assert gateway.manage("pairing", "approve", "sms", code, "--notify").returncode == 0

        assert "approved" in bob.hears().body
        assert bob.unheard() == []

    def test_hears_nothing_while_three_others_wait_until_one_is_dismissed(
        self, gateway: Gateway, bob: FakePhone
    ) -> None:
        waiting = [gateway.new_phone() for _ in range(3)]
        codes = [phone.asks_to_be_let_in() for phone in waiting]
        bob.texts(unique("is there room for me?"))
        assert bob.unheard(within=1.0) == []

        assert gateway.manage("pairing", "dismiss", "sms", codes[0]).returncode == 0

        assert bob.asks_to_be_let_in() not in codes

    def test_may_ask_again_after_being_dismissed(self, gateway: Gateway, bob: FakePhone) -> None:
        code = bob.asks_to_be_let_in()

        assert gateway.manage("pairing", "dismiss", "sms", code).returncode == 0

        assert bob.asks_to_be_let_in() != code


class TestAnApprovedText:
    def test_is_answered_in_plain_text(self, agent: PretendAgent, alice: FakePhone) -> None:
        agent.replies(lambda turn: f"# Hello\n\nYou **really** said `{turn.text}`.")

        alice.texts(text := unique("hello"))

        assert alice.hears().body == f"Hello\n\nYou really said {text}."

    def test_reaches_the_agent_the_way_an_openclaw_gateway_wants_it(
        self, agent: PretendAgent, alice: FakePhone
    ) -> None:
        before = len(agent.turns_of(alice.number))

        alice.texts(text := unique("what is new?"))
        alice.hears()

        (turn,) = agent.turns_of(alice.number)[before:]
        assert turn.headers["authorization"] == f"Bearer {agent.token}"
        assert turn.headers["x-openclaw-session-key"] == f"agent:main:sms:direct:{alice.number}"
        assert turn.headers["x-openclaw-message-channel"] == "sms"
        assert turn.payload["model"] == "openclaw/default"
        assert turn.payload["messages"] == [{"role": "user", "content": text}]

    def test_is_answered_from_our_number_with_a_callback_that_twilio_retries(
        self, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        alice.texts(unique("hello"))
        reply = alice.hears()

        form = twilio.posts_to(alice.number)[-1].form
        assert set(form) == {"To", "From", "Body", "StatusCallback"}
        assert form["From"] == twilio.phone_number
        callback, overrides = urldefrag(reply.status_callback or "")
        assert callback.partition("?")[0] == PUBLIC_URL
        assert "5xx" in parse_qs(overrides)["rp"][0]

    def test_is_passed_on_as_it_was_written(self, agent: PretendAgent, alice: FakePhone) -> None:
        alice.texts(text := "  " + unique("two spaces, a 🦞, 'quotes' & a line\nbreak") + "\n")
        alice.hears()

        assert agent.turns_of(alice.number)[-1].text == text

    def test_is_one_text_however_often_it_is_delivered(self, agent: PretendAgent, alice: FakePhone) -> None:
        sid, text = new_sid(), unique("only once, please")
        before = len(agent.turns_of(alice.number))
        with ThreadPoolExecutor(6) as twilios_retries:
            deliver = [twilios_retries.submit(alice.texts, text, sid=sid) for _ in range(6)]
        assert [delivery.result().status for delivery in deliver] == [200] * 6
        assert alice.hears().body == f"You said: {text}"

        assert alice.texts(unique("with another body"), sid=sid).status == 200
        alice.texts(following := unique("something else"))

        assert alice.hears().body == f"You said: {following}"
        assert len(agent.turns_of(alice.number)) - before == 2

    def test_waits_for_the_text_before_it(self, agent: PretendAgent, alice: FakePhone) -> None:
        first, second = unique("first"), unique("second")
        gate = threading.Event()
        agent.replies(lambda turn: _after(gate, turn) if turn.text == first else turn.text)

        alice.texts(first)
        alice.texts(second)
        assert agent.wait_until(lambda: agent.was_asked(first), within=15)
        assert alice.unheard(within=0.5) == []
        assert not agent.was_asked(second)
        gate.set()

        assert [alice.hears().body, alice.hears().body] == [first, second]

    def test_does_not_wait_for_a_slow_answer_to_somebody_else(
        self, agent: PretendAgent, alice: FakePhone, carol: FakePhone
    ) -> None:
        slow, quick = unique("think hard"), unique("quick one")
        gate = threading.Event()
        agent.replies(lambda turn: _after(gate, turn) if turn.text == slow else turn.text)

        alice.texts(slow)
        assert agent.wait_until(lambda: agent.was_asked(slow), within=15)
        carol.texts(quick)

        assert carol.hears().body == quick
        assert alice.unheard() == []
        gate.set()
        assert alice.hears().body == slow

    def test_may_have_a_long_answer_whose_parts_rejoin_in_order(self, agent: PretendAgent, alice: FakePhone) -> None:
        sentences = (f"Sentence {number} of a long answer from the agent." for number in range(1, 100))
        answer = " ".join(sentences)[:3999] + "."
        agent.replies(lambda _: answer)

        alice.texts(unique("tell me everything"))
        parts = [alice.hears(within=40).body for _ in range(3)]

        assert "".join(parts) == answer
        assert max(len(part) for part in parts) <= 1500
        assert alice.unheard(within=0.5) == []

    @pytest.mark.parametrize("silence", ["NO_REPLY", "", "<think>nobody needs to know</think>"])
    def test_may_have_no_answer(self, agent: PretendAgent, alice: FakePhone, silence: str) -> None:
        quiet, following = unique("no need to answer"), unique("but this")
        agent.replies(lambda turn: silence if turn.text == quiet else turn.text)

        alice.texts(quiet)
        alice.texts(following)

        assert alice.hears().body == following
        assert agent.was_asked(quiet)

    def test_is_answered_without_the_agents_reasoning(self, agent: PretendAgent, alice: FakePhone) -> None:
        agent.replies(lambda _: "<think>They seem lost.</think>\n\nTurn left at the lake.")

        alice.texts(unique("which way?"))

        assert alice.hears().body == "Turn left at the lake."


def _after(gate: threading.Event, turn: Turn) -> str:
    gate.wait(30)
    return turn.text


def seen_again(gateway: Gateway) -> dict[str, str]:
    """The one pairing request, once a second text of its sender has been dealt with."""
    for _ in range(10):
        (request,) = gateway.pending()
        if request["lastSeenAt"] > request["createdAt"]:
            return request
    raise AssertionError("the repeat was never counted as seen")
