"""JSON5 in and out: what people write by hand, and what `config get` shows them."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import pyjson5

from openclaw_sms.config.sources import ConfigurationError

_POSITION = re.compile(r"near (\d+)")
# Words that need no quotes as a key.
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_DEEPEST = 32


class BadSyntax(ConfigurationError):
    """Not JSON5. The message says where and what, and shows one character of the text at most."""

    code = "config_syntax"


def parse(text: str, *, name: str) -> Any:
    """The value that `text` writes down; `name` is the file's, for the error. Raises `BadSyntax`."""
    text = text.removeprefix("\ufeff")
    try:
        return pyjson5.decode(text, maxdepth=_DEEPEST)
    except pyjson5.Json5DecoderException as error:
        line, column = _place(text, error)
        raise BadSyntax(f"{name} is not JSON5: line {line}, column {column}: {_fault(error)}.") from None


def one_line(value: Any) -> str:
    """`value` as JSON5 on one line: `{ source: "env", id: "TOKEN" }`."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key(name)}: {one_line(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(one_line(each) for each in value)}]"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _place(text: str, error: pyjson5.Json5DecoderException) -> tuple[int, int]:
    """Line and column, both from 1, of the character that the parser stumbled over."""
    found = _POSITION.search(str(error.args[0]))
    position = int(found[1]) if found else 0
    # The parser counts from 1, except where it found more after the end.
    offset = position if isinstance(error, pyjson5.Json5ExtraData) else max(position - 1, 0)
    before = text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _fault(error: pyjson5.Json5DecoderException) -> str:
    message = str(error.args[0])
    if isinstance(error, pyjson5.Json5NestingTooDeep):
        return f"more than {_DEEPEST} levels deep"
    if "NumericLiteral" in message:
        return "this number cannot be read"
    if isinstance(error, pyjson5.Json5EOF):
        unclosed = re.search(r"Unclosed b'(\w+)'", message)
        return f"this {unclosed[1].lower()} is not closed" if unclosed else "there is nothing in it"
    if isinstance(error, pyjson5.Json5ExtraData):
        return "the document ends here, but more follows"
    if "Stray" in message:
        return "there is a comma too many"
    if "b'comma'" in message:
        return "a comma is missing before this"
    if "b'colon'" in message:
        return "a colon is missing before this, or quotes around the key"
    character = getattr(error, "character", None)
    if isinstance(character, str) and character.isalnum():
        return "a text needs quotes around it"
    shown = f" {character!r}" if isinstance(character, str) and character.isprintable() else ""
    return f"the character{shown} cannot stand here"
