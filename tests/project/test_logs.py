"""The last line of defence against leaks, and against a library that repeats itself."""

import logging
import sys

import pytest

from project.logs import OnceInAWhile, RedactingFormatter, redact


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("To +15551234567 failed", "To +1555***4567 failed"),
        ("To=%2B15551234567&Body", "To=+1555***4567&Body"),
        ("(+15551234567x)", "(+1555***4567x)"),
        ("number 15551234567.", "number 1555***4567."),
        ("+298123456", "+***56"),
        (
            "2026-11-23 23:59:01,123 sid=SM0123456789abcdef part=45",
            "2026-11-23 23:59:01,123 sid=SM0123456789abcdef part=45",
        ),
        ("port=18789 rows=1234567", "port=18789 rows=1234567"),
    ],
)
def test_whole_numbers_are_masked_and_nothing_else(line: str, shown: str) -> None:
    assert redact(line) == shown


def test_a_traceback_is_masked_too() -> None:
    try:
        raise ValueError("bad number +15551234567")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    assert "+15551234567" not in RedactingFormatter().format(record)
    assert "+1555***4567" in RedactingFormatter().format(record)


def test_a_library_that_repeats_itself_is_heard_once_and_in_one_line() -> None:
    once = OnceInAWhile()
    try:
        raise ConnectionError("redis://u:password@host is away")
    except ConnectionError:
        records = [
            logging.LogRecord("huey", logging.ERROR, __file__, 1, "Error reading from queue", None, sys.exc_info())
            for _ in range(3)
        ]
    assert [once.filter(record) for record in records] == [True, False, False]
    assert RedactingFormatter("%(message)s").format(records[0]) == "Error reading from queue (ConnectionError)"
