"""A program that is asked for secrets: real ones, good and bad."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.providers import defined
from openclaw_sms.config.secrets.reference import SecretRef, Source
from openclaw_sms.config.sources import ConfigurationError

TOKEN = "token-of-a-program-0815"
REF = SecretRef(Source.EXEC, "vault", "twilio/token")
# The protocol's honest other half. It also says what it was given, so that a test can look.
HONEST = f"""
import json, os, sys
asked = json.load(sys.stdin)
assert asked == {{"protocolVersion": 1, "provider": "vault", "ids": ["twilio/token"]}}, asked
value = os.environ.get("ANSWER", "{TOKEN}")
if value == "everything":
    value = json.dumps([sys.argv[1:], sorted(os.environ), os.getcwd()])
print(json.dumps({{"protocolVersion": 1, "values": {{"twilio/token": value}}}}))
"""


def program(folder: Path, source: str, mode: int = 0o755) -> Path:
    path = folder / "resolver"
    path.write_text(f"#!{sys.executable}\n{source}")
    path.chmod(mode)
    return path


def look_up(path: Path, **keys: Any) -> str:
    return defined("vault", {"source": "exec", "command": str(path), **keys}).look_up(REF)


def why_not(path: Path, **keys: Any) -> str:
    with pytest.raises(SecretUnavailable) as refused:
        look_up(path, **keys)
    sentence = str(refused.value)
    assert sentence.startswith("exec:vault:twilio/token ")
    assert TOKEN not in sentence
    return sentence


def test_it_is_asked_in_the_protocol_and_answers(tmp_path: Path) -> None:
    assert look_up(program(tmp_path, HONEST)) == TOKEN


def test_it_gets_its_arguments_and_no_variable_that_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "here")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "not for you")
    told = look_up(
        program(tmp_path, HONEST),
        args=["--profile", "prod; rm -rf $HOME"],
        passEnv=["VAULT_ADDR", "NOT_SET"],
        env={"ANSWER": "everything"},
    )
    arguments, variables, folder = eval(told)
    assert arguments == ["--profile", "prod; rm -rf $HOME"], "no shell reads them"
    assert set(variables) - {"LC_CTYPE"} == {"ANSWER", "VAULT_ADDR"}
    assert folder == str(tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("print('no json')", "does not answer in protocol version 1"),
        ("print('{}')", "does not answer in protocol version 1"),
        ("""print('{"protocolVersion": 2, "values": {"twilio/token": "x"}}')""", "protocol version 1"),
        ("""print('{"protocolVersion": 1, "values": {}}')""", "is not in its program's answer"),
        ("""print('{"protocolVersion": 1, "values": {"twilio/token": ""}}')""", "is empty, or no text"),
        ("""print('{"protocolVersion": 1, "values": {"twilio/token": 7}}')""", "is empty, or no text"),
        (
            """print('{"protocolVersion": 1, "values": {}, "errors": {"twilio/token": {"code": "NOT_FOUND"}}}')""",
            r"refused it (NOT_FOUND)",
        ),
        (
            f"""print('{{"protocolVersion": 1, "errors": {{"twilio/token": {{"code": "{TOKEN}"}}}}}}')""",
            "refused it.",
        ),
    ],
)
def test_a_bad_answer_is_said_without_repeating_it(tmp_path: Path, source: str, words: str) -> None:
    assert words in why_not(program(tmp_path, source))


def test_plain_output_counts_only_where_it_is_allowed(tmp_path: Path) -> None:
    plain = program(tmp_path, f"print('{TOKEN}')")
    assert look_up(plain, jsonOnly=False) == TOKEN
    assert "protocol version 1" in why_not(plain)


def test_one_that_hangs_is_stopped_with_all_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "child"
    hanging = program(
        tmp_path,
        "import os, time\n"
        f"if os.fork() == 0:\n    open({str(marker)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)",
    )
    assert "did not answer in time" in why_not(hanging, timeoutMs=700)
    child = int(marker.read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.02)
    assert not _runs(child)


def test_one_that_says_nothing_is_stopped_early(tmp_path: Path) -> None:
    silent = program(tmp_path, "import time; time.sleep(60)")
    assert "did not answer in time" in why_not(silent, noOutputTimeoutMs=300)


def test_one_that_never_stops_talking_is_stopped(tmp_path: Path) -> None:
    talking = program(tmp_path, "while True: print('x' * 1000)")
    assert "said more than 5000 bytes" in why_not(talking, maxOutputBytes=5000)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_one_that_others_may_replace_is_not_run(tmp_path: Path, mode: int) -> None:
    assert "others may write to" in why_not(program(tmp_path, HONEST, mode))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_one_of_somebody_else_is_not_run(tmp_path: Path) -> None:
    path = program(tmp_path, HONEST)
    os.chown(path, 12345, 12345)
    assert "must be a file of the gateway's user or of root" in why_not(path)


def test_a_link_is_followed_only_where_it_is_allowed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(program(tmp_path, HONEST))
    assert "is a symbolic link" in why_not(link)
    assert look_up(link, allowSymlinkCommand=True) == TOKEN


def test_trusted_dirs_hold_for_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    real = program(tmp_path, HONEST)
    link = tmp_path / "bin" / "link"
    link.symlink_to(real)
    assert look_up(real, trustedDirs=[str(tmp_path)]) == TOKEN
    outside = why_not(link, allowSymlinkCommand=True, trustedDirs=[str(tmp_path / "bin")])
    assert "outside of its trustedDirs" in outside


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "No such file" in why_not(tmp_path / "none")
    assert "Permission denied" in why_not(program(tmp_path, HONEST, 0o644))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"command": "vault"}, r"vault\.command must be an absolute path"),
        ({"args": "--x"}, r"vault\.args must be a list of texts"),
        ({"args": [1]}, r"vault\.args must be a list of texts"),
        ({"env": {"A": 1}}, r"vault\.env must be an object of texts"),
        ({"timeoutMs": 0}, r"vault\.timeoutMs must be a whole number"),
        ({"jsonOnly": "no"}, r"vault\.jsonOnly must be true or false"),
        ({"shell": True}, r"vault\.shell is not known here"),
    ],
)
def test_a_bad_definition_is_named_by_its_path(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        defined("vault", {"source": "exec", "command": "/bin/true", **keys})


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
