"""`secrets.providers` of a document and the providers that look secrets up agree on what a definition may be."""

from typing import Any

import pytest

from openclaw_sms.config import providers
from openclaw_sms.config.secrets import files, programs
from openclaw_sms.config.secrets.providers import defined
from openclaw_sms.config.secrets.reference import Source
from openclaw_sms.config.sources import ConfigurationError

FILE: dict[str, Any] = {"source": "file", "path": "/run/secrets/token"}
EXEC: dict[str, Any] = {"source": "exec", "command": "/usr/local/bin/vault"}

GOOD = [
    {"source": "env"},
    {"source": "env", "allowlist": ["A_TOKEN"]},
    {"source": "store"},
    FILE,
    {**FILE, "path": "~/token", "mode": "singleValue", "timeoutMs": files.LONGEST_TIMEOUT},
    {**FILE, "mode": "json", "maxBytes": files.LARGEST_FILE, "allowInsecurePath": False},
    {**FILE, "maxBytes": 1024.0},
    EXEC,
    {**EXEC, "args": ["read", "--quiet"], "timeoutMs": 1, "noOutputTimeoutMs": programs.LONGEST_TIMEOUT_MS},
    {**EXEC, "maxOutputBytes": programs.LARGEST_OUTPUT, "jsonOnly": False, "allowSymlinkCommand": True},
    {**EXEC, "env": {"A": "b"}, "passEnv": ["PATH"], "trustedDirs": ["~/bin"], "allowInsecurePath": False},
]
BAD = [
    ({"source": "vault"}, "source"),
    ({"source": "env", "allowlist": "A"}, "allowlist"),
    ({"source": "env", "allowInsecurePath": False}, "allowInsecurePath"),
    ({"source": "store", "path": "/x"}, "path"),
    ({"source": "file"}, "path"),
    ({**FILE, "path": "token"}, "path"),
    ({**FILE, "mode": "yaml"}, "mode"),
    ({**FILE, "timeoutMs": files.LONGEST_TIMEOUT + 1}, "timeoutMs"),
    ({**FILE, "maxBytes": files.LARGEST_FILE + 1}, "maxBytes"),
    ({**FILE, "maxBytes": 0}, "maxBytes"),
    ({**FILE, "allowInsecurePath": True}, "allowInsecurePath"),
    ({**FILE, "allowInsecurePath": "no"}, "allowInsecurePath"),
    ({"source": "exec"}, "command"),
    ({**EXEC, "command": "vault"}, "command"),
    ({**EXEC, "args": "read"}, "args"),
    ({**EXEC, "args": [1]}, "args"),
    ({**EXEC, "timeoutMs": programs.LONGEST_TIMEOUT_MS + 1}, "timeoutMs"),
    ({**EXEC, "noOutputTimeoutMs": True}, "noOutputTimeoutMs"),
    ({**EXEC, "maxOutputBytes": programs.LARGEST_OUTPUT + 1}, "maxOutputBytes"),
    ({**EXEC, "jsonOnly": "yes"}, "jsonOnly"),
    ({**EXEC, "env": {"A": 1}}, "env"),
    ({**EXEC, "passEnv": "PATH"}, "passEnv"),
    ({**EXEC, "allowInsecurePath": True}, "allowInsecurePath"),
    ({**EXEC, "shell": True}, "shell"),
]


@pytest.mark.parametrize("definition", GOOD)
def test_what_a_document_may_have_can_be_used(definition: dict[str, Any]) -> None:
    stored, problems = providers.read("mine", definition)
    assert problems == []
    assert defined("mine", stored) == defined("mine", definition)


@pytest.mark.parametrize(("definition", "key"), BAD)
def test_what_cannot_be_used_is_refused_in_a_document_by_its_path(definition: dict[str, Any], key: str) -> None:
    _, problems = providers.read("mine", definition)
    assert len(problems) == 1
    assert key in problems[0]
    assert "secrets.providers.mine" in problems[0]
    with pytest.raises(ConfigurationError, match=rf"secrets\.providers\.mine.*{key}"):
        defined("mine", definition)


def test_both_know_the_same_sources_and_keys() -> None:
    assert set(providers.KEYS) == set(Source)
    assert set(providers.KEYS["file"]) == files.KEYS
    assert set(providers.KEYS["exec"]) == programs.KEYS


@pytest.mark.parametrize("name", ["Mine", "1st", "", "a" * 65, "my.vault"])
def test_both_refuse_the_same_names(name: str) -> None:
    assert len(providers.read(name, FILE)[1]) == 1
    with pytest.raises(ConfigurationError):
        defined(name, FILE)


def test_a_check_that_is_switched_off_is_refused_with_the_reason() -> None:
    (problem,) = providers.read("mine", {**FILE, "allowInsecurePath": True})[1]
    assert "always refused" in problem
    assert "permissions" in problem
