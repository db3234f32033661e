"""A real sandbox, started by its own command, and Debian's Chromium to look at it with."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.loopback import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT = 60.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox in a process of its own. `lines` are the three it printed."""

    address: str
    lines: list[str]
    environment: dict[str, str]

    @property
    def login(self) -> tuple[str, str]:
        found = re.search(r"log in as (\S+) with the password ([^)\s]+)", self.lines[1])
        assert found is not None, self.lines
        return found[1], found[2]

    def manage(self, *words: str) -> str:
        """Run a command beside the sandbox, as in a second terminal."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    with running_sandbox(tmp_path) as running:
        yield running


@contextmanager
def running_sandbox(folder: Path, **variables: str) -> Iterator[RunningSandbox]:
    """A sandbox with its state in `folder`, started by its own command and stopped at the end."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {"SMS_DATA_DIR": str(folder), **variables}
    port = free_port()
    said, logged = folder / "stdout", folder / "stderr"
    with said.open("w") as out, logged.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "sandbox", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield RunningSandbox(f"http://127.0.0.1:{port}", _three_lines(process, said, logged), environment)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _three_lines(process: "subprocess.Popen[bytes]", said: Path, logged: Path) -> list[str]:
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        lines = said.read_text().splitlines()
        if len(lines) >= 3:
            return lines
        time.sleep(0.1)
    pytest.fail(f"the sandbox did not get ready:\n{logged.read_text()}")


def chromium() -> str | None:
    return shutil.which("chromium")


# Not for the session: its event loop would still be there when the next file's tests use the database.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        message = "NO BROWSER: install Debian's chromium to run tests/browser"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desk", "phone"])
def page(browser: Browser, sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must not ask any other host for anything, nor run into an error of its own."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    asked: list[str] = []
    errors: list[str] = []
    opened = context.new_page()
    context.on("request", lambda sent: asked.append(sent.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield opened
    context.close()
    elsewhere = [url for url in asked if not url.startswith((sandbox.address, "data:", "blob:"))]
    assert elsewhere == []
    assert errors == []
