"""An installation of one or many processes, each of which can be started, killed and frozen on its own."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pytest
from _pytest.mark import ParameterSet

from tests.faults.books import Books
from tests.support.gateway import FakePhone, Gateway, execute, relax_limits
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio

# Several processes with sixteen each would use up a PostgreSQL of a hundred connections.
FEW_THREADS = {"SMS_WORKER_THREADS": "4", "SMS_WEB_THREADS": "4"}
WITH_FAULTS = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
Role = Literal["gateway", "web", "worker"]


class Installation:
    """One gateway; or, with `webs` and `workers`, so many processes, each as if on a machine of its own."""

    def __init__(
        self,
        twilio: PretendTwilio,
        agent: PretendAgent,
        data_dir: Path,
        database_url: str,
        queue_url: str | None,
        also: dict[str, str],
        *,
        webs: int = 0,
        workers: int = 0,
    ) -> None:
        self.twilio, self.agent, self.data_dir = twilio, agent, data_dir
        self.database_url, self.queue_url, self.also = database_url, queue_url, also
        self.webs = [self.machine("web", f"web-{number}") for number in range(webs)]
        self.workers = [self.machine("worker", f"worker-{number}") for number in range(workers)]
        self.gateway = self.webs[0] if self.webs else self.machine("gateway", "gateway")
        self._doors: Iterator[Gateway] = cycle(self.webs or [self.gateway])

    @property
    def front(self) -> Gateway:
        """A process that serves the webhook, and whose commands can be run."""
        return self.gateway

    def __enter__(self) -> Self:
        if self.webs:
            migrated = self.front.manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
            relax_limits(self.database_url)
        for process in self.processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()

    @property
    def processes(self) -> list[Gateway]:
        return [*self.webs, *self.workers] if self.webs else [self.gateway, *self.workers]

    def machine(self, role: Role, name: str) -> Gateway:
        """A process with a data directory of its own: to the others it is another machine."""
        data_dir = self.data_dir / name
        data_dir.mkdir()
        return Gateway(
            self.twilio,
            self.agent,
            data_dir,
            self.database_url,
            self.queue_url,
            role=role,
            also={**WITH_FAULTS, **FEW_THREADS, **self.also},
            secret_key="the same key on every machine of an installation",
        )

    def phones(self, number: int) -> list[FakePhone]:
        """Phones that may talk; where there are several doors, each texts through the next.

        They are let in behind the product's back: pairing has journeys of its own, and takes seconds a phone.
        """
        numbers = [self.front.new_phone().number for _ in range(number)]
        for listed in numbers:
            self.rows(
                "INSERT INTO openclaw_sms_allowedsender (account_id, number, source, note, added_by, added_at) "
                f"SELECT id, '{listed}', 'pairing', '', 'test', CURRENT_TIMESTAMP FROM openclaw_sms_smsaccount"
            )
        return [FakePhone(next(self._doors), listed) for listed in numbers]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return execute(self.database_url, statement)

    def books(self) -> Books:
        return Books(self.front)


def order(gateway: Gateway, fault: str) -> None:
    """Have the next process of this gateway meet `fault`; "" for none."""
    gateway.also.pop("SMS_FAULT", None)
    if fault:
        gateway.also["SMS_FAULT"] = fault


def thorough(value: object) -> ParameterSet:
    """A parameter for the full programme only."""
    return pytest.param(value, marks=pytest.mark.thorough)
