"""The product from outside: started by its own command, spoken to over HTTP and by its own commands.

Nothing of the product is imported here. A gateway sees only environment variables and lives in its own
process group, so that a journey can kill all of it at once and nothing besides. A `FakePhone` texts it the
way Twilio would pass a text on, and hears what the pretend Twilio was asked to send.
"""

import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit

import psycopg

from tests.support.loopback import Answer, free_port, send
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import Message, PretendTwilio, sign, webhook_headers

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLIC_URL = "https://gateway.example.com/webhooks/sms"
WEBHOOK_PATH = urlsplit(PUBLIC_URL).path
PUBLIC_HOST = urlsplit(PUBLIC_URL).netloc

START_LIMIT = 30.0  # seconds to migrate an empty database and serve, on a busy machine
STOP_LIMIT = 15.0  # seconds a gateway without work may take to stop
HEARING_LIMIT = 15.0  # seconds from a text to its answer: far above the usual, far below a person's patience
POLL = 0.05
# Limits that would slow a journey down, or stop it: they are for people, and have tests of their own.
GENEROUS = {"segments_per_second": 100, "inbound_per_minute": 10_000, "replies_per_hour": 10_000}
AGENT_TRIES = 3  # enough for an agent that is down twice, few enough to see them run out

WORKER_STARTED = "worker.started"
PAIRING_CODE = re.compile(r"\b[A-HJ-NP-Z2-9]{8}\b")


class GatewayError(AssertionError):
    """The gateway did not start or did not stop; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a form reaches the webhook; the defaults are what Twilio does through an honest proxy.

    The signature is always made over the public URL plus `query`, whatever `host` and `path` say.
    """

    path: str = WEBHOOK_PATH
    query: str = ""
    host: str = PUBLIC_HOST
    chunked: bool = False
    signature: Literal["good", "forged", "none"] = "good"


AS_TWILIO_DOES = Delivery()


@dataclass
class Gateway:
    """One gateway with its state in `data_dir`; use it as a context manager, which starts and stops it.

    As `web` or `worker` it is one process of a larger installation. `also` is told to it besides.
    """

    twilio: PretendTwilio
    agent: PretendAgent
    data_dir: Path
    database_url: str
    queue_url: str | None = None
    role: Literal["gateway", "web", "worker"] = "gateway"
    also: dict[str, str] = field(default_factory=dict)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    texted: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    relaxed: bool = False

    def __post_init__(self) -> None:
        self.port = free_port()
        self.log_path = self.data_dir / "gateway.log"
        if self.role != "worker":
            self.twilio.routes[PUBLIC_HOST] = self.address
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        """Everything the gateway has written so far, over all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """All that the product is told."""
        queue = {} if self.queue_url is None else {"SMS_QUEUE_URL": self.queue_url}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.data_dir),
            "TWILIO_ACCOUNT_SID": self.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio.auth_token,
            "TWILIO_PHONE_NUMBER": self.twilio.phone_number,
            "TWILIO_API_BASE_URL": self.twilio.origin,
            "SMS_PUBLIC_WEBHOOK_URL": PUBLIC_URL,
            "SMS_AGENT": "chat_completions",
            "SMS_AGENT_URL": self.agent.url,
            "SMS_AGENT_TOKEN": self.agent.token,
            "SMS_AGENT_TRIES": str(AGENT_TRIES),
            "SMS_DATA_DIR": str(self.data_dir),
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": self.secret_key,
            **queue,
            **self.also,
        }

    @property
    def command(self) -> list[str]:
        manage = [sys.executable, "manage.py"]
        return {
            "gateway": [*manage, "gateway", "--host", "127.0.0.1", "--port", str(self.port)],
            "web": [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{self.port}", "project.wsgi:application"],
            "worker": [*manage, "worker"],
        }[self.role]

    # Its life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it says that it is healthy."""
        self._relax()
        lives = self.log.count(WORKER_STARTED)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy(self._process, lives)
        except GatewayError:
            self.kill()
            raise

    def _relax(self) -> None:
        """Once, and before it serves: a limit that is changed while it runs takes effect seconds later."""
        if self.role != "gateway" or self.relaxed:
            return
        migrated = self.manage("migrate", "--verbosity", "0")
        assert migrated.returncode == 0, migrated.stderr
        relax_limits(self.database_url)
        self.relaxed = True

    def stop(self) -> bool:
        """Ask it to stop, and kill what is left of its group after a while; whether nothing was left."""
        process = self._process
        if process is None:
            return True
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT)
        stopped = not _group_exists(process.pid)
        self.kill()
        return stopped

    def kill(self) -> None:
        """`kill -9` every process of its group, at once."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_LIMIT)

    def signal(self, number: int) -> None:
        """Send every process of its group a signal."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ended(self, within: float) -> bool:
        """Whether it ended by itself in that time; then its group is cleared up and it can be started again."""
        process = self._process
        if process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(within)
            self.kill()
        return self._process is None

    def _wait_until_healthy(self, process: subprocess.Popen[bytes], lives: int) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise GatewayError(f"the gateway ended with status {process.returncode}\n{self.log_tail()}")
            if self.role == "worker" and self.log.count(WORKER_STARTED) > lives:
                return
            with suppress(OSError):
                if self.role != "worker" and send(self.address, "GET", "/healthz").status == 200:
                    return
            time.sleep(POLL)
        raise GatewayError(f"the gateway was not healthy after {START_LIMIT:.0f} s\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        return "\n".join(["--- the end of its log:", *self.log.splitlines()[-lines:]])

    # What can be done to it

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of its commands in the same environment, as the owner would in a second terminal."""
        ran = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if ran.returncode == 0:
            self.waiting -= {argument.upper() for argument in arguments[1:]}
        return ran

    def receives(self, form: bytes, delivery: Delivery = AS_TWILIO_DOES) -> Answer:
        """Post these octets to its webhook."""
        query = f"?{delivery.query}" if delivery.query else ""
        headers = webhook_headers(delivery.host, self._signature(form, query, delivery))
        target = delivery.path + query
        return send(self.address, "POST", target, body=form, headers=headers, chunked=delivery.chunked)

    def _signature(self, form: bytes, query: str, delivery: Delivery) -> str | None:
        if delivery.signature == "none":
            return None
        token = self.twilio.auth_token if delivery.signature == "good" else "a token Mallory made up"
        return sign(token, PUBLIC_URL + query, form)

    def pending(self) -> list[dict[str, Any]]:
        """The pairing requests that `pairing list` shows."""
        listed = self.manage("pairing", "list", "sms", "--json")
        assert listed.returncode == 0, listed.stderr
        requests: list[dict[str, Any]] = json.loads(listed.stdout)["requests"]
        return requests

    def dismiss_waiting(self) -> None:
        """Leave no pairing request behind: an account has room for three."""
        with ThreadPoolExecutor(2) as owners:
            list(owners.map(lambda code: self.manage("pairing", "dismiss", "sms", code), set(self.waiting)))

    def new_phone(self) -> "FakePhone":
        """A phone with a number that nobody has used."""
        number = f"+1555000{1111 + len(self.numbers)}"
        self.numbers.append(number)
        return FakePhone(self, number)


@dataclass
class FakePhone:
    """A phone: what it texts arrives as Twilio's webhook, what it hears was asked of Twilio's API."""

    gateway: Gateway
    number: str
    heard: int = 0

    def __post_init__(self) -> None:
        self.heard = len(self.gateway.twilio.messages_to(self.number))

    def again(self) -> "FakePhone":
        """The same phone, listening from now on."""
        return FakePhone(self.gateway, self.number)

    def form(
        self, body: str, *, sid: str | None = None, also: Sequence[tuple[str, str]] = (), **extra_form: str
    ) -> bytes:
        """Twilio's form for a text: `extra_form` replaces fields, `also` adds some, repeated ones too."""
        sid = sid or new_sid()
        twilio = self.gateway.twilio
        fields = {
            "ToCountry": "US",
            "ToState": "",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "FromCity": " San Francisco ",
            "Body": body,
            "To": twilio.phone_number,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": twilio.account_sid,
            "From": self.number,
            "ApiVersion": "2010-04-01",
        }
        return urlencode([*_replaced(fields, extra_form), *also]).encode()

    def texts(
        self,
        body: str,
        delivery: Delivery = AS_TWILIO_DOES,
        *,
        sid: str | None = None,
        also: Sequence[tuple[str, str]] = (),
        **extra_form: str,
    ) -> Answer:
        """Send a text, and give what the webhook answered Twilio."""
        self.gateway.texted.append(body)
        return self.gateway.receives(self.form(body, sid=sid, also=also, **extra_form), delivery)

    def hears(self, within: float = HEARING_LIMIT) -> Message:
        """Wait for the next text to this phone."""
        twilio, position = self.gateway.twilio, self.heard
        if not twilio.wait_until(lambda: len(twilio.messages_to(self.number)) > position, within):
            raise AssertionError(f"heard nothing within {within:g} s\n{self.gateway.log_tail()}")
        self.heard += 1
        return twilio.messages_to(self.number)[position]

    def unheard(self, within: float = 0.0) -> list[str]:
        """Texts beyond those heard: waits up to `within` seconds for one that should not come."""
        twilio = self.gateway.twilio
        twilio.wait_until(lambda: len(twilio.messages_to(self.number)) > self.heard, within)
        return [message.body for message in twilio.messages_to(self.number)[self.heard :]]

    def asks_to_be_let_in(self) -> str:
        """Text as a stranger, and give the code in the answer."""
        self.texts(unique("may I come in"))
        code = code_in(self.hears().body)
        self.gateway.waiting.add(code)
        return code

    def is_let_in(self) -> Self:
        """Go through the whole pairing."""
        approved = self.gateway.manage("pairing", "approve", "sms", self.asks_to_be_let_in())
        assert approved.returncode == 0, approved.stderr
        return self


def relax_limits(database_url: str) -> None:
    """Store generous limits for the whole channel: the one place where the processes under test are tuned."""
    columns = ", ".join(GENEROUS)
    values = ", ".join(str(value) for value in GENEROUS.values())
    changes = ", ".join(f"{name} = {value}" for name, value in GENEROUS.items())
    execute(
        database_url,
        f"INSERT INTO openclaw_sms_channelsettings (id, {columns}) VALUES (1, {values}) "
        f"ON CONFLICT (id) DO UPDATE SET {changes}",
    )


def execute(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement on a gateway's database, as an administrator would; the rows it gives, if any."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=30)) as embedded, embedded:
            return embedded.execute(statement).fetchall()
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def unique(words: str) -> str:
    """These words with a mark that appears nowhere else, so that finding it proves where the text went."""
    return f"{words} {secrets.token_hex(5)}"


def is_refused_in_one_sentence(command: "subprocess.CompletedProcess[str]") -> bool:
    """Whether a command refused (1) with one line on stderr, or showed its usage and one more line (2)."""
    *before, sentence = command.stderr.strip().splitlines() or [""]
    shape = {1: not before, 2: True}.get(command.returncode, False)
    return shape and bool(sentence) and "Traceback" not in command.stderr


def new_sid() -> str:
    return f"SM{secrets.token_hex(16)}"


def code_in(text: str) -> str:
    """The one pairing code in a text."""
    codes = set(PAIRING_CODE.findall(text))
    assert len(codes) == 1, f"expected one pairing code, found {len(codes)}"
    return str(codes.pop())


def _replaced(fields: Mapping[str, str], replacements: Mapping[str, str]) -> list[tuple[str, str]]:
    return list({**fields, **replacements}.items())


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
