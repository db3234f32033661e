"""References to secrets that are kept elsewhere: `{ source, provider, id }`.

Only their shape is decided here; rules are the reference channel's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_sms.config.sources import ConfigurationError

FIELDS = ("source", "provider", "id")
PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# An environment variable; a JSON pointer (RFC 6901) or `value`; a name that a program knows; a name of ours.
IDS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "env": (re.compile(r"[A-Z][A-Z0-9_]{0,127}"), "the name of an environment variable in capitals"),
    "file": (re.compile(r"value|(/([^~/]|~[01])*)+"), 'a JSON pointer such as /twilio/token, or "value"'),
    "exec": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}"), "letters, digits and . _ : / -, at most 256"),
    "store": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}"), "letters, digits and . _ : / -, at most 256"),
}


@dataclass(frozen=True, slots=True)
class SecretRef:
    source: str
    provider: str
    id: str


def parse(value: Any) -> SecretRef:
    """Raises `ConfigurationError`, which names the part of the reference that is wrong."""
    if not isinstance(value, Mapping) or set(value) != set(FIELDS):
        raise ConfigurationError("it needs source, provider and id, and nothing else.")
    source, provider, name = (value[field] for field in FIELDS)
    if not isinstance(source, str) or source not in IDS:
        raise ConfigurationError(f"its source must be one of {', '.join(IDS)}.")
    if not isinstance(provider, str) or not PROVIDER.fullmatch(provider):
        raise ConfigurationError("its provider must be small letters, digits, _ and -, and begin with a letter.")
    pattern, form = IDS[source]
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise ConfigurationError(f"its id must be {form}.")
    return SecretRef(source, provider, name)
