"""A sandbox on a running server, with a data directory of its own."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Store
from tests.sandbox.webhook import Webhook

TurnOn = Callable[[str], Sandbox]


@pytest.fixture
def turn_on(tmp_path: Path) -> Iterator[TurnOn]:
    """Turn the sandbox on for a gateway at this address."""
    overrides = []

    def on(address: str) -> Sandbox:
        sandbox = Sandbox(address, f"AC{secrets.token_hex(16)}", secrets.token_hex(16), password="a-b-c")
        override = override_settings(
            ROOT_URLCONF="tests.sandbox.urls", SMS_SANDBOX=sandbox.as_settings(), DATA_DIR=tmp_path
        )
        override.enable()
        overrides.append(override)
        return sandbox

    yield on
    for override in reversed(overrides):
        override.disable()


@pytest.fixture
def sandbox(turn_on: TurnOn, live_server: LiveServer) -> Sandbox:
    """The sandbox, its API and pages served at its address."""
    return turn_on(live_server.url)


@pytest.fixture
def texts(tmp_path: Path) -> Store:
    """The pretend Twilio's texts."""
    return Store(tmp_path / "sandbox.sqlite3")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server
