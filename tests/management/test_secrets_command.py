"""`manage.py secrets`: values go in by stdin and never come out."""

import io
import json
import sys
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from openclaw_sms.agents.base import AgentError
from openclaw_sms.config import accounts
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.reference import SecretRef, Source
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import worker
from openclaw_sms.models import AuditEvent, ChannelSettings, SmsAccount, StoredSecret

pytestmark = pytest.mark.django_db

VALUE = "a-value-that-is-never-shown-3141"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, f"{VALUE}\n".encode())


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def run(*words: str) -> str:
    """What it prints, on both streams; the value is never in it."""
    out = StringIO()
    call_command("secrets", *words, stdout=out, stderr=out)
    assert VALUE not in out.getvalue()
    return out.getvalue()


def test_set_stores_and_replaces(typed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("set", "MY_TOKEN") == "Stored MY_TOKEN. Refer to it as store:default:MY_TOKEN.\n"
    assert resolver.resolve(SecretRef(Source.STORE, "default", "MY_TOKEN")) == VALUE
    pipe(monkeypatch, b"another")
    assert run("set", "MY_TOKEN").startswith("Replaced MY_TOKEN.")
    assert resolver.resolve(SecretRef(Source.STORE, "default", "MY_TOKEN")) == "another"
    assert [event.action for event in AuditEvent.objects.all()] == ["secret.stored"] * 2
    assert VALUE not in str(AuditEvent.objects.values())


def test_set_asks_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: VALUE)
    run("set", "MY_TOKEN")
    assert StoredSecret.objects.get().value == VALUE


def test_a_key_of_several_lines_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"-----BEGIN-----\nab\n-----END-----\n")
    run("set", "KEY")
    assert StoredSecret.objects.get().value == "-----BEGIN-----\nab\n-----END-----"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "was given no value"),
        (b" \n", "was given no value"),
        (b"x" * 65_537, "is too long"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a\0b", "holds control characters"),
    ],
)
def test_a_bad_value_is_refused_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    pipe(monkeypatch, content)
    with pytest.raises(CommandError, match=words):
        run("set", "MY_TOKEN")
    assert not StoredSecret.objects.exists()


@pytest.mark.parametrize("action", ["set", "remove"])
def test_a_bad_name_is_refused(typed: None, action: str) -> None:
    with pytest.raises(CommandError, match="A secret's name is a capital letter"):
        run(action, "my-token")


def test_list_names_dates_and_users(typed: None, settings: Settings) -> None:
    assert run("list") == "No secret is stored.\n"
    run("set", "MY_TOKEN")
    assert "used by nobody" in run("list")
    ref = {"source": "store", "provider": "default", "id": "MY_TOKEN"}
    SmsAccount.objects.create(account_id="support", auth_token_ref=ref)
    ChannelSettings.objects.create(id=1, auth_token_ref=ref)
    settings.SMS_AGENT_TOKEN_REF = "store:default:MY_TOKEN"
    (listed,) = json.loads(run("list", "--json"))
    assert listed["name"] == "MY_TOKEN"
    assert set(listed) == {"name", "createdAt", "updatedAt", "usedBy"}
    assert listed["usedBy"] == [
        "channels.sms.authToken",
        "channels.sms.accounts.support.authToken",
        "SMS_AGENT_TOKEN_REF",
    ]


def test_list_and_remove_need_no_key(typed: None, settings: Settings) -> None:
    run("set", "MY_TOKEN")
    settings.SECRET_KEY = "another"
    assert "MY_TOKEN" in run("list")
    assert run("remove", "MY_TOKEN") == "Removed MY_TOKEN.\n"


def test_remove_says_what_rests_from_now_on(typed: None) -> None:
    run("set", "MY_TOKEN")
    SmsAccount.objects.create(
        account_id="a", auth_token_ref={"source": "store", "provider": "default", "id": "MY_TOKEN"}
    )
    assert "Still referred to by channels.sms.accounts.a.authToken" in run("remove", "MY_TOKEN")
    assert "store:default:MY_TOKEN is not stored" in accounts.choose("a").unavailable
    with pytest.raises(CommandError, match="No secret is stored as MY_TOKEN"):
        run("remove", "MY_TOKEN")


def test_rotate_reports_counts_and_names_what_it_cannot_read(typed: None, settings: Settings) -> None:
    run("set", "MY_TOKEN")
    settings.SMS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    said = run("rotate")
    assert "stored secret: 1 rotated, 0 under the first key already" in said
    assert "1 rotated." in said
    settings.SMS_ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="stored secret MY_TOKEN, value"):
        run("rotate")


class TestTheAgentsToken:
    def test_is_looked_up_for_each_request(self, typed: None, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN_REF = "store:default:AGENT"
        source = worker._token_source()
        assert source is not None
        with pytest.raises(AgentError, match="SMS_AGENT_TOKEN_REF: store:default:AGENT is not stored") as failed:
            source()
        assert (failed.value.code, failed.value.retryable) == ("agent_token_unavailable", True)
        run("set", "AGENT")
        assert source() == VALUE

    def test_is_given_once(self, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN, settings.SMS_AGENT_TOKEN_REF = "x", "store:default:AGENT"
        with pytest.raises(ConfigurationError, match="both set"):
            worker.agent()

    def test_is_named_in_one_line(self, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN_REF = "AGENT"
        with pytest.raises(ConfigurationError, match="SMS_AGENT_TOKEN_REF: A secret reference in one line"):
            worker.agent()
