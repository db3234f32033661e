"""How long an HTTP server asks to be left alone (`Retry-After`, RFC 9110 section 10.2.3).

Believes no server beyond `LONGEST_WAIT`: a person is waiting for the reply, and later texts wait behind it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(minutes=10)


def wait_asked_for(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """The wait in `headers` (names in lower case, or a case-blind mapping), from 0 to `LONGEST_WAIT`.

    None when the header is absent or neither whole seconds nor an HTTP date. A date is measured from the
    response's own `Date`, so that two clocks that disagree do no harm, and from `now` when it has none.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return _bounded(timedelta(seconds=int(value[:9])))
    until = _http_date(value)
    if until is None:
        return None
    return _bounded(until - (_http_date(headers.get("date", "")) or now))


def _bounded(wait: timedelta) -> timedelta:
    return max(timedelta(0), min(wait, LONGEST_WAIT))


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
