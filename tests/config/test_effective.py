"""What is in effect, and where each value comes from."""

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts, effective, json5
from openclaw_sms.config.effective import NoSuchPath, Setting
from openclaw_sms.config.schema import KEYS
from openclaw_sms.models import AllowedSender, SenderSource, SmsAccount
from tests.config.cases import COMPLETE, apply, sms
from tests.conftest import TWILIO_VARIABLES
from tests.support.cast import ALICE, AUTH_TOKEN, BOB, OUR_NUMBER, PUBLIC_URL

pytestmark = pytest.mark.django_db

SUPPORT = "channels.sms.accounts.support"


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TWILIO_VARIABLES.items():
        monkeypatch.setenv(name, value)


def at(path: str) -> tuple[Any, str]:
    found = effective.at(path)
    assert isinstance(found, Setting)
    return found.value, found.origin


def test_a_value_is_the_accounts_then_the_channels_then_a_default() -> None:
    apply(sms(name="All", textChunkLimit=300, accounts={"support": {"name": "Support", "webhookPath": "/s"}}))
    assert at(f"{SUPPORT}.name") == ("Support", f"document: {SUPPORT}")
    assert at(f"{SUPPORT}.textChunkLimit") == (300, "document: channels.sms")
    assert at(f"{SUPPORT}.repliesPerHour") == (60, "default")
    assert at("channels.sms.name") == ("All", "document: channels.sms")


@pytest.mark.usefixtures("variables")
class TestTheEnvironment:
    def test_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert at("channels.sms.fromNumber") == (OUR_NUMBER, "environment: TWILIO_PHONE_NUMBER")
        assert at("channels.sms.authToken") == ("***", "environment: TWILIO_AUTH_TOKEN")
        monkeypatch.setenv("TWILIO_PHONE_NUMBER", " ")
        monkeypatch.setenv("TWILIO_SMS_FROM", ALICE)
        assert at("channels.sms.accounts.default.fromNumber") == (ALICE, "environment: TWILIO_SMS_FROM")

    def test_yields_to_the_document_even_where_that_is_blank(self) -> None:
        apply(sms(fromNumber="", publicWebhookUrl="https://a.example.com/"))
        assert at("channels.sms.fromNumber") == ("", "document: channels.sms")
        assert at("channels.sms.publicWebhookUrl")[0] != PUBLIC_URL

    def test_speaks_of_the_default_account_alone(self) -> None:
        apply(sms(accounts={"support": {"webhookPath": "/s"}}))
        assert at(f"{SUPPORT}.fromNumber") == ("", "default")
        apply(sms(defaultAccount="support"))
        assert at(f"{SUPPORT}.fromNumber") == (OUR_NUMBER, "environment: TWILIO_PHONE_NUMBER")
        assert at("channels.sms.fromNumber") == ("", "default")

    def test_can_open_what_the_document_has_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        key = "channels.sms.dangerouslyDisableSignatureValidation"
        apply(sms(dangerouslyDisableSignatureValidation=False))
        assert at(key) == (False, "document: channels.sms")
        monkeypatch.setenv("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", "true")
        assert at(key) == (True, "environment: SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION")
        apply(sms(dangerouslyDisableSignatureValidation=True))
        assert at(key) == (True, "document: channels.sms")


def test_the_kill_switch_shows_at_every_account() -> None:
    apply(sms(enabled=False, accounts={"support": {}, "sales": {"enabled": False}}))
    assert at(f"{SUPPORT}.enabled") == (False, "document: channels.sms")
    apply(sms(enabled=True, accounts={"support": {"webhookPath": "/s"}}))
    assert at(f"{SUPPORT}.enabled") == (True, "default")
    assert at("channels.sms.accounts.sales.enabled") == (False, "document: channels.sms.accounts.sales")


def test_numbers_of_the_console_are_added_to_the_list() -> None:
    apply(sms(allowFrom=[ALICE], accounts={"support": {}}))
    row = SmsAccount.objects.get()
    AllowedSender.objects.create(account=row, number=BOB, source=SenderSource.CONSOLE)
    value, origin = at(f"{SUPPORT}.allowFrom")
    assert value == [ALICE, BOB]
    assert origin == "document: channels.sms, and allowed senders"


def test_a_reference_is_shown_and_a_secret_is_not(settings: Settings) -> None:
    ref = {"source": "env", "provider": "default", "id": "TOKEN"}
    apply(
        sms(
            authToken=ref,
            accounts={"support": {"authToken": "s3cret", "apiKeySecret": "s3cret", "webhookPath": "/s"}},
        )
    )
    shown = effective.printed(effective.at(""))
    assert '  authToken: { source: "env", provider: "default", id: "TOKEN" }, // document: channels.sms\n' in shown
    assert f'  authToken: "***", // document: {SUPPORT}\n' in shown
    assert "s3cret" not in shown
    settings.SECRET_KEY = "another"
    assert effective.printed(effective.at("")) == shown, "a secret that cannot be read is a secret"


def test_what_is_printed_is_json5_and_can_be_patched_back_but_for_the_secrets() -> None:
    apply(
        sms(
            **{**COMPLETE, "authToken": None},
            accounts={"support": {"webhookPath": "/s", "quietHours": "21:00-08:00"}},
        )
    )
    before = effective.at("")
    apply(json5.parse(effective.printed(before), name="printed"))
    assert effective.values(effective.at("")) == effective.values(before)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere", "nowhere is not a setting."),
        (
            "channels.sms.fromNumbr",
            "channels.sms.fromNumbr is not a setting of channels.sms; did you mean fromNumber?",
        ),
        ("channels.sms.accounts.sales", "channels.sms.accounts.sales: there is no such account."),
        ("channels.sms.name.x", "channels.sms.name.x is not a setting of channels.sms.name."),
        ("channels.sms.", "channels.sms. is not a setting"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, sentence: str) -> None:
    apply(sms(accounts={"support": {}}))
    with pytest.raises(NoSuchPath) as refused:
        effective.at(path)
    assert str(refused.value).startswith(sentence)


EVERYTHING: dict[str, Any] = {
    **COMPLETE,
    "name": "Support",
    "configWrites": True,
    "secondaryAuthToken": "second-token",
    "apiKeySid": "SK" + "1" * 32,
    "apiKeySecret": "key-secret",
    "messagingServiceSid": "MG" + "1" * 32,
    "defaultTo": ALICE,
    "initiateTo": [BOB, "*"],
    "webhookPath": "/hooks/caf%C3%A9",
    "dangerouslyDisableSignatureValidation": True,
    "dmPolicy": "open",
    "allowFrom": [ALICE, "*"],
    "textChunkLimit": 5000,
    "mediaMaxMb": 1.5,
    "segmentsPerSecond": 3,
    "inboundPerMinute": 7,
    "whatsapp": True,
    "allowCountries": ["US"],
    "pairingRepliesPerDay": 0,
    "pairingRepliesPerSender": 0,
    "repliesPerHour": 9,
    "ownerNumbers": [BOB],
    "answerOptOut": True,
    "helpText": "Call us.",
    "quietHours": "21:00-08:00",
}
# What an `Account` calls differently, and what it has no use for.
ATTRIBUTES = {"dangerouslyDisableSignatureValidation": "validation_disabled", "configWrites": None}


@pytest.mark.parametrize("source", ["nothing", "environment", "channel", "account", "both", "blank"])
def test_what_is_shown_is_what_the_gateway_uses(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`accounts` applies the precedence that `effective` tells: for every key, from every source."""
    assert set(EVERYTHING) == set(KEYS)
    for name, value in {**TWILIO_VARIABLES, "SMS_ALLOWED_USERS": f"{ALICE},*", "SMS_TEXT_CHUNK_LIMIT": "99"}.items():
        if source in ("environment", "both", "blank"):
            monkeypatch.setenv(name, value)
    blank: dict[str, Any] = {name: "" for name, key in KEYS.items() if key.default == "" or name == "webhookPath"} | {
        "allowFrom": []
    }
    apply(
        {
            "nothing": sms(accounts={"default": {}}),
            "environment": sms(accounts={"default": {}}),
            "channel": sms(**EVERYTHING, accounts={"default": {}}),
            "account": sms(accounts={"default": EVERYTHING}),
            "both": sms(
                **EVERYTHING, accounts={"default": {"name": "Own", "allowFrom": [BOB], "dmPolicy": "allowlist"}}
            ),
            "blank": sms(**blank, accounts={"default": {}}),
        }[source]
    )
    account = accounts.load().by_id["default"]
    for name, key in KEYS.items():
        attribute = ATTRIBUTES.get(name, key.column)
        if attribute is None:
            continue
        shown, used = at(f"channels.sms.accounts.default.{name}")[0], getattr(account, attribute)
        if key.secret:
            assert bool(shown) is bool(used), name
        elif isinstance(shown, list):
            assert set(shown) == set(used), name
        elif name == "webhookPath":
            assert accounts.normalise_path(shown) == used, name
        else:
            assert shown == used, name


def test_no_token_of_the_environment_is_printed(variables: None) -> None:
    assert AUTH_TOKEN not in effective.printed(effective.at(""))
