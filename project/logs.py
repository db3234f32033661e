"""Log lines for people, with a last line of defence against leaks.

Our own log calls never carry a number, a token or a body. Libraries may put a value into an exception's text, so the
formatter masks whatever still looks like a phone number, in the message and in a traceback alike.
"""

import logging
import re
import time
from datetime import timedelta

# With a plus (or its percent-encoding) from 7 digits, without one from 10: shorter runs are ids and times.
WHOLE_NUMBER = re.compile(r"(?:(?:\+|%2B)\d{7,15}|(?<!\w)(?<!\d\.)\d{10,15}(?!\w|\.\d))", re.IGNORECASE)
SHOWN_AT_EACH_END = 4
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


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


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
