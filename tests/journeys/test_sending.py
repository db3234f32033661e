"""What Twilio does to texts on their way out, seen from both ends: each arrives once, in order, or says why not."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import FakePhone, Gateway, unique
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import ACCEPT_THEN_DROP, Fault, PretendTwilio, Refusal, throttled

pytestmark = pytest.mark.processes

WITHIN = 25.0


@pytest.fixture
def lockable(twilio: PretendTwilio) -> Iterator[PretendTwilio]:
    """A Twilio whose token may change; the next test finds it as it was."""
    yield twilio
    twilio.lets_in()


@pytest.mark.parametrize(
    "fault",
    [ACCEPT_THEN_DROP, Refusal(500, 20500), throttled(2)],
    ids=["accepted, then dropped", "500", "429"],
)
def test_a_fault_delivers_exactly_once(fault: Fault, twilio: PretendTwilio, alice: FakePhone) -> None:
    twilio.fails_next(fault, to=alice.number)

    alice.texts(text := unique("hello"))

    assert alice.hears(within=WITHIN).body == f"You said: {text}"
    alice.texts(following := unique("and now"))
    assert alice.hears(within=WITHIN).body == f"You said: {following}"
    assert len([message for message in twilio.messages_to(alice.number) if text in message.body]) == 1


def test_a_recipient_who_opted_out_is_never_tried_again(
    gateway: Gateway, twilio: PretendTwilio, alice: FakePhone
) -> None:
    zoe = gateway.new_phone()
    twilio.fails_next(Refusal(400, 21610), to=zoe.number)

    for words in ("first", "second"):
        sent = gateway.manage("message", "send", "--target", f"sms:{zoe.number}", "--message", words)
        assert sent.returncode == 1, sent.stdout

    alice.texts(unique("hello"))
    alice.hears(within=WITHIN)
    assert len(twilio.posts_to(zoe.number)) == 1


def test_a_wrong_token_holds_texts_back_and_a_right_one_lets_them_out_in_order(
    gateway: Gateway, lockable: PretendTwilio, alice: FakePhone, carol: FakePhone
) -> None:
    lockable.locks_out()
    texts = [unique(f"number {number}") for number in range(3)]
    for text in texts:
        alice.texts(text)
    carol.texts(another := unique("carol"))
    assert lockable.wait_until(lambda: "circuit.opened" in gateway.log, within=WITHIN)
    assert alice.unheard(within=1.0) == []

    gateway.kill()
    gateway.start()
    lockable.lets_in()

    assert [alice.hears(within=WITHIN).body for _ in texts] == [f"You said: {text}" for text in texts]
    assert carol.hears(within=WITHIN).body == f"You said: {another}"
    assert alice.unheard(within=1.0) == []
    assert "circuit.closed" in gateway.log


def test_a_text_whose_webhook_never_came_is_fetched_and_answered(
    gateway: Gateway, twilio: PretendTwilio, alice: FakePhone
) -> None:
    sid = twilio.received_without_calling(alice.number, text := unique("are you there?"))

    dry = gateway.manage("backfill", "--hours", "1", "--dry-run", "--json")
    assert json.loads(dry.stdout)["accounts"][0]["missed"] == [sid]
    fetched = gateway.manage("backfill", "--hours", "1", "--json")
    assert json.loads(fetched.stdout)["accounts"][0]["missed"] == [sid]

    assert alice.hears(within=WITHIN).body == f"You said: {text}"
    again = gateway.manage("backfill", "--hours", "1")
    assert (again.returncode, again.stdout) == (0, "")


class OfSmallParts(Gateway):
    """Parts of one segment each, and both phones let in by configuration."""

    @property
    def environment(self) -> dict[str, str]:
        allowed = ",".join(f"+1555000{1111 + number}" for number in range(2))
        return {**super().environment, "SMS_TEXT_CHUNK_LIMIT": "150", "SMS_ALLOWED_USERS": allowed}


def test_a_reply_of_ten_parts_does_not_starve_a_short_one(tmp_path: Path) -> None:
    account_sid, auth_token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
    answer = " ".join(unique("word") for _ in range(88))
    with (
        PretendTwilio(account_sid, auth_token, "+15550009999") as twilio,
        PretendAgent(token=secrets.token_urlsafe(24)) as agent,
        # Already "relaxed": the pace is what is looked at.
        OfSmallParts(twilio, agent, tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}", relaxed=True) as gateway,
    ):
        agent.replies(lambda turn: answer if "everything" in turn.text else "short")
        talkative, brief = gateway.new_phone(), gateway.new_phone()
        talkative.texts("tell me everything")
        heard = [talkative.hears(within=WITHIN).body for _ in range(4)]
        brief.texts("quick one")

        assert brief.hears(within=WITHIN).body == "short"
        assert len(talkative.unheard()) <= 2
        heard += [talkative.hears(within=WITHIN).body for _ in range(6)]
        assert "".join(heard) == answer
