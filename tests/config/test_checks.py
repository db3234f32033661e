"""System checks: each finding has its id and its hint, and nothing sane draws one."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import INFO, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config import checks
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import DmPolicy, SmsAccount, StoredSecret
from tests.conftest import TWILIO_VARIABLES
from tests.support import cast

SOUND: dict[str, Any] = {
    "pk": 1,
    "id": "support",
    "account_sid": cast.ACCOUNT_SID,
    "auth_token": "t",
    "from_number": cast.OUR_NUMBER,
    "public_webhook_url": "https://gateway.example.com/webhooks/sms",
}


def ids(messages: list[Any]) -> set[str]:
    return {message.id.removeprefix("openclaw_sms.") for message in messages}


def found(**changes: Any) -> set[str]:
    return ids(checks.of_account(Account(**{**SOUND, **changes})))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"public_webhook_url": "https://gateway.example.com/webhooks/sms/?x=1#rc=2"},
        {"dm_policy": DmPolicy.ALLOWLIST, "allow_from": frozenset({cast.ALICE})},
        {"dm_policy": DmPolicy.DISABLED, "allow_from": frozenset({"*"})},
        {"id": "sandbox", "public_webhook_url": "http://127.0.0.1:8000/webhooks/sms"},
        {"enabled": False, "validation_disabled": True, "public_webhook_url": "http://localhost/"},
    ],
)
def test_a_sound_account_draws_nothing(changes: dict[str, Any]) -> None:
    assert found(**changes) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"validation_disabled": True}, {"W001"}),
        ({"dm_policy": DmPolicy.ALLOWLIST}, {"W002"}),
        ({"dm_policy": DmPolicy.OPEN, "allow_from": frozenset({"*"})}, {"W003"}),
        ({"dm_policy": DmPolicy.OPEN, "allow_from": frozenset({cast.ALICE})}, {"W004"}),
        ({"allow_from": frozenset({"*"})}, {"W005"}),
        ({"dm_policy": DmPolicy.ALLOWLIST, "allow_from": frozenset({"*"})}, {"W005"}),
        ({"public_webhook_url": "https://192.168.1.4/webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "https://10.0.0.1/webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "https://gateway/webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "https://my_host.example.com/webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "https://u:p@gateway.example.com/webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "https:///webhooks/sms"}, {"W006"}),
        ({"public_webhook_url": "http://gateway.example.com/webhooks/sms"}, {"W007"}),
        ({"public_webhook_url": "http://localhost/webhooks/sms"}, {"W006", "W007"}),
        ({"public_webhook_url": "https://gateway.example.com/sms"}, {"W008"}),
        ({"public_webhook_url": ""}, {"W009"}),
        ({"unavailable": "authToken: env:default:X is not set."}, {"W011"}),
        ({"auth_token": ""}, {"W012"}),
    ],
)
def test_each_danger_has_its_id(changes: dict[str, Any], expected: set[str]) -> None:
    assert found(**changes) == expected


def test_unsigned_posts_are_for_debugging(settings: Settings) -> None:
    settings.DEBUG = True
    assert found(validation_disabled=True) == set()


def test_no_message_shows_a_secret_or_a_number() -> None:
    account = Account(**{**SOUND, "public_webhook_url": "https://u:hush@h/x?token=hush", "auth_token": "hush"})
    shown = repr([(message.msg, message.hint) for message in checks.of_account(account)])
    assert "hush" not in shown
    assert cast.OUR_NUMBER not in shown


def test_ids_are_distinct_and_have_hints() -> None:
    assert len({kind.id for kind in checks.KINDS}) == len(checks.KINDS)
    assert all(kind.hint.endswith(".") for kind in checks.KINDS)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def production(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.SMS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        for name, value in TWILIO_VARIABLES.items():
            monkeypatch.setenv(name, value)

    def test_is_clean_with_a_sane_environment(self) -> None:
        assert ids(run_checks(tags=["openclaw_sms"])) == set()

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", "true", {"W001"}),
            ("SMS_ALLOWED_USERS", "*", {"W005"}),
            ("SMS_PUBLIC_WEBHOOK_URL", "http://localhost:8000/webhooks/sms", {"W006", "W007"}),
            ("SMS_WEBHOOK_PATH", "/elsewhere", {"W008"}),
            ("SMS_TEXT_CHUNK_LIMIT", "0", {"E003"}),
        ],
    )
    def test_shows_what_the_environment_tells(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: set[str]
    ) -> None:
        monkeypatch.setenv(name, value)
        assert ids(run_checks(tags=["openclaw_sms"])) == expected

    def test_advises_keys_to_who_deploys_outside_of_debugging(self, settings: Settings) -> None:
        settings.SMS_ENCRYPTION_KEYS = []
        (message,) = run_checks(tags=["openclaw_sms"], include_deployment_checks=True)
        assert (message.id, message.level) == ("openclaw_sms.I001", INFO)
        assert ids(run_checks(tags=["openclaw_sms"])) == set()
        settings.DEBUG = True
        assert ids(run_checks(tags=["openclaw_sms"], include_deployment_checks=True)) == set()

    def test_names_an_agents_token_that_cannot_be_had(self, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN_REF = "env:default:NO_SUCH_TOKEN"
        (message,) = run_checks(tags=["openclaw_sms"])
        assert (message.id, "env:default:NO_SUCH_TOKEN is not set" in message.msg) == ("openclaw_sms.W013", True)

    def test_asks_no_database_for_an_agents_token_unless_it_may(self, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN_REF = "store:default:NO_SUCH_TOKEN"
        assert run_checks(tags=["openclaw_sms"]) == []

    @pytest.mark.django_db
    @pytest.mark.parametrize("ref", ["env:default:NO_SUCH_TOKEN", "store:default:NO_SUCH_TOKEN"])
    def test_looks_everywhere_for_an_agents_token_when_it_may(self, settings: Settings, ref: str) -> None:
        settings.SMS_AGENT_TOKEN_REF = ref
        found = run_checks(tags=["openclaw_sms"], databases=["default"])
        assert "openclaw_sms.W013" in {message.id for message in found}

    @pytest.mark.django_db
    def test_looks_at_every_account_when_asked_for_the_database(self) -> None:
        url = "https://gateway.example.com/webhooks/sms"
        for account_id, path in (("a", None), ("b", None), ("c", "/admin/sms")):
            SmsAccount.objects.create(
                account_id=account_id,
                webhook_path=path,
                **{key: SOUND[key] for key in ("account_sid", "auth_token", "from_number")},
                public_webhook_url=url,
            )
        StoredSecret.objects.create(name="X", value="y", updated_at=timezone.now())
        assert ids(run_checks(tags=["openclaw_sms"])) == set()
        with pytest.raises(SystemCheckError) as failed:
            call_command("check", tags=["openclaw_sms"], databases=["default"], stderr=StringIO())
        said = str(failed.value)
        assert "(openclaw_sms.E001) Account b: webhookPath /webhooks/sms belongs to a." in said
        assert "(openclaw_sms.E002) Account c: webhookPath /admin/sms belongs to the gateway." in said
        assert "HINT: Give each account a webhookPath of its own." in said
