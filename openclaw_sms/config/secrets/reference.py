"""A reference to a secret: `{source, provider, id}`, in the reference channel's own shape and grammar.

Source of the grammar: OpenClaw's documentation, "Secrets management", SecretRef contract.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_sms.config.sources import ConfigurationError

DEFAULT_PROVIDER = "default"
WHOLE_FILE = "value"

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PROGRAM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}")
# RFC 6901: segments of anything, in which ~ is written ~0 and / is written ~1.
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_SHORTHAND = re.compile(r"\$(?:\{([A-Z][A-Z0-9_]{0,127})\}|([A-Z][A-Z0-9_]{0,127}))")
_KEYS = ("source", "provider", "id")


class Source(enum.StrEnum):
    ENV = "env"
    FILE = "file"
    EXEC = "exec"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is. It is no secret itself: people read it in logs, in the console and in `config get`."""

    source: Source
    provider: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}:{self.provider}:{self.id}"

    def as_dict(self) -> dict[str, str]:
        """As a configuration document and a row's column hold it."""
        return {"source": self.source.value, "provider": self.provider, "id": self.id}


def is_reference(value: object) -> bool:
    """Whether a configured `value` is meant as a reference: a mapping, or the shorthand `${NAME}` or `$NAME`."""
    return isinstance(value, Mapping) or (isinstance(value, str) and bool(_SHORTHAND.fullmatch(value.strip())))


def parse(value: object) -> SecretRef:
    """The reference that a document or a row holds. Raises `ConfigurationError` with what is wrong with it."""
    if isinstance(value, str) and (short := _SHORTHAND.fullmatch(value.strip())):
        return SecretRef(Source.ENV, DEFAULT_PROVIDER, short[1] or short[2])
    if not isinstance(value, Mapping):
        raise ConfigurationError("A secret reference is {source, provider, id}.")
    if unknown := sorted(str(key) for key in value if key not in _KEYS):
        raise ConfigurationError(f"A secret reference has source, provider and id, and no {unknown[0]}.")
    return _checked(value.get("source"), value.get("provider"), value.get("id"))


def parse_words(words: str) -> SecretRef:
    """`source:provider:id`, as a variable of the environment holds it. Raises `ConfigurationError`."""
    source, _, rest = words.strip().partition(":")
    provider, separator, secret_id = rest.partition(":")
    if not separator:
        raise ConfigurationError("A secret reference in one line is source:provider:id, such as env:default:NAME.")
    return _checked(source, provider, secret_id)


def _checked(source: Any, provider: Any, secret_id: Any) -> SecretRef:
    if source not in tuple(Source):
        raise ConfigurationError("A secret reference's source must be env, file, exec or store.")
    if not (isinstance(provider, str) and PROVIDER.fullmatch(provider)):
        raise ConfigurationError(
            "A secret reference's provider must be a small letter and then at most 63 of a-z, 0-9, _ and -; "
            "the usual one is default."
        )
    kind = Source(source)
    if not (isinstance(secret_id, str) and _fits(kind, secret_id)):
        raise ConfigurationError(f"A secret reference's id must, for {kind}, be {_GRAMMAR[kind]}.")
    return SecretRef(kind, provider, secret_id)


_GRAMMAR: Mapping[Source, str] = {
    Source.ENV: "the name of a variable: a capital letter and then at most 127 of A-Z, 0-9 and _",
    Source.STORE: "the name of a stored secret: a capital letter and then at most 127 of A-Z, 0-9 and _",
    Source.FILE: 'an absolute JSON pointer such as /twilio/authToken (RFC 6901), or "value" for a whole file',
    Source.EXEC: "a letter or digit and then at most 255 of A-Z, a-z, 0-9 and . _ : / # -, "
    "without . or .. between slashes",
}


def _fits(source: Source, secret_id: str) -> bool:
    if source is Source.FILE:
        return secret_id == WHOLE_FILE or bool(_POINTER.fullmatch(secret_id))
    if source is Source.EXEC:
        climbs = {".", ".."} & set(secret_id.split("/"))
        return bool(_PROGRAM_ID.fullmatch(secret_id)) and not climbs
    return bool(NAME.fullmatch(secret_id))
