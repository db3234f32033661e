"""Log lines, for people (`key=value`) or for machines (JSON), with a last line of defence against leaks.

An event of ours is one line: a word with a dot in it and fields, written as `logger.info("text.accepted sid=%s", …)`.
Our own log calls never carry a number, a token or a body. Libraries may put a value into an exception's text, so the
formatters mask whatever still looks like a phone number, in the message and in a traceback alike.
"""

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# With a plus (or its percent-encoding) from 7 digits, without one from 10: shorter runs are ids and times.
WHOLE_NUMBER = re.compile(r"(?:(?:\+|%2B)\d{7,15}|(?<!\w)(?<!\d\.)\d{10,15}(?!\w|\.\d))", re.IGNORECASE)
SHOWN_AT_EACH_END = 4
EVENT = re.compile(r"[a-z_]+\.[a-z_]+(?: \w+=%[sr])*")
NEEDS_QUOTES = re.compile(r"""[\s"=\\\x00-\x1f]""")
RESERVED = frozenset({"time", "level", "logger", "event", "message", "traceback"})
LONG_ENOUGH = 11


def redact(line: str) -> str:
    """`line` with every whole number masked: +1555***4567."""
    return WHOLE_NUMBER.sub(lambda found: _masked(found[0]), line)


def _masked(number: str) -> str:
    digits = number.lstrip("+").removeprefix("%2B").removeprefix("%2b")
    plus = "+" if len(digits) < len(number) else ""
    if len(digits) < LONG_ENOUGH:
        return f"{plus}***{digits[-2:]}"
    return f"{plus}{digits[:SHOWN_AT_EACH_END]}***{digits[-SHOWN_AT_EACH_END:]}"


@dataclass(frozen=True, slots=True)
class Event:
    """One line's meaning. Lines of libraries are no events: their `name` is "" and their words are in `message`."""

    name: str
    fields: Mapping[str, str]
    message: str = ""


def event_of(record: logging.LogRecord) -> Event:
    """The event and its fields, read from the call's own template, so that a value cannot pass for another field."""
    template, values = str(record.msg), record.args if isinstance(record.args, tuple) else ()
    names = re.findall(r" (\w+)=%[sr]", template)
    trail = _trail(record)
    if not EVENT.fullmatch(template) or len(names) != len(values):
        return Event("", trail, record.getMessage())
    fields = {name: str(value) for name, value in zip(names, values, strict=True)}
    # A line about the text itself need not say twice which one that is.
    more = {name: sid for name, sid in trail.items() if sid != fields.get("sid")}
    return Event(template.partition(" ")[0], {**fields, **more})


def _trail(record: logging.LogRecord) -> dict[str, str]:
    sid = getattr(record, "in_reply_to", "")
    return {"in_reply_to": sid} if sid else {}


class RedactingFormatter(logging.Formatter):
    """`time LEVEL logger event key=value …` on one line; a library's traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        event = event_of(record)
        words = [event.name or _one_line(event.message)]
        words += [f"{name}={_quoted(value)}" for name, value in event.fields.items()]
        record.message = " ".join(words)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event` or `message`, the event's fields, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        event = event_of(record)
        said = {"event": event.name} if event.name else {"message": event.message}
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **said,
            **{name: value for name, value in event.fields.items() if name not in RESERVED},
            **traceback,
        }
        return json.dumps({name: redact(value) for name, value in line.items()}, ensure_ascii=False)


def _quoted(value: str) -> str:
    """A value as one word, so that a line can be taken apart at its spaces."""
    return value if value and not NEEDS_QUOTES.search(value) else json.dumps(value, ensure_ascii=False)


def _one_line(message: str) -> str:
    return message.replace("\r", "\\r").replace("\n", "\\n")


class OnceInAWhile(logging.Filter):
    """Lets a message through once an interval, without its traceback: for a library that repeats itself many times a
    second while its server is away."""

    INTERVAL = timedelta(seconds=30)

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._last.get(str(record.msg), float("-inf")) < self.INTERVAL.total_seconds():
            return False
        self._last[str(record.msg)] = now
        if record.exc_info and record.exc_info[0]:
            record.msg = f"{record.msg} ({record.exc_info[0].__name__})"
        record.exc_info = record.exc_text = None
        return True
