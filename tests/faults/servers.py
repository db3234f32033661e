"""A PostgreSQL and a Redis of the test's own, to be stopped, killed and frozen. The machine's are left alone."""

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.loopback import free_port
from tests.support.services import (
    ServiceMissing,
    _postgres_answers,
    _postgres_programs,
    _redis_answers,
    _run,
    _unprivileged_user,
    _wait,
)


class OwnPostgres:
    """A cluster in a temporary directory. `url` names its `postgres` database."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="sms-faults-postgres-"))
        user = _unprivileged_user()
        if user is not None:
            shutil.chown(self._directory, user)
        self._as_user = [] if user is None else ["runuser", "-u", user, "--"]
        self._programs = _postgres_programs()
        self._data = self._directory / "data"
        initdb = str(self._programs / "initdb")
        _run(*self._as_user, initdb, "-D", str(self._data), "-U", "postgres", "--auth=trust", "--no-sync")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        options = f"-p {self.port} -k {self._directory} -c listen_addresses=127.0.0.1"
        log = str(self._directory / "log")
        self._control("-o", options, "-l", log, "-w", "start")
        _wait(lambda: _postgres_answers(self.url), "it started and does not answer")

    def stop(self) -> None:
        """At once, with every connection; like a crash, it replays its log at the next start."""
        if (self._data / "postmaster.pid").exists():
            self._control("-m", "immediate", "-w", "stop")

    def _control(self, *words: str) -> None:
        _run(*self._as_user, str(self._programs / "pg_ctl"), "-D", str(self._data), *words)


class OwnRedis:
    """A server that keeps nothing on the disk: killing it is losing what is in it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._directory = tempfile.mkdtemp(prefix="sms-faults-redis-")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceMissing("no redis-server")
        command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._directory, "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(lambda: _redis_answers(self.url), "it started and does not answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)
