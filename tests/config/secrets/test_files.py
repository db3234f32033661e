"""A file of secrets: who owns it, who may open it, what is in it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.providers import defined
from openclaw_sms.config.secrets.reference import SecretRef, Source
from openclaw_sms.config.sources import ConfigurationError

TOKEN = "token-in-a-file-4711"


def written(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "secrets.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def look_up(path: Path, secret_id: str, **keys: Any) -> str:
    provider = defined("files", {"source": "file", "path": str(path), **keys})
    return provider.look_up(SecretRef(Source.FILE, "files", secret_id))


def why_not(path: Path, secret_id: str, **keys: Any) -> str:
    with pytest.raises(SecretUnavailable) as refused:
        look_up(path, secret_id, **keys)
    sentence = str(refused.value)
    assert sentence.startswith(f"file:files:{secret_id} ")
    assert TOKEN not in sentence
    assert TOKEN not in repr(refused.value)
    return sentence


def test_a_pointer_finds_its_value(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"a/b": {"m~n": [{"": TOKEN}]}}))
    assert look_up(path, "/a~1b/m~0n/0/") == TOKEN


def test_a_single_value_is_the_file_without_its_line_end(tmp_path: Path) -> None:
    path = written(tmp_path, f"\N{BYTE ORDER MARK}{TOKEN}\r\n")
    assert look_up(path, "value", mode="singleValue") == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o777])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, json.dumps({"t": TOKEN}), mode)
    assert "others may open: chmod it to 600" in why_not(path, "/t")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"t": TOKEN}))
    os.chown(path, 12345, 12345)
    assert "another user" in why_not(path, "/t")


@pytest.mark.parametrize(
    ("content", "secret_id", "words"),
    [
        (f'{{"t": "{TOKEN}"}}', "/u", "is not in the file"),
        (f'{{"t": ["{TOKEN}"]}}', "/t/1", "is not in the file"),
        (f'{{"t": ["{TOKEN}"]}}', "/t/-1", "is not in the file"),
        (f'{{"t": ["{TOKEN}"]}}', "/t", "is empty, or no text"),
        ('{"t": " "}', "/t", "is empty, or no text"),
        (f'"{TOKEN}"', "/t", "no JSON object"),
        (f'{{"t": "{TOKEN}"', "/t", "no JSON object"),
        (f'{{"t": "{TOKEN}"}}', "value", "does not fit secrets.providers.files.mode"),
        (b"\xff\xfe\x00", "/t", "not UTF-8"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, content: str | bytes, secret_id: str, words: str) -> None:
    assert words in why_not(written(tmp_path, content), secret_id)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"t": TOKEN}))
    assert "more than 10 bytes: raise maxBytes" in why_not(path, "/t", maxBytes=10)


def test_no_file_a_folder_and_a_pipe_are_said_and_do_not_block(tmp_path: Path) -> None:
    assert "No such file" in why_not(tmp_path / "none", "/t")
    assert "regular file" in why_not(tmp_path, "/t") or "directory" in why_not(tmp_path, "/t")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "regular file" in why_not(pipe, "/t")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"source": "file"}, "secrets.providers.files.path must be a text"),
        ({"source": "file", "path": "relative.json"}, "secrets.providers.files.path must be an absolute path"),
        ({"source": "file", "path": "/x", "mode": "yaml"}, r"files\.mode must be json or singleValue"),
        ({"source": "file", "path": "/x", "maxBytes": 0}, r"files\.maxBytes must be a whole number from 1"),
        ({"source": "file", "path": "/x", "maxBytes": True}, r"files\.maxBytes must be a whole number from 1"),
        (
            {"source": "file", "path": "/x", "allowInsecurePath": True},
            r"files\.allowInsecurePath cannot be true here",
        ),
        ({"source": "vault"}, r"files\.source must be env, file, exec or store"),
        ("a text", r"secrets\.providers\.files must be an object"),
    ],
)
def test_a_bad_definition_is_named_by_its_path(definition: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        defined("files", definition)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a name is a small letter"):
        defined("Files", {"source": "env"})
