"""What a document may say, and the sentence that names the exact path where it may not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts, validation
from openclaw_sms.config.schema import KEYS
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import AccountSettings
from tests.config.cases import COMPLETE, SID, apply, sms
from tests.conftest import TWILIO_VARIABLES

SECRET = "s3cret-value"


def problems(document: Any) -> list[str]:
    return validation.check(document).problems


def stored(document: Any) -> Any:
    checked = validation.check(document)
    assert checked.problems == []
    return checked.document["channels"]["sms"]


def test_every_column_has_a_key_and_every_key_a_column() -> None:
    columns = {field.name for field in AccountSettings._meta.get_fields()}
    keys = {key.column for key in KEYS.values()} | {key.ref_column for key in KEYS.values() if key.ref_column}
    assert keys == columns


def test_a_keys_name_is_its_columns() -> None:
    for key in KEYS.values():
        first, *rest = key.column.split("_")
        assert key.name == first + "".join(word.capitalize() for word in rest)


GOOD: list[tuple[str, Any, Any]] = [
    ("name", " Support ", "Support"),
    ("configWrites", False, False),
    ("accountSid", f" {SID} ", SID),
    ("accountSid", "AC" + "x" * 32, "AC" + "x" * 32),
    ("accountSid", "", ""),
    ("authToken", " token ", "token"),
    (
        "authToken",
        {"source": "file", "provider": "vault", "id": "/twilio/token"},
        {"source": "file", "provider": "vault", "id": "/twilio/token"},
    ),
    ("fromNumber", "sms:+1 (555) 123-4567", "+15551234567"),
    ("fromNumber", "", ""),
    ("fromNumber", 15551234567, "+15551234567"),
    ("messagingServiceSid", "MG" + "x" * 32, "MG" + "x" * 32),
    ("defaultTo", "+43 660 1234567", "+436601234567"),
    ("webhookPath", "webhooks/support/", "/webhooks/support"),
    ("webhookPath", " ", ""),
    ("publicWebhookUrl", " https://a.example.com/x?y=1#rc=2 ", "https://a.example.com/x?y=1#rc=2"),
    ("dangerouslyDisableSignatureValidation", False, False),
    ("dmPolicy", "disabled", "disabled"),
    (
        "allowFrom",
        ["sms:+1 555 765 4321", 15557654322, "twilio-sms:+15557654321", "*"],
        ["+15557654321", "+15557654322", "*"],
    ),
    ("allowFrom", [], []),
    ("textChunkLimit", 5000, 5000),
    ("textChunkLimit", 160.0, 160),
    ("mediaMaxMb", 0.5, 0.5),
    ("segmentsPerSecond", 100, 100.0),
    ("allowCountries", ["us", "TW"], ["US", "TW"]),
    ("ownerNumbers", ["+15557654321"], ["+15557654321"]),
    ("initiateTo", ["sms:+1 555 765 4321", "*"], ["+15557654321", "*"]),
    ("quietHours", "21:00-08:00", "21:00-08:00"),
    ("pairingRepliesPerDay", 0, 0),
]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_a_value_is_stored_in_its_one_form_at_both_levels(name: str, value: Any, kept: Any) -> None:
    channel = stored(sms(**{name: value}, accounts={"support": {name: value, "webhookPath": "/own"} | {name: value}}))
    assert channel[name] == kept
    assert channel["accounts"]["support"][name] == kept


BAD: list[tuple[str, Any, str]] = [
    ("enabled", "yes", "must be true or false"),
    ("name", "x" * 101, "at most 100 characters"),
    ("name", 5, "must be a text in quotes"),
    ("configWrites", 1, "must be true or false"),
    ("accountSid", "ACbad", "AC and 32 letters or digits"),
    ("accountSid", "MG" + "1" * 32, "AC and 32 letters or digits"),
    ("apiKeySid", SID, "SK and 32 letters or digits"),
    ("authToken", 5, "a SecretRef"),
    ("authToken", "***", "leave the key out to keep it"),
    ("authToken", "two\nlines", "line break"),
    ("authToken", {"source": "vault", "provider": "default", "id": "X"}, "source must be env, file, exec or store"),
    ("authToken", {"source": "env", "provider": "Default", "id": "X"}, "provider"),
    (
        "authToken",
        {"source": "env", "provider": "default", "id": "lower"},
        "id must, for env, be the name of a variable",
    ),
    ("authToken", {"source": "env", "provider": "default"}, "id must, for env, be the name of a variable"),
    ("secondaryAuthToken", {"source": "env", "provider": "default", "id": "X"}, "must be a text"),
    ("fromNumber", "5551234567", "has no country code"),
    ("fromNumber", "call me", "is not a phone number"),
    ("fromNumber", True, "must be a phone number"),
    ("fromNumber", 1555.5, "is not a phone number"),
    ("webhookPath", "/admin", "belongs to the gateway itself"),
    ("webhookPath", "/sms?x=1", "without ? and #"),
    ("webhookPath", "/" + "x" * 200, "at most 200 characters"),
    ("publicWebhookUrl", "gateway.example.com", "whole address"),
    ("publicWebhookUrl", "ftp://gateway.example.com/", "whole address"),
    ("publicWebhookUrl", "https://a b/", "whole address"),
    ("dangerouslyDisableSignatureValidation", "true", "must be true or false"),
    ("dmPolicy", "closed", "must be one of pairing, allowlist, open, disabled"),
    ("dmPolicy", ["open"], "must be one of"),
    ("allowFrom", "+15557654321", "must be a list"),
    ("textChunkLimit", 0, "whole number of at least 1"),
    ("textChunkLimit", -1, "whole number of at least 1"),
    ("textChunkLimit", 1.5, "whole number of at least 1"),
    ("textChunkLimit", True, "whole number of at least 1"),
    ("textChunkLimit", float("inf"), "whole number of at least 1"),
    ("textChunkLimit", 10**400, "whole number of at least 1"),
    ("mediaMaxMb", 0, "above 0"),
    ("mediaMaxMb", 10**400, "above 0"),
    ("fromNumber", 10**5000, "is not a phone number"),
    ("mediaMaxMb", float("nan"), "above 0"),
    ("segmentsPerSecond", 101, "at most 100"),
    ("segmentsPerSecond", 0, "above 0"),
    ("inboundPerMinute", 0, "from 1 to 10000"),
    ("pairingRepliesPerDay", -1, "from 0 to 10000"),
    ("pairingRepliesPerSender", 101, "from 0 to 100"),
    ("repliesPerHour", 0, "from 1 to 10000"),
    ("whatsapp", 1, "must be true or false"),
    ("answerOptOut", "on", "must be true or false"),
    ("helpText", "x" * 321, "at most 320 characters"),
    ("quietHours", "9-17", "HH:MM-HH:MM"),
    ("quietHours", "21:00-24:00", "HH:MM-HH:MM"),
    ("quietHours", "21:00-21:00", "HH:MM-HH:MM"),
]


@pytest.mark.parametrize(("name", "value", "why"), BAD, ids=[name for name, *_ in BAD])
def test_a_wrong_value_is_named_by_its_path_at_both_levels(name: str, value: Any, why: str) -> None:
    for document, path in (
        (sms(**{name: value}), f"channels.sms.{name} "),
        (sms(accounts={"support": {name: value}}), f"channels.sms.accounts.support.{name} "),
    ):
        (sentence,) = problems(document)
        assert sentence.startswith(path)
        assert why in sentence
        assert sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    ("name", "value", "at", "why"),
    [
        ("allowFrom", ["+15557654321", "5551234567"], "[1]", "has no country code"),
        ("allowFrom", [5551234567], "[0]", "may lack its country code"),
        ("allowFrom", [""], "[0]", "is blank"),
        ("allowFrom", [True], "[0]", "must be a phone number"),
        ("ownerNumbers", ["*"], "[0]", "is not a phone number"),
        ("allowCountries", ["US", "XX"], "[1]", "two-letter code"),
    ],
)
def test_a_wrong_entry_is_named_by_its_place(name: str, value: Any, at: str, why: str) -> None:
    (sentence,) = problems(sms(**{name: value}))
    assert sentence.startswith(f"channels.sms.{name}{at} ")
    assert why in sentence


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (sms(fromNumbr="+1"), "channels.sms.fromNumbr is not a key of this channel; did you mean fromNumber?"),
        (sms(zzz=1), "channels.sms.zzz is not a key of this channel."),
        (
            sms(accounts={"support": {"dmPolcy": "open"}}),
            "channels.sms.accounts.support.dmPolcy is not a key of this channel; did you mean dmPolicy?",
        ),
        (
            sms(accounts={"support": {"defaultAccount": "support"}}),
            "channels.sms.accounts.support.defaultAccount is not a key of this channel",
        ),
        (sms(accounts={"support": 5}), "channels.sms.accounts.support must be an object"),
        (sms(accounts=[]), "channels.sms.accounts must be an object"),
        (sms(accounts={"": {}}), "channels.sms.accounts.: an account's id is"),
        (sms(accounts={"a.b": {}}), "channels.sms.accounts.a.b: an account's id is"),
        (sms(accounts={"sandbox": {}}), "channels.sms.accounts.sandbox: this id belongs to the sandbox"),
        ({"gateway": {"port": 1}}, "gateway is not kept here"),
        ({"channels": {"telegram": {}}}, "channels.telegram is not kept here"),
        ({"secrets": {"defaults": {}}}, "secrets.defaults is not kept here"),
        ({"channels": 5}, "channels must be an object"),
        ([], "The document must be an object"),
        (
            {"secrets": {"providers": {"Vault": {"source": "env"}}}},
            "secrets.providers.Vault: a provider's name is",
        ),
        ({"secrets": {"providers": {"vault": {"source": "cloud"}}}}, "secrets.providers.vault must be an object"),
        ({"secrets": {"providers": {"vault": {"source": "file"}}}}, "secrets.providers.vault.path is missing"),
        (
            {"secrets": {"providers": {"vault": {"source": "exec", "command": "op"}}}},
            "secrets.providers.vault.command must be an absolute path",
        ),
        (
            {"secrets": {"providers": {"vault": {"source": "env", "path": "/x"}}}},
            "secrets.providers.vault.path is not a key of a provider whose source is env",
        ),
    ],
)
def test_what_is_not_a_setting_is_refused_by_its_path(document: Any, sentence: str) -> None:
    (problem,) = problems(document)
    assert problem.startswith(sentence)


class TestOpen:
    def test_needs_the_star_at_its_own_level(self) -> None:
        (problem,) = problems(sms(dmPolicy="open", accounts={"a": {"allowFrom": ["*"], "webhookPath": "/a"}}))
        assert problem.startswith('channels.sms.dmPolicy is "open", which needs "*" in channels.sms.allowFrom')

        (problem,) = problems(sms(allowFrom=["*"], accounts={"a": {"dmPolicy": "open"}}))
        assert problem.startswith("channels.sms.accounts.a.dmPolicy")

    def test_is_fine_with_it(self) -> None:
        assert problems(sms(dmPolicy="open", allowFrom=["+15557654321", "*"])) == []


def test_a_default_region_says_which_country_bare_numbers_are_of(settings: Settings) -> None:
    settings.SMS_DEFAULT_REGION = "US"
    channel = stored(sms(fromNumber="(201) 555-0123", allowFrom=["2015550124", 2015550125]))
    assert (channel["fromNumber"], channel["allowFrom"]) == ("+12015550123", ["+12015550124", "+12015550125"])


def test_no_sentence_repeats_a_value() -> None:
    every: dict[str, Any] = {name: [SECRET] for name in KEYS}
    every |= {
        "authToken": {"source": SECRET},
        "fromNumber": SECRET,
        "accountSid": SECRET,
        "allowFrom": [SECRET],
        "k": 1,
    }
    found = problems(sms(**every, accounts={"support": every}))
    assert len(found) > 2 * 20
    assert SECRET not in "\n".join(found)


class TestPaths:
    def test_of_two_accounts_may_not_be_one(self) -> None:
        (problem,) = problems(
            sms(accounts={"a": {"webhookPath": "/hooks/x"}, "b": {"webhookPath": "hooks/%78/", "name": "b"}})
        )
        assert problem.startswith("channels.sms.accounts.b.webhookPath is /hooks/x, which account a has too")

    def test_inherited_by_two_accounts_may_not_be_one(self) -> None:
        (problem,) = problems(sms(webhookPath="/shared", accounts={"a": {}, "b": {}}))
        assert "is /shared, which account a has too" in problem

    def test_of_the_channel_count_where_it_is_an_account_itself(self) -> None:
        (problem,) = problems(sms(**COMPLETE, accounts={"support": {"name": "Support"}}))
        assert "channels.sms.accounts.support.webhookPath is /webhooks/sms, which account default has too" in problem

    def test_of_a_channel_that_only_holds_what_its_accounts_share_are_free(self) -> None:
        shared = {name: value for name, value in COMPLETE.items() if name != "fromNumber"}
        assert problems(sms(**shared, accounts={"support": {"fromNumber": "+15551234567"}})) == []

    def test_of_the_environment_count_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in TWILIO_VARIABLES.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SMS_WEBHOOK_PATH", "/from-environment")
        (problem,) = problems(sms(accounts={"a": {"webhookPath": "/from-environment"}}))
        assert "account a has too" in problem
        assert problems(sms(defaultAccount="a", accounts={"a": {}, "b": {"webhookPath": "/webhooks/sms"}})) == []

    def test_of_accounts_that_are_off_are_free(self) -> None:
        assert problems(sms(accounts={"a": {"enabled": False}, "b": {}})) == []
        assert problems(sms(enabled=False, accounts={"a": {}, "b": {}})) == []

    def test_of_another_accounts_pictures_are_taken(self) -> None:
        (problem,) = problems(sms(accounts={"a": {"webhookPath": "/a"}, "b": {"webhookPath": "/a/media/b"}}))
        assert "where account a serves its pictures" in problem


@pytest.mark.parametrize(
    ("channel", "variables", "ids"),
    [
        ({}, {}, []),
        ({"accountSid": SID}, {}, ["default"]),
        ({"fromNumber": "+15551234567"}, {}, ["default"]),
        ({"messagingServiceSid": "MG" + "1" * 32}, {}, ["default"]),
        ({"authToken": "t"}, {}, ["default"]),
        ({"authToken": {"source": "env", "provider": "default", "id": "T"}}, {}, ["default"]),
        ({"accountSid": "", "webhookPath": "/x", "allowFrom": ["*"]}, {}, []),
        ({}, {"TWILIO_ACCOUNT_SID": SID}, ["default"]),
        ({}, {"TWILIO_AUTH_TOKEN": "t"}, ["default"]),
        ({}, {"TWILIO_PHONE_NUMBER": "+15551234567"}, ["default"]),
        ({}, {"TWILIO_SMS_FROM": "+15551234567"}, ["default"]),
        ({}, {"TWILIO_MESSAGING_SERVICE_SID": "MG" + "1" * 32}, ["default"]),
        ({}, {"TWILIO_PHONE_NUMBER": "  ", "SMS_PUBLIC_WEBHOOK_URL": "https://a.example.com/"}, []),
        ({"accounts": {"zoe": {}, "amy": {"webhookPath": "/a"}}}, {}, ["amy", "zoe"]),
        (
            {"accountSid": SID, "accounts": {"zoe": {"webhookPath": "/z"}, "amy": {"webhookPath": "/a"}}},
            {},
            ["amy", "default", "zoe"],
        ),
        ({"accounts": {"default": {}}}, {}, ["default"]),
        ({"defaultAccount": "amy", "accounts": {"amy": {}}}, {"TWILIO_ACCOUNT_SID": SID}, ["amy"]),
        ({"defaultAccount": "nobody"}, {"TWILIO_ACCOUNT_SID": SID}, ["default"]),
    ],
)
@pytest.mark.django_db
def test_which_accounts_there_are(
    channel: Any, variables: dict[str, str], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document's answer and the gateway's are the same."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert validation.listed(validation.check({"channels": {"sms": channel}}).document) == ids
    apply({"channels": {"sms": channel}})
    assert list(accounts.load().by_id) == ids


def test_an_unusable_variable_is_named_when_a_path_hangs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACbad")
    with pytest.raises(ConfigurationError, match="TWILIO_ACCOUNT_SID must be a SID"):
        problems(sms(name="x"))


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["*", "open"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
levels = st.dictionaries(st.sampled_from([*KEYS, "enabled", "defaultAccount", "other"]), anything, max_size=6)
documents = st.builds(
    lambda channel, entries, named: {
        "channels": {"sms": {**channel, "accounts": entries}},
        "secrets": {"providers": named},
    },
    levels,
    st.dictionaries(st.text(max_size=5), levels | anything, max_size=3),
    st.dictionaries(
        st.text(max_size=3), anything | st.fixed_dictionaries({"source": st.sampled_from(["env", "exec"])})
    ),
)


@hypothesis_settings(deadline=None)
@given(documents | anything)
def test_no_document_is_worse_than_refused_and_a_good_one_is_in_its_last_form(document: Any) -> None:
    checked = validation.check(document)
    if not checked.problems:
        assert validation.check(checked.document) == checked
    assert all(problem.endswith((".", "?")) for problem in checked.problems)
