"""Fixtures for tests inside one process: a configured account, a pretend Twilio on loopback, and pretend phones."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.secrets import resolver
from openclaw_sms.diagnostics import refused_posts
from openclaw_sms.messaging import counters, queue, worker
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

TWILIO_VARIABLES = {
    "TWILIO_ACCOUNT_SID": cast.ACCOUNT_SID,
    "TWILIO_AUTH_TOKEN": cast.AUTH_TOKEN,
    "TWILIO_PHONE_NUMBER": cast.OUR_NUMBER,
    "SMS_PUBLIC_WEBHOOK_URL": cast.PUBLIC_URL,
}


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process keeps for a while must not leak from one test into the next."""
    monkeypatch.setattr(queue, "_away_until", 0.0)
    accounts.start_over()
    resolver.forget()
    counters.forget()
    refused_posts.forget()
    worker.agent.cache_clear()
    yield
    accounts.start_over()
    resolver.forget()
    worker.agent.cache_clear()


@pytest.fixture
def twilio(settings: Settings) -> Iterator[PretendTwilio]:
    with PretendTwilio(cast.ACCOUNT_SID, cast.AUTH_TOKEN, cast.OUR_NUMBER) as server:
        settings.TWILIO_API_BASE_URL = server.origin
        yield server


@pytest.fixture
def account(db: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The default account, configured by environment as the seed page does it."""
    for name, value in TWILIO_VARIABLES.items():
        monkeypatch.setenv(name, value)
    accounts.forget()
    return accounts.choose(None)


@pytest.fixture
def phone(account: Account) -> Callable[[str], Phone]:
    """A pretend phone for a number: `phone(cast.BOB).texts("hello")`."""
    return lambda number: Phone(number, account)
