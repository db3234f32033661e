"""The last line of defence against leaks, and against a library that repeats itself."""

import json
import logging
import sys
from datetime import datetime

import pytest

from project.logs import JsonFormatter, OnceInAWhile, RedactingFormatter, redact


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


def record(message: str, *values: object, sid: str = "") -> logging.LogRecord:
    made = logging.LogRecord("openclaw_sms.x", logging.INFO, __file__, 1, message, values, None)
    made.in_reply_to = sid
    return made


class TestText:
    FORMATTER = RedactingFormatter("%(levelname)s %(message)s")

    def test_an_event_is_words_that_can_be_taken_apart(self) -> None:
        line = self.FORMATTER.format(record("gateway.no_route account=%s reason=%r", "default", 'not "set": x=y'))
        assert line == r'INFO gateway.no_route account=default reason="not \"set\": x=y"'

    def test_a_value_cannot_pass_for_a_line_or_a_field(self) -> None:
        line = self.FORMATTER.format(record("text.accepted sid=%s", "SM1\nERROR text.lost sid=SM2"))
        assert "\n" not in line
        assert r"SM1\nERROR" in line

    def test_names_the_text_it_is_about_once(self) -> None:
        about_itself = self.FORMATTER.format(record("turn.finished sid=%s", "SM1", sid="SM1"))
        about_a_part = self.FORMATTER.format(record("part.accepted sid=%s", "SM2", sid="SM1"))
        assert about_itself == "INFO turn.finished sid=SM1"
        assert about_a_part == "INFO part.accepted sid=SM2 in_reply_to=SM1"

    def test_a_librarys_line_is_one_line_too(self) -> None:
        assert self.FORMATTER.format(record("went wrong:\n%s", "here")) == r"INFO went wrong:\nhere"


class TestJson:
    FORMATTER = JsonFormatter()

    def test_an_event_has_its_fields_by_name(self) -> None:
        said = json.loads(self.FORMATTER.format(record("part.accepted part=%s sid=%s", 7, "SM2", sid="SM1")))
        assert datetime.fromisoformat(said.pop("time")).tzinfo is not None
        assert said == {
            "level": "INFO",
            "logger": "openclaw_sms.x",
            "event": "part.accepted",
            "part": "7",
            "sid": "SM2",
            "in_reply_to": "SM1",
        }

    def test_numbers_are_masked_in_every_value(self) -> None:
        said = self.FORMATTER.format(record("To %s failed", "+15551234567"))
        assert json.loads(said)["message"] == "To +1555***4567 failed"

    def test_a_traceback_is_a_field_and_masked(self) -> None:
        try:
            raise ValueError("bad number +15551234567")
        except ValueError:
            failed = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
        said = json.loads(self.FORMATTER.format(failed))
        assert "Traceback" in said["traceback"]
        assert "+15551234567" not in said["traceback"]
