"""The pretend account, asked the way probes ask Twilio."""

from openclaw_sms.sandbox.account_api import NUMBER_SID
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.twilio.client import Credentials
from openclaw_sms.twilio.lookup import TwilioLookup


def lookup(sandbox: Sandbox) -> TwilioLookup:
    return TwilioLookup(Credentials(sandbox.account_sid, sandbox.auth_token), base_url=sandbox.api_base_url)


def test_the_account_is_active_and_its_number_posts_here(sandbox: Sandbox) -> None:
    facts = lookup(sandbox).account()
    assert (facts.status, facts.type) == ("active", "Full")
    number = lookup(sandbox).number(sandbox.from_number)
    assert number is not None
    assert (number.sid, number.sms_url, number.sms_method) == (NUMBER_SID, sandbox.public_webhook_url, "POST")
    assert number.takes_texts


def test_another_number_is_not_the_accounts(sandbox: Sandbox) -> None:
    assert lookup(sandbox).number("+15550001111") is None


def test_the_webhook_can_be_set_and_is_remembered(sandbox: Sandbox) -> None:
    lookup(sandbox).set_number_webhook(NUMBER_SID, "http://127.0.0.1:1/hook#rc=1")
    number = lookup(sandbox).number(sandbox.from_number)
    assert number is not None
    assert number.sms_url == "http://127.0.0.1:1/hook#rc=1"


def test_there_is_no_service_and_no_inbound_text_yet(sandbox: Sandbox) -> None:
    assert lookup(sandbox).service("MG" + "0" * 32) is None
    assert lookup(sandbox).inbound(to=sandbox.from_number) == []


def test_the_clocks_are_compared(sandbox: Sandbox) -> None:
    asked = lookup(sandbox)
    asked.account()
    # Django's own test server says what time it is; so does Twilio.
    assert asked.clock_skew is not None
    assert abs(asked.clock_skew.total_seconds()) < 60
