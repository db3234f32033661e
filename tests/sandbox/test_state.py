import json
import stat
from pathlib import Path

import pytest

from openclaw_sms.sandbox import state
from project import environment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sandbox.json"


def test_settings_read_what_was_written(path: Path) -> None:
    sandbox = state.turn_on(path, host="127.0.0.1", port=8123)
    written = environment.sandbox_state(path)
    assert written is not None
    assert state.of(written) == sandbox
    assert written["api_base_url"] == "http://127.0.0.1:8123/sandbox/twilio"
    assert written["public_webhook_url"] == "http://127.0.0.1:8123/webhooks/sms"


def test_nobody_else_can_read_the_file(path: Path) -> None:
    state.turn_on(path, host="127.0.0.1", port=8000)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_account_looks_like_one_of_twilio_s(path: Path) -> None:
    sandbox = state.turn_on(path, host="127.0.0.1", port=8000)
    assert sandbox.account_sid.startswith("AC")
    assert len(bytes.fromhex(sandbox.account_sid[2:])) == len(bytes.fromhex(sandbox.auth_token)) == 16


def test_a_second_run_keeps_account_and_login_and_moves_the_port(path: Path) -> None:
    first = state.turn_on(path, host="127.0.0.1", port=8000)
    second = state.turn_on(path, host="127.0.0.1", port=8001)
    assert (second.account_sid, second.auth_token, second.password) == (
        first.account_sid,
        first.auth_token,
        first.password,
    )
    assert second.address == "http://127.0.0.1:8001"


def test_ipv6_is_written_as_urls_want_it(path: Path) -> None:
    assert state.turn_on(path, host="::1", port=8000).address == "http://[::1]:8000"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"account_sid": ""}'])
def test_a_damaged_file_is_written_anew(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    sandbox = state.turn_on(path, host="127.0.0.1", port=8000)
    assert state.of(json.loads(path.read_text())) == sandbox
    assert sandbox.account_sid


def test_no_draft_stays_beside_the_file(path: Path) -> None:
    state.turn_on(path, host="127.0.0.1", port=8000)
    assert [file.name for file in path.parent.iterdir()] == ["sandbox.json"]


def test_off_removes_the_file_and_says_whether_there_was_one(path: Path) -> None:
    state.turn_on(path, host="127.0.0.1", port=8000)
    assert state.turn_off(path)
    assert not path.exists()
    assert not state.turn_off(path)


def test_secrets_are_not_in_its_repr(path: Path) -> None:
    sandbox = state.turn_on(path, host="127.0.0.1", port=8000)
    assert sandbox.auth_token not in repr(sandbox)
    assert sandbox.password not in repr(sandbox)


def test_passwords_differ_and_can_be_told_apart_letter_by_letter() -> None:
    passwords = {state.readable_password() for _ in range(50)}
    assert len(passwords) == 50
    assert not set("".join(passwords)) & set("0o1il")
