"""The owner texts somebody: `message send` in its forms, what it prints, and whom it refuses to text."""

import json
import re
import subprocess
import time

import pytest

from tests.support.gateway import FakePhone, Gateway, is_refused_in_one_sentence, unique
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.processes

# Refused before anything is stored, so once is enough.
SAME_ON_EVERY_ENGINE = pytest.mark.parametrize("gateway", ["sqlite"], indirect=True)

PATIENCE = 8.0  # seconds a command may take on a busy machine of two cores; the reference needs nine on an idle one


@pytest.fixture
def dora(gateway: Gateway) -> FakePhone:
    """Dora has never texted us."""
    return gateway.new_phone()


class TestDelivers:
    @pytest.mark.parametrize(
        "to",
        [
            pytest.param(["--channel", "sms", "--target", "sms:{}"], id="sms"),
            pytest.param(["--target", "twilio-sms:{}"], id="twilio-sms"),
        ],
    )
    def test_in_both_forms_of_the_contract(self, gateway: Gateway, dora: FakePhone, to: list[str]) -> None:
        started = time.monotonic()
        sent = send(gateway, *(word.format(dora.number) for word in to), "--message", text := unique("hello"))

        assert sent.returncode == 0, sent.stderr
        assert dora.hears().body == text
        assert dora.unheard() == []
        assert time.monotonic() - started < PATIENCE

    def test_and_prints_what_became_of_it(self, gateway: Gateway, dora: FakePhone) -> None:
        text = unique("costs a part more — for its dash")
        sent = send(gateway, "--target", f"sms:{dora.number}", "--message", text, "--json")

        heard = dora.hears()
        part = {"body": text, "encoding": "UCS-2", "segments": 1, "sid": heard.sid, "status": "queued"}
        assert json.loads(sent.stdout) == {"account": "default", "to": dora.number, "parts": [part]}

    def test_in_as_many_parts_as_it_needs(self, gateway: Gateway, dora: FakePhone) -> None:
        text = " ".join(unique("word") for _ in range(120))
        sent = send(gateway, "--target", f"sms:{dora.number}", "--message", text, "--json")

        printed = json.loads(sent.stdout)["parts"]
        heard = [dora.hears(within=40) for _ in printed]
        assert len(printed) == 2
        assert [(part["sid"], part["body"], part["segments"]) for part in printed] == [
            (message.sid, message.body, message.num_segments) for message in heard
        ]
        assert "".join(message.body for message in heard) == text

    def test_without_markdown(self, gateway: Gateway, dora: FakePhone) -> None:
        mark = unique("now")
        send(gateway, "--target", f"sms:{dora.number}", "--message", f"**Bold** and _even_ {mark}")

        assert dora.hears().body == f"Bold and even {mark}"

    def test_with_markdown_when_it_is_plain_text_already(self, gateway: Gateway, dora: FakePhone) -> None:
        text = f"**2*3*4** {unique('stays')}"
        send(gateway, "--target", f"sms:{dora.number}", "--message", text, "--plain")

        assert dora.hears().body == text

    def test_nothing_when_it_is_only_a_rehearsal(
        self, gateway: Gateway, twilio: PretendTwilio, dora: FakePhone
    ) -> None:
        text = unique("hello")
        arguments = ["--target", f"sms:{dora.number}", "--message", text]
        rehearsed = send(gateway, *arguments, "--dry-run", "--json")

        (part,) = json.loads(rehearsed.stdout)["parts"]
        assert list(part) == ["body", "encoding", "segments", "sid", "status"]
        assert (part["body"], part["encoding"], part["segments"]) == (text, "GSM-7", 1)
        assert not part["sid"]
        assert dora.unheard(within=0.5) == []
        assert twilio.posts_to(dora.number) == []


class TestRefuses:
    @SAME_ON_EVERY_ENGINE
    @pytest.mark.parametrize(
        "target", ["call15551112222now", "+1 555 111 2222 ext 5", "12345", "whatsapp:+15551112222", ""]
    )
    def test_a_target_that_is_no_phone_number(self, gateway: Gateway, twilio: PretendTwilio, target: str) -> None:
        before = len(twilio.posts)

        refused = send(gateway, f"--target={target}", "--message", "hello")

        assert is_refused_in_one_sentence(refused), refused.stderr
        assert "5551112222" not in digits(refused.stdout + refused.stderr)
        assert len(twilio.posts) == before

    @SAME_ON_EVERY_ENGINE
    def test_an_empty_message(self, gateway: Gateway, dora: FakePhone) -> None:
        refused = send(gateway, "--target", f"sms:{dora.number}", "--message", "")

        assert is_refused_in_one_sentence(refused), refused.stderr
        assert dora.unheard() == []

    def test_to_call_it_sent_when_twilio_does_not_take_it_and_names_nobody(
        self, gateway: Gateway, twilio: PretendTwilio, dora: FakePhone
    ) -> None:
        twilio.fails_next(Refusal(400, 21610, "Attempt to send to unsubscribed recipient"), to=dora.number)

        failed = send(gateway, "--target", f"sms:{dora.number}", "--message", unique("hello"))

        assert failed.returncode == 1
        assert is_refused_in_one_sentence(failed), failed.stderr
        assert digits(dora.number)[1:] not in digits(failed.stdout + failed.stderr)
        assert dora.unheard() == []
        assert len(twilio.posts_to(dora.number)) == 1


def send(gateway: Gateway, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return gateway.manage("message", "send", *arguments)


def digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)
