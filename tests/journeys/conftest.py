"""One running gateway for each pair of engines, shared by all journeys, and the people who text it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.gateway import FakePhone, Gateway
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio
from tests.support.services import (
    ServiceMissing,
    free_redis_database,
    fresh_postgres_database,
    stop_started_services,
)

OUR_NUMBER = "+15550009999"
ENGINES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgres", id="postgres-redis", marks=[pytest.mark.postgres, pytest.mark.redis]),
]


@pytest.fixture(scope="session", autouse=True)
def started_services() -> Iterator[None]:
    """Nothing that was started for the journeys outlives them."""
    yield
    stop_started_services()


@pytest.fixture(scope="session", params=ENGINES)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a pretend Twilio and a pretend agent, on SQLite alone or on PostgreSQL and Redis."""
    data_dir: Path = tmp_path_factory.mktemp(f"gateway-{request.param}")
    with ExitStack() as stack:
        try:
            database_url, queue_url = _engines(request.param, data_dir, stack)
        except ServiceMissing as reason:
            _cannot_test(request.param, reason)
        account_sid, auth_token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
        twilio = stack.enter_context(PretendTwilio(account_sid, auth_token, OUR_NUMBER))
        agent = stack.enter_context(PretendAgent(token=secrets.token_urlsafe(24)))
        running = stack.enter_context(Gateway(twilio, agent, data_dir, database_url, queue_url))
        _send_as_a_short_code_does(running)
        yield running


def _send_as_a_short_code_does(gateway: Gateway) -> None:
    """All journeys share one number: at a long code's rate each would wait for the segments of those before.

    The rate itself has journeys of its own.
    """
    faster = "from openclaw_sms.models import SmsAccount; SmsAccount.objects.update(segments_per_second=100)"
    set_rate = gateway.manage("shell", "-c", faster)
    assert set_rate.returncode == 0, set_rate.stderr


def _engines(name: str, data_dir: Path, stack: ExitStack) -> tuple[str, str | None]:
    """The database and the queue; `None` is the queue that a gateway chooses when nobody says."""
    if name == "sqlite":
        return f"sqlite:///{data_dir / 'db.sqlite3'}", None
    return stack.enter_context(fresh_postgres_database()), stack.enter_context(free_redis_database())


def _cannot_test(name: str, reason: ServiceMissing) -> NoReturn:
    message = f"THE JOURNEYS DID NOT RUN ON {name.upper()}: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def twilio(gateway: Gateway) -> Iterator[PretendTwilio]:
    """The pretend Twilio; faults that did not strike end with the test."""
    yield gateway.twilio
    gateway.twilio.behaves()


@pytest.fixture
def agent(gateway: Gateway) -> Iterator[PretendAgent]:
    """The pretend agent; it echoes again after the test."""
    yield gateway.agent
    gateway.agent.behaves()


@pytest.fixture(scope="session")
def paired_phones(gateway: Gateway) -> list[FakePhone]:
    """Two phones whose owners went through the pairing, once for all journeys."""
    return [gateway.new_phone().is_let_in() for _ in range(2)]


@pytest.fixture
def alice(paired_phones: list[FakePhone]) -> FakePhone:
    """Alice is paired."""
    return paired_phones[0].again()


@pytest.fixture
def carol(paired_phones: list[FakePhone]) -> FakePhone:
    """Carol is paired too."""
    return paired_phones[1].again()


@pytest.fixture
def bob(gateway: Gateway) -> Iterator[FakePhone]:
    """Bob is a stranger, with a new number each time; no request of his stays behind."""
    yield gateway.new_phone()
    gateway.dismiss_waiting()


@pytest.fixture
def mallory(gateway: Gateway) -> FakePhone:
    """Mallory is a stranger too, and no post of hers should get as far as a pairing request."""
    return gateway.new_phone()
