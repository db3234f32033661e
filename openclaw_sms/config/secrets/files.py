"""Secrets in a file that nobody but its owner can read: one value, or JSON in which a pointer finds it."""

import json
import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openclaw_sms.config.secrets.definition import INSECURE, Definition
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import WHOLE_FILE, SecretRef

LARGEST_FILE = 20 * 1024 * 1024
USUAL_LARGEST_FILE = 1024 * 1024
# Accepted, because the reference channel's documents have it; reading a bounded local file needs no time limit.
LONGEST_TIMEOUT = 120_000
KEYS = {"path", "mode", "maxBytes", "timeoutMs", INSECURE}


@dataclass(frozen=True, slots=True)
class FileProvider:
    """`is_json`: ids are JSON pointers into the file; otherwise the file is the secret and the id is "value"."""

    name: str
    path: str
    is_json: bool = True
    max_bytes: int = USUAL_LARGEST_FILE
    fresh_for = timedelta(seconds=5)

    @classmethod
    def defined(cls, definition: Definition) -> "FileProvider":
        definition.refuse_unknown(KEYS)
        definition.refuse_insecure()
        definition.whole_number("timeoutMs", 5_000, most=LONGEST_TIMEOUT)
        path = os.path.expanduser(definition.text("path"))
        if not os.path.isabs(path):
            raise definition.refusal("path", "must be an absolute path")
        return cls(
            definition.name,
            path,
            is_json=definition.choice("mode", ("json", "singleValue")) == "json",
            max_bytes=definition.whole_number("maxBytes", USUAL_LARGEST_FILE, most=LARGEST_FILE),
        )

    def look_up(self, ref: SecretRef) -> str:
        if (ref.id == WHOLE_FILE) is self.is_json:
            raise SecretUnavailable(
                ref,
                f"does not fit secrets.providers.{self.name}.mode: "
                'a json file is asked with a JSON pointer, a singleValue file with "value".',
            )
        content = self._content(ref)
        value = _pointed_at(_parsed(content, ref), ref) if self.is_json else content.rstrip("\r\n")
        if not (isinstance(value, str) and value.strip()):
            raise SecretUnavailable(ref, "is empty, or no text: correct the file.")
        return value

    def _content(self, ref: SecretRef) -> str:
        try:
            # The checks are made on the open file, so that it cannot be exchanged between them and the reading.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                _refuse_unsafe(os.fstat(file.fileno()), ref)
                content = file.read(self.max_bytes + 1)
        except OSError as error:
            raise SecretUnavailable(ref, f"cannot be read: {error.strerror}.", passing=True) from None
        if len(content) > self.max_bytes:
            raise SecretUnavailable(ref, f"is in a file of more than {self.max_bytes} bytes: raise maxBytes.")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise SecretUnavailable(ref, "is in a file that is not UTF-8 text.") from None


def _refuse_unsafe(found: os.stat_result, ref: SecretRef) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnavailable(ref, "is not in a regular file.")
    if found.st_uid not in (os.geteuid(), 0):
        raise SecretUnavailable(ref, "is in a file of another user: chown it to the gateway's.")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretUnavailable(ref, "is in a file that others may open: chmod it to 600.")


def _parsed(content: str, ref: SecretRef) -> Any:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # A file may be looked at while it is being written.
        raise SecretUnavailable(ref, "is in a file that is no JSON object: correct it.", passing=True)
    return document


def _pointed_at(document: Any, ref: SecretRef) -> Any:
    """What the JSON pointer `ref.id` finds. Source: RFC 6901, 4."""
    for segment in ref.id.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            raise SecretUnavailable(ref, "is not in the file: correct the file or the pointer.")
    return document
