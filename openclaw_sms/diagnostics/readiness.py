"""May this gateway be sent texts? Database, migrations, a living worker, and nothing that has waited too long."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openclaw_sms.diagnostics import help as help_pages
from openclaw_sms.diagnostics import machine
from openclaw_sms.diagnostics.findings import Finding


@dataclass(frozen=True, slots=True)
class Readiness:
    """One finding for each check that failed, by the check's name; None for one that held or was not reached."""

    checks: Mapping[str, Finding | None]

    @property
    def ready(self) -> bool:
        return not any(self.checks.values())

    def as_json(self) -> Mapping[str, Any]:
        failed = {name: finding for name, finding in self.checks.items() if finding is not None}
        return {
            "ready": self.ready,
            "checks": {name: "failed" if name in failed else "ok" for name in self.checks},
            "reasons": [
                {
                    "check": name,
                    "code": str(finding.code),
                    "reason": finding.cause,
                    "evidence": finding.evidence,
                    "help": help_pages.address(finding.code),
                }
                for name, finding in failed.items()
            ],
        }


class _Migrations:
    """Whether the database fits the code. Once it does it does for this process's life: the code does not change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fits = False

    def __call__(self, now: datetime) -> Iterator[Finding]:
        with self._lock:
            found = [] if self._fits else list(machine.migrations(now))
            self._fits = not found
        yield from found


_migrations = _Migrations()
CHECKS: Mapping[str, Callable[[datetime], Iterator[Finding]]] = {
    "database": machine.database,
    "migrations": _migrations,
    "worker": machine.worker,
    "queue": machine.texts,
}


def look(now: datetime) -> Readiness:
    """The checks in order; the first that fails may make the rest impossible, and ends the list."""
    results: dict[str, Finding | None] = {}
    for name, check in CHECKS.items():
        results[name] = next(check(now), None)
        if results[name] is not None and name in ("database", "migrations"):
            break
    return Readiness(results)
