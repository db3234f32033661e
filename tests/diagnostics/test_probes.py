"""What a probe finds at Twilio and at the agent, over the official library and real HTTP."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics.probes import Probe, probe_all
from openclaw_sms.models import Conversation, OutboundMessage, OutboundPart, PartState
from tests.diagnostics.conftest import SERVICE
from tests.support import cast
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio
from tests.support.twilio_account import NUMBER_SID

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def probe(account: Account, timeout: timedelta = 10 * SECOND) -> Probe:
    return probe_all([account], timeout=timeout).by_account[account.id]


def codes(found: Probe) -> set[str]:
    return {str(finding.code) for finding in found.findings}


@pytest.fixture
def through_service(account: Account, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The same account, with a Messaging Service instead of a number."""
    monkeypatch.delenv("TWILIO_PHONE_NUMBER")
    monkeypatch.setenv("TWILIO_MESSAGING_SERVICE_SID", SERVICE)
    accounts.forget()
    return accounts.choose(None)


class TestTheNumbersWebhook:
    def test_matches(self, account: Account, healthy: PretendTwilio) -> None:
        found = probe(account)
        assert (found.webhook.status, found.error, found.credentials) == ("matches", "", "accepted")

    @pytest.mark.parametrize(
        ("url", "method", "status"),
        [
            ("", "POST", "missing"),
            (cast.PUBLIC_URL, "GET", "method-mismatch"),
            (cast.PUBLIC_URL + "/", "POST", "url-mismatch"),
            (cast.PUBLIC_URL.replace("https", "http"), "POST", "url-mismatch"),
            (cast.PUBLIC_URL.upper(), "POST", "url-mismatch"),
            ("https://elsewhere.example.com/", "GET", "method-mismatch"),
            (cast.PUBLIC_URL + "#rc=1&rp=5xx", "post", "matches"),
        ],
    )
    def test_is_compared_byte_for_byte(
        self, url: str, method: str, status: str, account: Account, healthy: PretendTwilio
    ) -> None:
        healthy.account.number |= {"sms_url": url, "sms_method": method}
        found = probe(account)
        assert found.webhook.status == status
        assert bool(found.error) == (status != "matches")

    def test_of_a_number_that_is_not_there(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.has_number = False
        assert probe(account).webhook.status == "number-not-found"

    def test_counts_for_nothing_beside_an_application(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.number["sms_application_sid"] = "AP" + "3" * 32
        found = probe(account)
        assert (found.webhook.status, found.webhook.sid) == ("url-mismatch", NUMBER_SID)
        assert "application" in found.error

    def test_tells_the_voice_webhook_too(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.number["voice_url"] = "https://gateway.example.com/voice?key=secret"
        assert probe(account).webhook.as_json()["voiceUrl"] == "https://gateway.example.com/voice?***"


class TestTheServicesWebhook:
    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"inbound_request_url": cast.PUBLIC_URL}, "matches"),
            ({}, "missing"),
            ({"inbound_request_url": cast.PUBLIC_URL, "inbound_method": "GET"}, "method-mismatch"),
            ({"inbound_request_url": "https://elsewhere.example.com/"}, "url-mismatch"),
            ({"inbound_request_url": cast.PUBLIC_URL, "use_inbound_webhook_on_number": True}, "unavailable"),
        ],
    )
    def test_is_the_services_own(
        self, fields: dict[str, Any], status: str, through_service: Account, twilio: PretendTwilio
    ) -> None:
        twilio.account.has_service(SERVICE, **fields)
        found = probe(through_service)
        assert (found.webhook.status, found.webhook.target) == (status, "messaging-service")

    def test_of_a_service_that_is_not_there(self, through_service: Account, twilio: PretendTwilio) -> None:
        assert probe(through_service).webhook.status == "messaging-service-missing"

    def test_advises_where_the_service_defers_to_its_numbers(
        self, through_service: Account, twilio: PretendTwilio
    ) -> None:
        twilio.account.has_service(SERVICE, use_inbound_webhook_on_number=True)
        assert "Send a webhook" in probe(through_service).error

    def test_sees_the_texts_that_came_through_it(self, through_service: Account, twilio: PretendTwilio) -> None:
        twilio.account.has_service(SERVICE, inbound_request_url=cast.PUBLIC_URL)
        twilio.account.received("SM1", messaging_service_sid=SERVICE, error_code=11200)
        twilio.account.received("SM2", messaging_service_sid="MG" + "9" * 32)
        found = probe(through_service)
        assert found.inbound is not None
        assert (found.inbound.sid, "webhook-unreachable" in codes(found)) == ("SM1", True)


class TestWhatCameIn:
    def test_shows_the_newest_and_no_number_or_text(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.received("SM1", date_created="Mon, 16 Nov 2026 10:00:00 +0000", error_code=11200)
        healthy.account.received("SM2")
        found = probe(account)
        assert found.as_json()["recentInbound"]["sid"] == "SM2"
        assert found.error == ""
        assert set(found.as_json()["recentInbound"]) == {
            "sid",
            "direction",
            "status",
            "errorCode",
            "dateCreated",
            "dateSent",
        }

    def test_an_error_on_the_way_here_fails_the_probe_and_is_explained(
        self, account: Account, healthy: PretendTwilio
    ) -> None:
        healthy.account.received("SM1", error_code=11200)
        found = probe(account)
        assert "webhook-unreachable" in codes(found)
        assert "11200" in str(found.as_json())
        assert any("public URL leads to this gateway" in hint for hint in found.hints)


class TestWhatWentOut:
    @pytest.mark.parametrize(
        ("error_code", "code", "is_problem"),
        [
            (30034, "a2p-not-registered", True),
            (30035, "a2p-in-progress", True),
            (30032, "outbound-failing", True),
            (30003, "outbound-failing", False),
        ],
    )
    def test_is_told_with_what_its_error_means(
        self, error_code: int, code: str, is_problem: bool, account: Account, healthy: PretendTwilio
    ) -> None:
        sent(account, error_code=error_code, delivery="undelivered")
        found = probe(account)
        assert code in codes(found)
        assert bool(found.error) is is_problem
        assert found.as_json()["recentOutbound"] == {
            "messageSid": "SMout",
            "status": "undelivered",
            "lastObservedAt": found.outbound and found.outbound.at and found.outbound.at.isoformat(),
            "errorCode": error_code,
        }

    def test_a_conflict_is_marked(self, account: Account, healthy: PretendTwilio) -> None:
        sent(account, delivery="conflicted")
        assert probe(account).as_json()["recentOutbound"]["conflict"] is True


class TestTheAccount:
    def test_wrong_credentials_are_said_once(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.locks_out()
        found = probe(account)
        assert (codes(found), found.credentials) == ({"credentials-refused"}, "refused")

    def test_an_api_key_sends_and_the_token_looks_at_the_account(
        self, account: Account, healthy: PretendTwilio
    ) -> None:
        healthy.api_key = ("SK" + "1" * 32, "its-secret")
        with_key = replace(account, api_key_sid=healthy.api_key[0], api_key_secret="its-secret")
        found = probe(with_key)
        assert (codes(found), found.credentials, found.webhook.status) == (set(), "accepted", "matches")

    def test_an_api_key_that_is_refused_is_named(self, account: Account, healthy: PretendTwilio) -> None:
        found = probe(replace(account, api_key_sid="SK" + "1" * 32, api_key_secret="another"))
        assert (codes(found), found.credentials) == ({"credentials-refused"}, "refused")
        assert "API key" in found.findings[0].cause
        assert "API key" in found.findings[0].fix

    def test_a_trial_account_is_worth_a_note(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.type = "Trial"
        found = probe(account)
        assert (codes(found), found.error) == ({"trial-account"}, "")

    def test_a_suspended_account_is_a_problem(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.status = "suspended"
        assert "account-not-active" in codes(probe(account))

    def test_a_twilio_without_these_pages_is_survived(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.missing = True
        found = probe(account)
        assert found.webhook.status == "unavailable"
        assert "404" in found.error

    def test_a_tailscale_name_draws_the_exact_command(
        self, account: Account, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = "https://box.tail1234.ts.net/webhooks/sms"
        monkeypatch.setenv("SMS_PUBLIC_WEBHOOK_URL", url)
        healthy.account.number["sms_url"] = url
        found = probe(accounts.choose(None))
        assert found.error == ""
        command = "tailscale funnel --bg --set-path /webhooks/sms http://127.0.0.1:8000/webhooks/sms"
        assert any(command in hint for hint in found.hints)


class TestTime:
    def test_a_twilio_that_hangs_leaves_the_local_facts(self, account: Account, healthy: PretendTwilio) -> None:
        sent(account, delivery="delivered")
        healthy.hangs_for = 60
        found = probe(account, timeout=SECOND / 2)
        assert codes(found) == {"twilio-unreachable"}
        assert found.webhook.status == "unavailable"
        assert found.outbound is not None
        assert found.elapsed < 10 * SECOND  # not how quick it is: that it did not wait for Twilio

    def test_one_question_that_fails_hides_no_other(self, account: Account, healthy: PretendTwilio) -> None:
        healthy.account.received("SM1")
        healthy.account.has_number = False
        found = probe(account)
        assert found.inbound is not None
        assert found.facts is not None


class TestTheAgent:
    @pytest.fixture
    def agent(self, settings: Settings) -> Any:
        with PretendAgent(token="the agent's-token".replace(" ", "-")) as server:
            settings.SMS_AGENT, settings.SMS_AGENT_URL = "chat_completions", server.url
            settings.SMS_AGENT_TOKEN = server.token
            yield server

    def test_is_asked_for_its_models_and_nothing_else(
        self, account: Account, healthy: PretendTwilio, agent: PretendAgent
    ) -> None:
        found = probe_all([account]).agent
        assert found is not None
        assert (found.reachable, found.authorised, found.code) == (True, True, "")
        assert agent.turns == []

    def test_a_wrong_token_is_told(
        self, account: Account, healthy: PretendTwilio, agent: PretendAgent, settings: Settings
    ) -> None:
        settings.SMS_AGENT_TOKEN = "wrong"
        found = probe_all([account]).agent
        assert found is not None
        assert (found.reachable, found.authorised, found.code) == (True, False, "agent_refused")

    def test_one_without_a_list_of_models_is_there_all_the_same(
        self, account: Account, healthy: PretendTwilio, agent: PretendAgent
    ) -> None:
        agent.lists_models = False
        found = probe_all([account]).agent
        assert found is not None
        assert (found.reachable, found.authorised, found.code) == (True, None, "")

    def test_nobody_there(self, account: Account, healthy: PretendTwilio, settings: Settings) -> None:
        settings.SMS_AGENT, settings.SMS_AGENT_URL = "chat_completions", "http://127.0.0.1:9"
        found = probe_all([account]).agent
        assert found is not None
        assert (found.reachable, found.code) == (False, "agent_unreachable")

    @pytest.mark.parametrize(
        ("spec", "code"), [("echo", ""), ("tests.agents.functions:nothing_here", "agent_not_configured")]
    )
    def test_in_this_process(
        self, spec: str, code: str, account: Account, healthy: PretendTwilio, settings: Settings
    ) -> None:
        settings.SMS_AGENT = spec
        found = probe_all([account]).agent
        assert found is not None
        assert (found.code, found.reachable) == (code, not code)


def sent(account: Account, *, delivery: str, error_code: int | None = None) -> None:
    now = timezone.now()
    conversation = Conversation.objects.create(account_id=account.pk, sender=cast.ALICE)
    message = OutboundMessage.objects.create(conversation=conversation, kind="reply", text="words", created_at=now)
    OutboundPart.objects.create(
        message=message,
        conversation=conversation,
        number=1,
        body="words",
        encoding="GSM-7",
        segments=1,
        state=PartState.ACCEPTED,
        sid="SMout",
        delivery=delivery,
        error_code=error_code,
        accepted_at=now,
    )
