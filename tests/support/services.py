"""PostgreSQL and Redis for tests: the machine's own servers if they answer, else ones started here.

What is started here is stopped here, by process id. A server that was already running is left running, and
only what a test made in it is removed: a database of its own, or a numbered Redis database that was empty.
"""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from tests.support.loopback import free_port

START_LIMIT = 30.0
CLAIM = "claimed-by-a-test"
CLAIM_SECONDS = 900  # longer than any test, short enough that a killed run does not use up the numbers

_started = ExitStack()
atexit.register(_started.close)


class ServiceMissing(RuntimeError):
    """No such server here, and none could be started; the message says what was tried."""


@cache
def postgres_url() -> str:
    """The URL of a PostgreSQL server's `postgres` database, for a user who may create databases."""
    given = os.environ.get("SMS_TEST_POSTGRES_URL")
    if given:
        return _checked("SMS_TEST_POSTGRES_URL", given, _postgres_answers)
    usual = "postgres://postgres@127.0.0.1:5432/postgres"
    if _postgres_answers(usual):
        return usual
    return _first_that_works("PostgreSQL", [_start_debian_cluster, _start_own_postgres])


@cache
def redis_url() -> str:
    """The URL of a Redis server, without a database number."""
    given = os.environ.get("SMS_TEST_REDIS_URL")
    if given:
        return _checked("SMS_TEST_REDIS_URL", given, _redis_answers)
    usual = "redis://127.0.0.1:6379"
    if _redis_answers(usual):
        return usual
    return _first_that_works("Redis", [_start_redis])


def stop_started_services() -> None:
    """Stop every server that was started here; also done when Python exits."""
    _started.close()
    postgres_url.cache_clear()
    redis_url.cache_clear()


@contextmanager
def fresh_postgres_database() -> Iterator[str]:
    """The URL of a new, empty database, dropped afterwards whoever is still connected."""
    server = postgres_url()
    name = f"sms_test_{secrets.token_hex(6)}"
    _run_sql(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        _run_sql(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def free_redis_database() -> Iterator[str]:
    """The URL of an empty Redis database (number 1 to 15), claimed for us and flushed afterwards."""
    server = redis_url()
    url = _claim_redis_database(server)
    try:
        yield url
    finally:
        with redis.Redis.from_url(url) as client:
            client.flushdb()


def _claim_redis_database(server: str) -> str:
    for number in range(1, 16):
        url = urlunsplit(urlsplit(server)._replace(path=f"/{number}"))
        with redis.Redis.from_url(url) as client:
            if client.dbsize() == 0 and client.set(CLAIM, "1", nx=True, ex=CLAIM_SECONDS):
                return url
    raise ServiceMissing("Redis answers, but none of its databases 1 to 15 is empty")


def _run_sql(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


def _postgres_answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=3):
        return True
    return False


def _redis_answers(url: str) -> bool:
    with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=3) as client:
        return bool(client.ping())
    return False


def _checked(name: str, url: str, answers: Callable[[str], bool]) -> str:
    if not answers(url):
        raise ServiceMissing(f"the server named by {name} does not answer")
    return url


def _first_that_works(service: str, starters: list[Callable[[], str]]) -> str:
    tried = []
    for start in starters:
        try:
            return start()
        except (OSError, subprocess.SubprocessError, ServiceMissing) as reason:
            tried.append(f"{start.__name__.strip('_')}: {reason}")
    raise ServiceMissing(f"{service} does not answer and could not be started ({'; '.join(tried)})")


def _start_debian_cluster() -> str:
    """Start the first cluster Debian made, if the superuser may then come in without a password."""
    if shutil.which("pg_lsclusters") is None:
        raise ServiceMissing("no Debian cluster tools")
    listed = _run("pg_lsclusters", "--no-header").split()
    if not listed:
        raise ServiceMissing("no Debian cluster")
    version, name, port, _status, _owner, data_dir = listed[:6]
    _run("pg_ctlcluster", version, name, "start")
    _started.callback(_interrupt_postmaster, Path(data_dir))
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    _wait(lambda: _postgres_answers(url), f"cluster {version}/{name} lets nobody in without a password")
    return url


def _start_own_postgres() -> str:
    """A server of our own in a temporary directory, as an unprivileged user: PostgreSQL refuses root."""
    programs = _postgres_programs()
    directory = Path(tempfile.mkdtemp(prefix="sms-test-postgres-"))
    _started.callback(shutil.rmtree, directory, ignore_errors=True)
    user = _unprivileged_user()
    if user is not None:
        shutil.chown(directory, user)
    as_user = [] if user is None else ["runuser", "-u", user, "--"]
    data_dir, port = directory / "data", free_port()
    settings = ["-U", "postgres", "--auth=trust", "--no-sync"]
    _run(*as_user, str(programs / "initdb"), "-D", str(data_dir), *settings)
    options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1"
    log = str(directory / "log")
    _run(*as_user, str(programs / "pg_ctl"), "-D", str(data_dir), "-o", options, "-l", log, "-w", "start")
    _started.callback(_interrupt_postmaster, data_dir)
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    _wait(lambda: _postgres_answers(url), "it started and does not answer")
    return url


def _start_redis() -> str:
    program = shutil.which("redis-server")
    if program is None:
        raise ServiceMissing("no redis-server")
    directory = tempfile.mkdtemp(prefix="sms-test-redis-")
    _started.callback(shutil.rmtree, directory, ignore_errors=True)
    port = free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _started.callback(_end, process)
    url = f"redis://127.0.0.1:{port}"
    _wait(lambda: _redis_answers(url), "it started and does not answer")
    return url


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise ServiceMissing("no initdb")
    return found[-1].parent if found else Path(str(on_path)).parent


def _unprivileged_user() -> str | None:
    """Whom to run a server as; `None` when we are not root, and it can be ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _interrupt_postmaster(data_dir: Path) -> None:
    """SIGINT is PostgreSQL's fast shutdown; wait until it has removed its pid file."""
    pid_file = data_dir / "postmaster.pid"
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
        _wait(lambda: not pid_file.exists(), "PostgreSQL did not stop")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(10)


def _run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    if ran.returncode != 0:
        raise ServiceMissing((ran.stderr or ran.stdout).strip()[-300:])
    return ran.stdout


def _wait(happened: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not happened():
        if time.monotonic() > deadline:
            raise ServiceMissing(otherwise)
        time.sleep(0.05)
