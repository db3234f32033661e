"""What somebody reads who got a setting wrong: one sentence that names it, exit status 1, and no value.

Real processes, because settings are read before any command is.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.loopback import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


def run(tmp_path: Path, variables: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**environment, "SMS_DATA_DIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.processes
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMS_WORKER_THREADS", "zero"),
        ("SMS_RETENTION_DAYS", "36501"),
        ("SMS_SHUTDOWN_GRACE", "99999999999999"),
        ("SMS_AGENT_TIMEOUT", "0"),
        ("SMS_QUEUE_URL", "nonsense"),
        ("SMS_QUEUE_URL", "redis://u:s3cretpw/more@127.0.0.1/x"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgress://u:s3cretpw@127.0.0.1/x"),
        ("DATABASE_URL", "postgres://u:s3cretpw/more@127.0.0.1/x"),
        ("SECRET_KEY_FILE", "/does/not/exist"),
        ("SMS_DATA_DIR", "/dev/null/nope"),
        ("TIME_ZONE", "Nowhere"),
        ("DEBUG", "maybe"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(name: str, value: str, tmp_path: Path) -> None:
    refused = run(tmp_path, {name: value}, "pairing", "list")
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert name in refused.stderr
    assert "s3cretpw" not in refused.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"SMS_PUBLIC_WEBHOOK_URL": "banana"}, "SMS_PUBLIC_WEBHOOK_URL"),
        ({"SMS_AGENT": "nonsense"}, "SMS_AGENT"),
        ({"TWILIO_API_BASE_URL": "http://example.com"}, "TWILIO_API_BASE_URL"),
        ({"SMS_QUEUE_URL": "redis://127.0.0.1:1/0"}, "SMS_QUEUE_URL"),
    ],
)
def test_a_gateway_that_could_not_work_does_not_start(variables: dict[str, str], word: str, tmp_path: Path) -> None:
    refused = run(tmp_path, variables, "gateway", "--port", str(free_port()))
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert word in refused.stderr


@pytest.mark.processes
@pytest.mark.parametrize("port", ["99999", "0", "http"])
def test_a_port_that_is_none_is_wrong_usage(port: str, tmp_path: Path) -> None:
    refused = run(tmp_path, {}, "gateway", "--port", port)
    assert refused.returncode == 2
    assert "1 to 65535" in refused.stderr
