"""What fails, and what a person at the other end notices of it: nothing, or one apology."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.gateway import AGENT_TRIES, FakePhone, Gateway, unique
from tests.support.pretend_agent import PretendAgent, Turn
from tests.support.pretend_twilio import ACCEPT_THEN_DROP, DROP, PretendTwilio, Refusal, Silence, throttled

pytestmark = pytest.mark.processes

BACK_OFF = 30.0  # seconds that two tries after failures may be apart, waits and sweeps included
RECOVERY = 75.0  # seconds until the work of a killed process is certainly taken up by the next one


@pytest.fixture(autouse=True)
def running_again(gateway: Gateway) -> Iterator[None]:
    """Whatever a test did to the gateway, the next one finds it running."""
    yield
    if not gateway.is_running:
        gateway.start()


class TestTheAgentFails:
    def test_twice_and_the_text_is_answered_once(self, agent: PretendAgent, alice: FakePhone) -> None:
        agent.fails_next(503, times=2)
        before = len(agent.turns_of(alice.number))

        alice.texts(text := unique("are you there?"))

        assert alice.hears(within=BACK_OFF).body == f"You said: {text}"
        assert len(agent.turns_of(alice.number)) - before == 3
        assert alice.unheard(within=0.5) == []

    def test_every_time_and_the_sender_gets_one_apology(self, agent: PretendAgent, alice: FakePhone) -> None:
        agent.fails_next(503, times=AGENT_TRIES)
        before = len(agent.turns_of(alice.number))

        alice.texts(unanswered := unique("are you there?"))
        apology = alice.hears(within=BACK_OFF)
        alice.texts(following := unique("and now?"))

        assert unanswered not in apology.body
        assert "503" not in apology.body
        assert apology.num_segments == 1
        assert alice.hears(within=BACK_OFF).body == f"You said: {following}"
        assert len(agent.turns_of(alice.number)) - before == AGENT_TRIES + 1


class TestTwilioFails:
    def test_with_too_many_requests_and_the_reply_waits_its_turn(
        self, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        twilio.fails_next(throttled(retry_after=2), to=alice.number)
        tried = len(twilio.posts_to(alice.number))

        alice.texts(text := unique("hello"))

        assert alice.hears(within=BACK_OFF).body == f"You said: {text}"
        refused, accepted = twilio.posts_to(alice.number)[tried:]
        assert accepted.request.at - refused.request.at >= 2
        assert copies(twilio, alice, text) == 1

    def test_to_answer_for_a_text_it_accepted_and_it_is_not_sent_again(
        self, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        twilio.fails_next(ACCEPT_THEN_DROP, to=alice.number)

        alice.texts(text := unique("hello"))
        assert alice.hears().body == f"You said: {text}"
        alice.texts(following := unique("and again"))

        assert alice.hears(within=BACK_OFF).body == f"You said: {following}"
        assert copies(twilio, alice, text) == 1

    def test_to_accept_a_text_and_it_is_sent_again_after_asking(
        self, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        twilio.fails_next(DROP, to=alice.number)
        asked = len(twilio.requests)

        alice.texts(text := unique("hello"))

        assert alice.hears(within=BACK_OFF).body == f"You said: {text}"
        methods = [request.method for request in twilio.requests[asked:]]
        assert "GET" in methods[methods.index("POST") + 1 :]
        assert methods[-1] == "POST"
        assert copies(twilio, alice, text) == 1

    def test_on_the_second_part_and_the_third_waits_for_it(
        self, twilio: PretendTwilio, agent: PretendAgent, alice: FakePhone
    ) -> None:
        answer = " ".join(unique("word") for _ in range(210))
        agent.replies(lambda _: answer)
        twilio.fails_next(throttled(retry_after=1), to=alice.number, after=1)

        alice.texts(unique("tell me everything"))

        assert "".join(alice.hears(within=BACK_OFF).body for _ in range(3)) == answer
        assert alice.unheard(within=0.5) == []

    def test_for_good_and_the_sender_is_not_stuck(self, twilio: PretendTwilio, alice: FakePhone) -> None:
        twilio.fails_next(Refusal(400, 30007, "Message filtered"), to=alice.number)

        alice.texts(refused := unique("hello"))
        alice.texts(following := unique("and now?"))

        assert alice.hears(within=BACK_OFF).body == f"You said: {following}"
        assert copies(twilio, alice, refused) == 0


class TestTheGatewayIsKilled:
    def test_right_after_it_took_a_text_and_the_text_is_answered_once(
        self, gateway: Gateway, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        assert alice.texts(text := unique("hello")).status == 200
        gateway.kill()

        gateway.start()
        alice.texts(following := unique("still there?"))

        assert alice.hears(within=RECOVERY).body == f"You said: {text}"
        assert alice.hears(within=RECOVERY).body == f"You said: {following}"
        assert copies(twilio, alice, text) == 1

    def test_while_the_agent_thinks_and_the_text_is_answered_once(
        self, gateway: Gateway, twilio: PretendTwilio, agent: PretendAgent, alice: FakePhone
    ) -> None:
        text, gate = unique("think hard"), threading.Event()
        agent.replies(lambda turn: _after(gate, turn))
        alice.texts(text)
        assert agent.wait_until(lambda: agent.was_asked(text), within=15)
        gateway.kill()
        gate.set()

        gateway.start()

        assert alice.hears(within=RECOVERY).body == text
        alice.texts(following := unique("still there?"))
        assert alice.hears().body == following
        assert copies(twilio, alice, text) == 1

    def test_after_twilio_accepted_the_reply_and_it_is_not_sent_again(
        self, gateway: Gateway, twilio: PretendTwilio, alice: FakePhone
    ) -> None:
        twilio.fails_next(Silence(accepts=True, seconds=60), to=alice.number)
        alice.texts(text := unique("hello"))
        assert alice.hears().body == f"You said: {text}"
        gateway.kill()

        gateway.start()
        alice.texts(following := unique("still there?"))

        assert alice.hears(within=RECOVERY).body == f"You said: {following}"
        assert copies(twilio, alice, text) == 1

    def test_softly_in_the_middle_of_a_turn_and_the_reply_still_goes_out(
        self, gateway: Gateway, twilio: PretendTwilio, agent: PretendAgent, alice: FakePhone
    ) -> None:
        text, gate = unique("think hard"), threading.Event()
        agent.replies(lambda turn: _after(gate, turn))
        alice.texts(text)
        assert agent.wait_until(lambda: agent.was_asked(text), within=15)
        threading.Timer(1.0, gate.set).start()

        stopped = gateway.stop()

        assert stopped
        assert copies(twilio, alice, text) == 1
        gateway.start()
        alice.texts(following := unique("still there?"))
        assert alice.hears().body == text
        assert alice.hears().body == following

    def test_softly_and_no_process_of_its_own_stays_behind(self, gateway: Gateway, alice: FakePhone) -> None:
        stopped = gateway.stop()
        gateway.start()

        assert stopped
        alice.texts(text := unique("welcome back"))
        assert alice.hears().body == f"You said: {text}"


def copies(twilio: PretendTwilio, phone: FakePhone, text: str) -> int:
    """How many texts with these words one phone has got."""
    bodies = Counter(message.body for message in twilio.messages_to(phone.number) if text in message.body)
    return bodies.total()


def _after(gate: threading.Event, turn: Turn) -> str:
    gate.wait(30)
    return turn.text
