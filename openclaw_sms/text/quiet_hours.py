"""Quiet hours: until when a text that nobody asked for has to wait, by the clock where its recipient is.

Where that is, only the number can tell, and not every number does: a mobile number keeps its area code when its owner
moves, a toll-free one belongs nowhere. What it tells is taken; where it tells too little, the gateway's clock counts.
"""

import re
import zoneinfo
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
# The zones of one area code or of a small country. Wider than that, a number tells nothing about the hour.
WIDEST = timedelta(hours=3)


class UnreadableQuietHours(ValueError):
    """`str()` is a sentence with the fix."""

    def __init__(self) -> None:
        super().__init__("The account's quietHours must be two different times, for example 21:00-08:00.")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` on the recipient's clock; over midnight when `end` is the earlier one."""

    start: time
    end: time

    @classmethod
    def parse(cls, window: str) -> "QuietHours":
        """Raises `UnreadableQuietHours`."""
        found = _WINDOW.fullmatch(window.strip())
        if found is None:
            raise UnreadableQuietHours
        hours = [int(number) for number in found.groups()]
        start, end = time(hours[0], hours[1]), time(hours[2], hours[3])
        if start == end:
            raise UnreadableQuietHours
        return cls(start, end)

    def over_at(self, local: datetime) -> datetime | None:
        """When the quiet hours that hold at `local` (aware) end; None when none hold."""
        clock = local.time().replace(tzinfo=None)
        if self.start < self.end:
            return self._end_on(local, 0) if self.start <= clock < self.end else None
        if clock >= self.start:
            return self._end_on(local, 1)
        return self._end_on(local, 0) if clock < self.end else None

    def _end_on(self, local: datetime, days: int) -> datetime:
        day = (local + timedelta(days=days)).date()
        return datetime.combine(day, self.end, tzinfo=local.tzinfo)


def wait_until(window: str, number: str, now: datetime, *, own_zone: tzinfo) -> datetime | None:
    """Until when a text to `number` (E.164) waits; None when it may go now. `now` is aware.

    Where a number may be in neighbouring zones it is quiet while it is quiet in one of them. Raises
    `UnreadableQuietHours`.
    """
    hours = QuietHours.parse(window)
    ends = [hours.over_at(now.astimezone(zone)) for zone in zones_of(number, now) or [own_zone]]
    return max((end for end in ends if end is not None), default=None)


def zones_of(number: str, now: datetime) -> list[tzinfo]:
    """The time zones that `number` may be in; none when that says nothing about the hour."""
    zones = list(_zones(number))
    offsets = [now.astimezone(zone).utcoffset() or timedelta(0) for zone in zones]
    return [*zones] if offsets and max(offsets) - min(offsets) <= WIDEST else []


def _zones(number: str) -> Iterator[zoneinfo.ZoneInfo]:
    # A table of all prefixes, which only who keeps quiet hours needs to load.
    from phonenumbers import NumberParseException, parse
    from phonenumbers.timezone import time_zones_for_number

    try:
        names = time_zones_for_number(parse(number))
    except NumberParseException:
        return
    for name in names:
        with suppress(zoneinfo.ZoneInfoNotFoundError):  # "Etc/Unknown", or a machine without the newest zones
            yield zoneinfo.ZoneInfo(name)
