"""The test button: what Twilio says of the stored credentials, in words; and who may press it."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from openclaw_sms.models import AuditEvent, SmsAccount
from tests.admin.conftest import ACCOUNT_SID, TOKEN, told
from tests.support.pretend_account import PretendAccount

KEY, KEY_SECRET = "SK" + "5" * 32, "the-api-keys-secret"
NUMBER = "+15550009999"
SERVICE = "MG" + "6" * 32
JSON = {"Accept": "application/json"}


@pytest.fixture
def twilio(settings: Settings) -> Iterator[PretendAccount]:
    with PretendAccount(ACCOUNT_SID, TOKEN, NUMBER) as server:
        settings.TWILIO_API_BASE_URL = server.origin
        yield server


def address(account: SmsAccount) -> str:
    return reverse("admin:openclaw_sms_smsaccount_test", args=[account.pk])


def said(console: Client, account: SmsAccount) -> list[tuple[str, str]]:
    response = console.post(address(account), headers=JSON)
    assert response.status_code == 200
    content = response.content.decode()
    assert not any(secret in content for secret in (TOKEN, KEY_SECRET, NUMBER))
    return [(one["tone"], one["words"]) for one in response.json()["answers"]]


GOOD = [("good", "The auth token works."), ("good", "The from number belongs to the account.")]


def test_all_is_well(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    assert said(console, account) == GOOD
    event = AuditEvent.objects.get()
    assert (event.action, event.subject, event.detail) == ("account.tested", "default", {"verdicts": ["ok", "ok"]})
    assert twilio.messages == []


def test_refused_credentials(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    twilio.auth_token = "another"
    assert said(console, account) == [("bad", "Twilio refused the auth token; copy it again from Twilio's console.")]


def test_a_number_of_somebody_else(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    twilio.phone_number = "+15550007777"
    ((_, works), (tone, words)) = said(console, account)
    assert (works, tone) == ("The auth token works.", "bad")
    assert words == "The from number does not belong to the account; copy it from Twilio."


def test_a_number_for_calls_only(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    twilio.can_text = False
    assert said(console, account)[1] == (
        "bad",
        "The from number belongs to the account, but cannot send or receive texts.",
    )


@pytest.mark.parametrize(("known", "tone"), [(True, "good"), (False, "bad")])
def test_a_messaging_service(
    console: Client, account: SmsAccount, twilio: PretendAccount, known: bool, tone: str
) -> None:
    SmsAccount.objects.update(from_number=None, messaging_service_sid=SERVICE)
    twilio.services = {SERVICE} if known else set()
    assert said(console, account)[1][0] == tone


def test_a_suspended_account(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    twilio.status = "suspended"
    assert said(console, account) == [("bad", "The auth token works, but Twilio calls the account suspended.")]


def test_no_answer(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    twilio.silent = True
    ((tone, words),) = said(console, account)
    assert tone == "act"
    assert words.startswith("Twilio gave no answer about the auth token")


class TestAnApiKey:
    @pytest.fixture(autouse=True)
    def stored(self, account: SmsAccount) -> None:
        account.api_key_sid, account.api_key_secret = KEY, KEY_SECRET
        account.save()

    def test_is_tried_beside_the_token(self, console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
        twilio.api_key = (KEY, KEY_SECRET)
        assert [words for _, words in said(console, account)] == [
            "The auth token works.",
            "The API key works.",
            "The from number belongs to the account.",
        ]

    def test_that_is_refused_is_named(self, console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
        assert said(console, account)[1:] == [
            ("bad", "Twilio refused the API key; copy it again from Twilio's console.")
        ]


def test_asks_nobody_for_an_account_that_is_not_complete(
    console: Client, account: SmsAccount, twilio: PretendAccount
) -> None:
    SmsAccount.objects.update(auth_token=None)
    assert "is not complete" in said(console, account)[0][1]
    SmsAccount.objects.update(auth_token_ref={"source": "env", "provider": "default", "id": "NOPE"})
    assert "env:default:NOPE is not set" in said(console, account)[0][1]
    assert twilio.requests == []


def test_secrets_are_sent_nowhere_insecure(console: Client, account: SmsAccount, settings: Settings) -> None:
    settings.TWILIO_API_BASE_URL = "http://twilio.example.com"
    assert "must be an https URL" in said(console, account)[0][1]


def test_without_a_script_the_next_page_says_it(console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
    response = console.post(address(account), headers={"Accept": "text/html"}, follow=True)
    assert told(response) == [words for _, words in GOOD]


class TestWhoMayPress:
    def test_a_link_does_not(self, console: Client, account: SmsAccount, twilio: PretendAccount) -> None:
        assert console.get(address(account)).status_code == 405
        assert twilio.requests == []

    def test_another_site_does_not(self, account: SmsAccount, twilio: PretendAccount, console: Client) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = console.cookies
        assert strict.post(address(account), headers=JSON).status_code == 403
        assert twilio.requests == []

    def test_an_onlooker_does_not(self, onlooker: Client, account: SmsAccount, twilio: PretendAccount) -> None:
        assert onlooker.post(address(account), headers=JSON).status_code == 403
        assert (
            address(account)
            not in onlooker.get(reverse("admin:openclaw_sms_smsaccount_change", args=[account.pk])).content.decode()
        )
        assert twilio.requests == []

    def test_a_stranger_does_not(self, client: Client, account: SmsAccount) -> None:
        assert client.post(address(account)).status_code == 302


def test_no_such_account(console: Client, db: None) -> None:
    assert console.post(reverse("admin:openclaw_sms_smsaccount_test", args=[404]), headers=JSON).status_code == 404
