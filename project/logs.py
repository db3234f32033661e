"""Log lines for people, with a last line of defence against leaks.

Our own log calls never carry a number, a token or a body. Libraries may put a value into an exception's text, so the
formatter masks whatever still looks like a phone number, in the message and in a traceback alike.
"""

import logging
import re

WHOLE_NUMBER = re.compile(r"\+(\d{4})\d{2,}(\d{4})\b")


def redact(line: str) -> str:
    """`line` with every whole E.164 number masked: +1555***4567."""
    return WHOLE_NUMBER.sub(r"+\1***\2", line)


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
