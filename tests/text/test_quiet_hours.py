"""Until when an unasked text waits, by the clock of its recipient."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from openclaw_sms.text.quiet_hours import UnreadableQuietHours, wait_until, zones_of

NEW_YORK, VIENNA, TEXAS, TOLL_FREE, UNKNOWN = (
    "+12125551234",
    "+436601234567",
    "+19155551234",
    "+18005551234",
    "+15550001111",
)
NIGHT = "21:00-08:00"


def at(hour: int, minute: int = 0, *, day: int = 10) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (at(0, 59), None),  # 20:59 in New York
        (at(1), at(12)),  # 21:00, until 8:00 of the same night
        (at(11, 59), at(12)),
        (at(12), None),
    ],
)
def test_the_recipients_clock_counts(now: datetime, until: datetime | None) -> None:
    assert wait_until(NIGHT, NEW_YORK, now, own_zone=UTC) == until


def test_a_window_within_a_day() -> None:
    assert wait_until("12:00 - 13:30", VIENNA, at(10, 30), own_zone=UTC) == at(11, 30)
    assert wait_until("12:00-13:30", VIENNA, at(11, 30), own_zone=UTC) is None


def test_the_night_in_which_the_clocks_change() -> None:
    before = datetime(2026, 3, 28, 21, tzinfo=UTC)  # Vienna loses an hour at 2 in the morning
    assert wait_until(NIGHT, VIENNA, before, own_zone=UTC) == datetime(2026, 3, 29, 6, tzinfo=UTC)


@pytest.mark.parametrize("number", [TOLL_FREE, UNKNOWN])
def test_a_number_that_tells_nothing_leaves_it_to_our_own_clock(number: str) -> None:
    assert zones_of(number, at(12)) == []
    own = zoneinfo.ZoneInfo("Asia/Taipei")  # at 14:00 UTC it is 22:00 there
    assert wait_until(NIGHT, number, at(14), own_zone=own) == at(0, day=11)


def test_between_neighbouring_zones_it_is_quiet_as_long_as_in_one_of_them() -> None:
    number = "+447911123456"  # mainland, Jersey, Guernsey, Man: one hour, four names
    assert len(zones_of(number, at(12))) > 1
    assert wait_until(NIGHT, number, at(20), own_zone=UTC) == at(7, day=11)


def test_an_area_code_has_its_own_hour() -> None:
    [zone] = zones_of(TEXAS, at(12))
    assert at(12).astimezone(zone).utcoffset() == timedelta(hours=-6)


@pytest.mark.parametrize("window", ["9pm-8am", "21:00", "21:00-21:00", "24:00-08:00", "21-8", "21:00-08:60"])
def test_what_cannot_be_read_is_said(window: str) -> None:
    with pytest.raises(UnreadableQuietHours, match="quietHours"):
        wait_until(window, VIENNA, at(12), own_zone=UTC)
