"""What is wrong is said, and what mends it works: the commands against a running gateway and a pretend Twilio."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import PUBLIC_URL, FakePhone, Gateway, new_sid, unique
from tests.support.loopback import send
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.processes


@pytest.fixture
def twilio(twilio: PretendTwilio) -> Iterator[PretendTwilio]:
    """Its number posts here; what a test makes of the account ends with the test."""
    was = dict(twilio.account.number)
    twilio.account.number["sms_url"] = PUBLIC_URL
    yield twilio
    twilio.account.number.clear()
    twilio.account.number.update(was)
    twilio.account.inbound.clear()
    twilio.hangs_for = 0.0


def said(gateway: Gateway, *words: str) -> Any:
    ran = gateway.manage(*words, "--json")
    assert ran.stdout, ran.stderr
    for private in (gateway.twilio.auth_token, gateway.twilio.phone_number[1:], gateway.agent.token):
        assert private not in ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def webhook_status(gateway: Gateway) -> str:
    return str(said(gateway, "channels", "status", "--probe")["accounts"][0]["probe"]["webhook"]["status"])


def test_a_wrong_address_and_method_are_seen_repaired_and_seen_to_be_repaired(
    gateway: Gateway, twilio: PretendTwilio
) -> None:
    twilio.account.number |= {"sms_url": "https://gateway.example.com/wrong", "sms_method": "GET"}
    assert "mismatch" in webhook_status(gateway)
    repaired = gateway.manage("channels", "setup", "--account", "default")
    assert repaired.returncode == 0, repaired.stderr
    assert webhook_status(gateway) == "matches"


def test_doctor_is_content_and_then_finds_the_text_that_did_not_get_here(
    gateway: Gateway, twilio: PretendTwilio
) -> None:
    before = said(gateway, "doctor")
    twilio.account.received(new_sid(), error_code=11200)
    after = gateway.manage("doctor")
    known = {problem["code"] for problem in before["problems"]}
    # Other journeys leave dead letters and uncertain parts behind; the gateway itself is well.
    assert known <= {"dead-letters", "uncertain-parts", "refused-webhooks", "outbound-failing"}
    assert after.returncode == 1
    assert "11200" in after.stdout
    assert "docs/troubleshooting.md#webhook-unreachable" in after.stdout


def test_a_twilio_that_hangs_leaves_what_is_known_here(gateway: Gateway, twilio: PretendTwilio) -> None:
    twilio.hangs_for = 120
    account = said(gateway, "channels", "status", "--probe", "--timeout", "700")["accounts"][0]
    assert (account["running"], account["lifecycle"]) == (True, "ready")
    assert account["probe"]["webhook"]["status"] == "unavailable"


def test_the_gateway_is_ready_and_counts(gateway: Gateway, alice: FakePhone) -> None:
    alice.texts(unique("count this"))
    alice.hears()
    ready = send(gateway.address, "GET", "/readyz")
    assert (ready.status, json.loads(ready.body)["ready"]) == (200, True)
    numbers = send(gateway.address, "GET", "/metrics").text
    assert re.search(r'^openclaw_sms_texts_accepted_total\{account="default"\} [1-9]', numbers, re.MULTILINE)
    assert re.search(r"^openclaw_sms_workers 1\.0", numbers, re.MULTILINE)
    assert alice.number[1:] not in numbers


def test_one_sid_leads_through_the_log_from_the_webhook_to_the_delivery(gateway: Gateway, alice: FakePhone) -> None:
    sid = new_sid()
    alice.texts(unique("follow me"), sid=sid)
    gateway.twilio.calls_back(alice.hears(), "delivered")
    events = [line.split()[4] for line in gateway.log.splitlines() if sid in line]
    assert events == ["text.accepted", "turn.finished", "part.accepted", "delivery.reported"]
