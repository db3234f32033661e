"""`secrets.providers` of a document: every problem with its path, and what is stored.

Keys, types and sources are the reference channel's. What a provider is in the end is decided by `config.secrets`: the
limits are taken from there, and a definition without problems here is put before it too.
"""

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from openclaw_sms.config import kinds
from openclaw_sms.config.kinds import Kind, Unfit
from openclaw_sms.config.secrets import files, programs
from openclaw_sms.config.secrets.definition import INSECURE, NOT_INSECURE
from openclaw_sms.config.secrets.providers import defined
from openclaw_sms.config.secrets.reference import PROVIDER
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import SecretProvider

ROOT = "secrets.providers"
LONGEST = 4096  # a path's, and an argument's


def _path(value: Any) -> str:
    written = kinds.text(LONGEST)(value)
    if not PurePosixPath(os.path.expanduser(written)).is_absolute():
        raise Unfit("must be an absolute path")
    return str(written)


def _list_of(read: Kind) -> Kind:
    def read_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Unfit("must be a list")
        return [read(entry) for entry in value]

    return read_list


def _variables(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Unfit("must be an object of texts")
    return {name: kinds.text(LONGEST)(each) for name, each in value.items()}


def _never(value: Any) -> bool:
    if kinds.truth(value):
        raise Unfit(NOT_INSECURE)
    return False


_TEXT = kinds.text(LONGEST)

# By source: each key's kind, and which of them must be there.
KEYS: Mapping[str, Mapping[str, Kind]] = {
    "env": {"allowlist": _list_of(_TEXT)},
    "file": {
        "path": _path,
        "mode": kinds.one_of(["json", "singleValue"]),
        "timeoutMs": kinds.whole_number(1, files.LONGEST_TIMEOUT),
        "maxBytes": kinds.whole_number(1, files.LARGEST_FILE),
        INSECURE: _never,
    },
    "exec": {
        "command": _path,
        "args": _list_of(_TEXT),
        "timeoutMs": kinds.whole_number(1, programs.LONGEST_TIMEOUT_MS),
        "noOutputTimeoutMs": kinds.whole_number(1, programs.LONGEST_TIMEOUT_MS),
        "maxOutputBytes": kinds.whole_number(1, programs.LARGEST_OUTPUT),
        "jsonOnly": kinds.truth,
        "env": _variables,
        "passEnv": _list_of(_TEXT),
        "trustedDirs": _list_of(_path),
        INSECURE: _never,
        "allowSymlinkCommand": kinds.truth,
    },
    "store": {},
}
NEEDED: Mapping[str, tuple[str, ...]] = {"file": ("path",), "exec": ("command",)}


def stored() -> Mapping[str, Mapping[str, Any]]:
    """`secrets.providers`, by name."""
    return dict(SecretProvider.objects.values_list("name", "settings"))


def read(name: str, value: Any) -> tuple[dict[str, Any], list[str]]:
    """One provider's settings as they are stored, and a sentence for each of them that cannot be used."""
    path = f"{ROOT}.{name}"
    if not PROVIDER.fullmatch(name):
        return {}, [f"{path}: a provider's name is small letters, digits, _ and -, and begins with a letter."]
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str) or source not in KEYS:
        return {}, [f"{path} must be an object whose source is one of {', '.join(KEYS)}."]
    settings: dict[str, Any] = {"source": source}
    problems = [f"{path}.{key} is missing." for key in NEEDED.get(source, ()) if key not in value]
    for key, written in value.items():
        if key == "source":
            continue
        if key not in KEYS[source]:
            problems.append(f"{path}.{key} is not a key of a provider whose source is {source}.")
            continue
        try:
            settings[key] = KEYS[source][key](written)
        except Unfit as unfit:
            problems.append(f"{path}.{key} {unfit}.")
    return settings, problems or _refused(name, settings)


def _refused(name: str, settings: Mapping[str, Any]) -> list[str]:
    """What `config.secrets` would say of it when a secret is looked up."""
    try:
        defined(name, settings)
    except ConfigurationError as error:
        return [str(error)]
    return []
