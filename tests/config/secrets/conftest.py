"""Providers as a document would define them."""

from collections.abc import Callable
from typing import Any

import pytest

from openclaw_sms.config import providers as defined
from openclaw_sms.config.secrets import resolver

Define = Callable[..., None]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Define:
    """`providers(vault={"source": "exec", …})` replaces `secrets.providers`."""

    def define(**definitions: dict[str, Any]) -> None:
        monkeypatch.setattr(defined, "stored", lambda: definitions)
        resolver.forget()

    return define
