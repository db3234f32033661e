"""`Retry-After` is a hint: read in both of its forms, bounded, and never a reason to fail."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.agents.retry_after import LONGEST_WAIT, wait_asked_for

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta(0)),
        ("7", timedelta(seconds=7)),
        (" 30 ", timedelta(seconds=30)),
        ("Mon, 23 Nov 2026 12:00:45 GMT", timedelta(seconds=45)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("86400", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("Tue, 23 Nov 2027 12:00:00 GMT", LONGEST_WAIT),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value: str, wait: timedelta) -> None:
    assert wait_asked_for({"retry-after": value}, now=NOON) == wait


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "٣", "Mon, 99 Nov 2026 12:00:00 GMT"])
def test_anything_else_is_no_hint(value: str) -> None:
    assert wait_asked_for({"retry-after": value}, now=NOON) is None


def test_no_header_is_no_hint() -> None:
    assert wait_asked_for({}, now=NOON) is None


def test_a_date_is_measured_on_the_clock_of_the_server_that_wrote_it() -> None:
    fast_clock = {"date": "Mon, 23 Nov 2026 18:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 18:00:20 GMT"}
    assert wait_asked_for(fast_clock, now=NOON) == timedelta(seconds=20)


@given(value=st.text(), date=st.text())
def test_no_header_makes_it_fail_or_wait_too_long(value: str, date: str) -> None:
    wait = wait_asked_for({"retry-after": value, "date": date}, now=NOON)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT
