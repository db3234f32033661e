"""`manage.py sandbox`, up to the moment it becomes the gateway."""

import json
import os
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from pytest_django.fixtures import Settings

from openclaw_sms.config.sources import IDENTIFYING_NAMES
from openclaw_sms.models import SmsAccount
from tests.support.loopback import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*IDENTIFYING_NAMES, "TWILIO_AUTH_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    settings.SMS_SANDBOX = None
    settings.SMS_SANDBOX_FILE = tmp_path / "sandbox.json"
    return tmp_path / "sandbox.json"


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the process was replaced with, each time."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: commands.append(arguments))
    return commands


def sandbox(*arguments: str) -> str:
    said = StringIO()
    call_command("sandbox", *arguments, stdout=said)
    return said.getvalue()


def password_in(file: Path) -> str:
    return str(json.loads(file.read_text())["password"])


def test_it_becomes_the_gateway_on_the_port_asked_for(file: Path, became: list[list[str]]) -> None:
    port = str(free_port())
    sandbox("--port", port)
    (command,) = became
    assert command[2:] == ["gateway", "--host", "127.0.0.1", "--port", port]
    assert Path(command[1]).name == "manage.py"


def test_it_writes_a_state_file_for_its_owner_only(file: Path, became: list[list[str]]) -> None:
    port = free_port()
    sandbox("--port", str(port))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["public_webhook_url"] == f"http://127.0.0.1:{port}/webhooks/sms"


def test_the_login_opens_the_console_and_stays_logged_in(file: Path, became: list[list[str]]) -> None:
    sandbox()
    browser = Client()
    assert browser.login(username="operator", password=password_in(file))
    sandbox("--port", "8124")
    assert browser.get("/admin/").status_code == 200
    assert Client().login(username="operator", password=password_in(file))


def test_the_login_may_do_everything(file: Path, became: list[list[str]]) -> None:
    sandbox()
    operator = get_user_model().objects.get(username="operator")
    assert operator.is_superuser
    assert operator.is_staff


def test_a_password_that_does_not_fit_is_set_again(file: Path, became: list[list[str]]) -> None:
    sandbox()
    operator = get_user_model().objects.get(username="operator")
    operator.set_password("another one")
    operator.save()
    sandbox()
    assert Client().login(username="operator", password=password_in(file))


@pytest.mark.parametrize("name", [*IDENTIFYING_NAMES, "TWILIO_AUTH_TOKEN_FILE"])
def test_it_refuses_beside_real_credentials(
    file: Path, became: list[list[str]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "set")
    with pytest.raises(CommandError, match="never runs beside real credentials"):
        sandbox()
    assert not file.exists()
    assert became == []


def test_it_refuses_beside_a_real_account_of_the_console(file: Path, became: list[list[str]]) -> None:
    SmsAccount.objects.create(
        account_id="support", account_sid="AC" + "1" * 32, auth_token="a real token", from_number="+15550009999"
    )
    with pytest.raises(CommandError, match="The account support has Twilio credentials") as refused:
        sandbox()
    assert "a real token" not in str(refused.value)
    assert not file.exists()
    assert became == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "gateway.example.com"])
def test_it_serves_this_machine_only(file: Path, became: list[list[str]], host: str) -> None:
    with pytest.raises(CommandError, match="--host"):
        sandbox("--host", host)
    assert not file.exists()


def test_off_removes_the_file_and_says_so(file: Path, became: list[list[str]]) -> None:
    sandbox()
    assert "The sandbox is off." in sandbox("off")
    assert not file.exists()


def test_off_twice_is_no_error(file: Path) -> None:
    assert "off already" in sandbox("off")
