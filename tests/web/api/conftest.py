"""A program at the API: a token, and requests as an HTTP client makes them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import tokens
from openclaw_sms.access.audit import GATEWAY
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import queue
from openclaw_sms.models import AllowedSender, SenderSource, SmsAccount
from tests.support import cast

DAVE = "+15550004444"


@dataclass(frozen=True)
class Told:
    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> dict[str, str]:
        assert set(self.body) == {"error"}, self.body
        error: dict[str, str] = self.body["error"]
        return error


@dataclass(frozen=True)
class Program:
    """Somebody with a token."""

    token: str

    def get(self, path: str, **query: str) -> Told:
        return self.asks("GET", path, query=query)

    def post(self, path: str, body: object = None, **headers: str) -> Told:
        return self.asks("POST", path, body=body, headers=headers)

    def delete(self, path: str) -> Told:
        return self.asks("DELETE", path)

    def asks(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Told:
        answer = Client(raise_request_exception=False).generic(
            method,
            f"/api/v1/{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            query_params=query,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
        )
        content = answer.content.decode()
        return Told(answer.status_code, json.loads(content) if content else None, answer.headers)


Enter = Callable[..., Program]


@pytest.fixture(autouse=True)
def hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works here: what a request leaves in the outbox stays there."""
    monkeypatch.setattr(queue, "look_at_inbound", lambda pk: None)
    monkeypatch.setattr(queue, "look_at_outbox", lambda pk: None)


@pytest.fixture
def program(account: Account) -> Enter:
    """`program("send", "read")`: a program with these scopes; `account=` restricts it."""
    numbers = iter(range(1000))

    def enter(*scopes: str, account: Account | SmsAccount | None = None, name: str = "") -> Program:
        made = tokens.create(
            name or f"program-{next(numbers)}",
            set(scopes),
            actor=GATEWAY,
            now=timezone.now(),
            account_pk=account.pk if account else None,
        )
        return Program(made.plain)

    return enter


@pytest.fixture
def alice(account: Account) -> str:
    """Alice's number; she is paired."""
    AllowedSender.objects.create(account_id=account.pk, number=cast.ALICE, source=SenderSource.PAIRING)
    return cast.ALICE


@pytest.fixture
def second(account: Account) -> Account:
    """Another account, on which Dave is paired."""
    row = SmsAccount.objects.create(
        account_id="second",
        account_sid="AC" + "2" * 32,
        auth_token="another token",
        from_number="+15550008888",
        webhook_path="/webhooks/second",
        default_to=DAVE,
    )
    AllowedSender.objects.create(account=row, number=DAVE, source=SenderSource.PAIRING)
    accounts.forget()
    return accounts.choose("second")


@pytest.fixture
def throttle(settings: Settings) -> Callable[[int], None]:
    def at(limit: int) -> None:
        settings.SMS_API_PER_MINUTE = limit

    return at
