"""Installations to do harm to: one machine, or several around one database."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.installation import Installation
from tests.journeys.conftest import OUR_NUMBER, _cannot_test
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio
from tests.support.services import ServiceMissing, free_redis_database, fresh_postgres_database, stop_started_services

Build = Callable[..., Installation]


@pytest.fixture(scope="session", autouse=True)
def started_services() -> Iterator[None]:
    yield
    stop_started_services()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Make installations of the module, on engines by name or by URL; all end with it."""
    with ExitStack() as stack:

        def one(engines: str | tuple[str, str], *, webs: int = 0, workers: int = 0, **also: str) -> Installation:
            data_dir = tmp_path_factory.mktemp("installation")
            try:
                urls = engines_of(engines, data_dir, stack) if isinstance(engines, str) else engines
            except ServiceMissing as reason:
                _cannot_test(str(engines), reason)
            twilio = PretendTwilio(f"AC{secrets.token_hex(16)}", secrets.token_hex(16), OUR_NUMBER)
            stack.enter_context(twilio)
            agent = stack.enter_context(PretendAgent(token=secrets.token_urlsafe(24)))
            made = Installation(twilio, agent, data_dir, *urls, also, webs=webs, workers=workers)
            return stack.enter_context(made)

        yield one


def engines_of(name: str, data_dir: Path, stack: ExitStack) -> tuple[str, str | None]:
    """The URLs of `sqlite`, `postgres/redis` or `postgres/postgres`."""
    if name == "sqlite":
        return f"sqlite:///{data_dir / 'db.sqlite3'}", None
    database = stack.enter_context(fresh_postgres_database())
    if name == "postgres/postgres":
        return database, database
    return database, stack.enter_context(free_redis_database())
