"""What an account's settings finally are."""

import logging
import time
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts, sources
from openclaw_sms.config.accounts import NoAccount
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import AllowedSender, ChannelSettings, DmPolicy, SenderSource, SmsAccount
from tests.conftest import TWILIO_VARIABLES
from tests.support.cast import ACCOUNT_SID, ALICE, BOB, OUR_NUMBER, PUBLIC_URL

pytestmark = pytest.mark.django_db


def named(account_id: str, **values: object) -> SmsAccount:
    return SmsAccount.objects.create(
        account_id=account_id,
        **{
            "account_sid": ACCOUNT_SID,
            "auth_token": "t",
            "from_number": "+15550008888",
            "public_webhook_url": "https://gateway.example.com/x",
            **values,
        },
    )


class TestTheEnvironment:
    @pytest.fixture(autouse=True)
    def variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in TWILIO_VARIABLES.items():
            monkeypatch.setenv(name, value)

    def test_makes_the_default_account(self) -> None:
        account = accounts.choose(None)
        assert (account.id, account.account_sid, account.from_number) == ("default", ACCOUNT_SID, OUR_NUMBER)
        assert account.serves_webhook
        assert account.dm_policy is DmPolicy.PAIRING
        assert (account.webhook_path, account.text_chunk_limit) == ("/webhooks/sms", 1500)

    def test_yields_to_what_the_console_set(self) -> None:
        accounts.load()
        SmsAccount.objects.update(from_number="+15550008888", dm_policy="allowlist")
        account = accounts.choose("default")
        assert (account.from_number, account.dm_policy) == ("+15550008888", DmPolicy.ALLOWLIST)
        assert account.account_sid == ACCOUNT_SID

    def test_serves_the_default_account_only(self) -> None:
        SmsAccount.objects.create(account_id="support")
        assert accounts.choose("support").account_sid == ""

    @pytest.mark.parametrize("word", ["TRUE", " true ", "1", "yes", ""])
    def test_disables_validation_only_by_the_exact_word(self, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", word)
        assert not accounts.choose(None).validation_disabled
        monkeypatch.setenv("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", "true")
        assert accounts.choose(None).validation_disabled

    def test_takes_the_alias_when_the_first_name_is_blank(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TWILIO_PHONE_NUMBER", " ")
        monkeypatch.setenv("TWILIO_SMS_FROM", "+1 (555) 000-7777")
        assert accounts.choose(None).from_number == "+15550007777"

    def test_reads_a_secret_from_a_file_without_its_newline(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "token").write_text("$from a file\n")
        monkeypatch.delenv("TWILIO_AUTH_TOKEN")
        monkeypatch.setenv("TWILIO_AUTH_TOKEN_FILE", str(tmp_path / "token"))
        assert accounts.choose(None).auth_token == "$from a file"

    def test_lists_who_may_talk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMS_ALLOWED_USERS", f" {ALICE}, sms:{BOB} ,,*")
        assert accounts.choose(None).allow_from == {ALICE, BOB, "*"}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SMS_TEXT_CHUNK_LIMIT", "0"),
            ("SMS_TEXT_CHUNK_LIMIT", "-5"),
            ("SMS_TEXT_CHUNK_LIMIT", "a few"),
            ("SMS_TEXT_CHUNK_LIMIT", "1.5"),
            ("SMS_ALLOWED_USERS", "5551234567"),
            ("TWILIO_PHONE_NUMBER", "5551234567"),
            ("TWILIO_SMS_FROM", "5551234567"),
            ("TWILIO_ACCOUNT_SID", "AC123"),
            ("TWILIO_ACCOUNT_SID", "MG" + "0" * 32),
            ("TWILIO_API_KEY_SID", "AC" + "0" * 32),
            ("TWILIO_MESSAGING_SERVICE_SID", "AC" + "0" * 32),
            ("SMS_WEBHOOK_PATH", "/admin/sms"),
            ("SMS_WEBHOOK_PATH", "/sms?x=1"),
            ("SMS_PUBLIC_WEBHOOK_URL", "gateway.example.com"),
            ("TWILIO_PHONE_NUMBER", "call me"),
            ("TWILIO_WEBHOOK_SHARED_KEYS", "onlyakey"),
        ],
    )
    def test_that_cannot_be_used_is_refused_by_name(
        self, name: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if name == "TWILIO_SMS_FROM":
            monkeypatch.delenv("TWILIO_PHONE_NUMBER")
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=name) as refused:
            accounts.load()
        assert "5551234567" not in str(refused.value)

    def test_takes_a_number_without_country_code_where_the_region_is_set(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        settings.SMS_DEFAULT_REGION = "US"
        monkeypatch.setenv("TWILIO_PHONE_NUMBER", "(201) 555-0123")
        assert accounts.choose(None).from_number == "+12015550123"

    def test_caps_the_part_at_what_twilio_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMS_TEXT_CHUNK_LIMIT", "9999")
        assert accounts.choose(None).text_chunk_limit == 1600

    def test_gives_every_kind_of_signing_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TWILIO_SECONDARY_AUTH_TOKEN", "next")
        monkeypatch.setenv("TWILIO_WEBHOOK_SHARED_KEYS", "webhooks_sharedkey_1:s3cret, k2:other")
        keys = accounts.choose(None).signing_keys
        assert keys.auth_tokens == (TWILIO_VARIABLES["TWILIO_AUTH_TOKEN"], "next")
        assert keys.shared_keys == {"webhooks_sharedkey_1": "s3cret", "k2": "other"}

    def test_never_shows_a_secret_in_a_repr(self) -> None:
        shown = repr(accounts.load()) + repr(sources.account_environment())
        assert TWILIO_VARIABLES["TWILIO_AUTH_TOKEN"] not in shown

    def test_beside_the_sandbox_is_refused(self, settings: Settings) -> None:
        settings.SMS_SANDBOX = {"account_sid": ACCOUNT_SID}
        with pytest.raises(ConfigurationError, match="sandbox off"):
            accounts.load()


def test_nothing_set_is_no_account_and_no_phantom() -> None:
    assert accounts.load().by_id == {}
    with pytest.raises(NoAccount, match="TWILIO_ACCOUNT_SID"):
        accounts.choose(None)


# Account SID, auth token, from number, Messaging Service: "configured", by the reference channel.
CREDENTIALS = ("account_sid", "auth_token", "from_number", "messaging_service_sid")
TRUTH = {
    # sid    token  number service
    (False, False, False, False): False,
    (True, False, False, False): False,
    (False, True, False, False): False,
    (False, False, True, False): False,
    (False, False, False, True): False,
    (True, True, False, False): False,
    (True, False, True, False): False,
    (True, False, False, True): False,
    (False, True, True, False): False,
    (False, True, False, True): False,
    (False, False, True, True): False,
    (True, True, True, False): True,
    (True, True, False, True): True,
    (True, False, True, True): False,
    (False, True, True, True): False,
    (True, True, True, True): True,
}
VALUES = (ACCOUNT_SID, "t", "+15550008888", "MG" + "0" * 32)
VARIABLES = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_PHONE_NUMBER", "TWILIO_MESSAGING_SERVICE_SID")


@pytest.mark.parametrize(("given", "configured"), TRUTH.items())
@pytest.mark.parametrize("source", ["account", "channel", "environment", "half and half"])
def test_what_counts_as_configured(
    given: tuple[bool, ...], configured: bool, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the values come from, and without a webhook URL."""
    values = dict(zip(CREDENTIALS, VALUES, strict=True))
    said = {name: values[name] for name, is_given in zip(CREDENTIALS, given, strict=True) if is_given}
    if source == "environment":
        for name, variable in zip(CREDENTIALS, VARIABLES, strict=True):
            monkeypatch.setenv(variable, said.get(name, " "))
        said = {}
    in_channel = said if source == "channel" else dict(list(said.items())[:1]) if source == "half and half" else {}
    ChannelSettings.objects.create(pk=1, **in_channel)
    SmsAccount.objects.create(
        account_id="default", **{name: value for name, value in said.items() if name not in in_channel}
    )
    account = accounts.choose("default")
    assert account.configured is configured
    assert not account.serves_webhook, "there is no public webhook URL"


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("column", ["account_sid", "auth_token", "from_number"])
def test_a_blank_value_shadows_what_is_below_it(column: str, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TWILIO_VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert accounts.choose(None).configured
    ChannelSettings.objects.create(pk=1, **{column: blank})
    assert not accounts.choose(None).configured


class TestTheDefaultAccount:
    @pytest.fixture
    def variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in TWILIO_VARIABLES.items():
            monkeypatch.setenv(name, value)

    def test_is_the_one_that_the_channel_names(self) -> None:
        ChannelSettings.objects.create(pk=1, default_account="support")
        for account_id in ("a", "default", "support"):
            named(account_id, webhook_path=f"/{account_id}")
        assert accounts.choose(None).id == "support"

    @pytest.mark.parametrize(("ids", "chosen"), [(("a", "default"), "default"), (("b", "c"), "b")])
    def test_is_default_or_the_first_when_the_channel_names_nobody_or_one_who_is_not_there(
        self, ids: tuple[str, ...], chosen: str
    ) -> None:
        for account_id in ids:
            named(account_id, webhook_path=f"/{account_id}")
        assert accounts.choose(None).id == chosen
        ChannelSettings.objects.create(pk=1, default_account="nobody")
        assert accounts.choose(None).id == chosen

    def test_gets_the_environment_whatever_it_is_called(self, variables: None) -> None:
        ChannelSettings.objects.create(pk=1, default_account=" Support ")
        SmsAccount.objects.create(account_id="support")
        known = accounts.load()
        assert list(known.by_id) == ["support"], "and there is no phantom beside it"
        assert known.by_id["support"].from_number == OUR_NUMBER

    def test_leaves_the_environment_to_default_where_there_is_no_such_account(self, variables: None) -> None:
        ChannelSettings.objects.create(pk=1, default_account="support")
        assert accounts.choose(None).from_number == OUR_NUMBER
        assert accounts.choose(None).id == "default"

    def test_is_there_as_soon_as_the_channel_has_credentials(self) -> None:
        ChannelSettings.objects.create(pk=1, account_sid=ACCOUNT_SID)
        assert list(accounts.load().by_id) == ["default"]
        ChannelSettings.objects.update(account_sid=None)
        assert list(accounts.load().by_id) == []

    def test_inherits_from_the_channel_as_every_account_does(self) -> None:
        ChannelSettings.objects.create(pk=1, auth_token="t", allow_from=[ALICE, BOB], dm_policy="allowlist")
        SmsAccount.objects.create(account_id="support", allow_from=[BOB])
        account = accounts.choose("support")
        assert (account.auth_token, account.dm_policy) == ("t", DmPolicy.ALLOWLIST)
        assert account.allow_from == {BOB}, "a list replaces the other list"


def test_the_channel_switches_every_account_off() -> None:
    ChannelSettings.objects.create(pk=1, enabled=False)
    named("a", enabled=True)
    assert not accounts.choose("a").enabled
    assert not accounts.load().by_path


@pytest.mark.parametrize(("channel", "environment", "disabled"), [
    (None, "", False), (False, "", False), (True, "", True), (None, "true", True), (False, "true", True),
    (False, "TRUE", False), (True, "false", True),
])  # fmt: skip
def test_validation_is_disabled_by_either(
    channel: bool | None, environment: str, disabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", environment)
    ChannelSettings.objects.create(pk=1, dangerously_disable_signature_validation=channel)
    named("default")
    assert accounts.choose("default").validation_disabled is disabled


def test_an_account_that_nobody_declares_any_more_is_not_there() -> None:
    named("support", declared=False)
    assert accounts.load().by_id == {}


def test_an_account_is_found_by_any_spelling_of_its_id() -> None:
    named("support-team")
    assert accounts.choose(" Support  TEAM ").id == "support-team"
    with pytest.raises(NoAccount, match="support-team"):
        accounts.choose("sales")


def test_two_accounts_cannot_have_one_path() -> None:
    named("a")
    named("b", webhook_path="webhooks/sms/")
    known = accounts.load()
    assert known.by_path["/webhooks/sms"].id == "a"
    assert known.conflicts == ("Account b: webhookPath /webhooks/sms belongs to a.",)


@pytest.mark.parametrize("path", ["/admin", "/admin/x", "api/v1", "/healthz"])
def test_no_account_can_take_the_gateways_own_paths(path: str) -> None:
    named("a", webhook_path=path)
    known = accounts.load()
    assert not known.by_path
    assert "belongs to the gateway" in known.conflicts[0]


def test_a_path_that_only_looks_like_ours_is_free() -> None:
    named("a", webhook_path="/administrivia")
    assert "/administrivia" in accounts.load().by_path


def test_a_disabled_account_serves_nothing() -> None:
    named("a", enabled=False)
    assert not accounts.load().by_path


def test_console_senders_count_as_listed_and_paired_ones_do_not() -> None:
    row = named("a")
    AllowedSender.objects.create(account=row, number=ALICE, source=SenderSource.CONSOLE)
    AllowedSender.objects.create(account=row, number=BOB, source=SenderSource.PAIRING)
    assert accounts.choose("a").allow_from == {ALICE}


def test_a_change_is_seen_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    named("a")
    assert set(accounts.current().by_id) == {"a"}
    named("b", webhook_path="/b")
    assert set(accounts.current().by_id) == {"a"}
    later = time.monotonic() + accounts.FRESH_FOR.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert set(accounts.current().by_id) == {"a", "b"}


def test_the_public_url_is_kept_byte_for_byte() -> None:
    named("a", public_webhook_url=PUBLIC_URL + "?x=%27#rc=2")
    assert accounts.choose("a").public_webhook_url == PUBLIC_URL + "?x=%27#rc=2"


def test_settings_that_break_while_running_leave_what_was_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=accounts.__name__)
    named("a")
    before = accounts.current()
    monkeypatch.setenv("SMS_TEXT_CHUNK_LIMIT", "0")
    for _ in range(3):
        accounts._cache._stale_at = 0.0
        assert accounts.current() is before
    monkeypatch.delenv("SMS_TEXT_CHUNK_LIMIT")
    accounts._cache._stale_at = 0.0
    assert accounts.current() is not before
    assert [message.split()[0] for message in caplog.messages] == ["accounts.not_reloaded", "accounts.reloaded"]
