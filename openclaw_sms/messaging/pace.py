"""How fast one sending number sends: booked places on one clock that all processes and machines share.

A carrier takes so many segments a second from a number and queues the rest, so what is posted faster only hides in
Twilio's queue, where a short reply waits behind a long one. Here every conversation books a place for its next part
and for no other: a reply of ten parts and a reply of one take turns. The bookkeeping is the generic cell rate
algorithm: one timestamp a number, moved on by each booking.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from openclaw_sms.config.accounts import DEFAULT_SEGMENTS_PER_SECOND, Account
from openclaw_sms.models import OutboundPart, PartState, SenderNumber

logger = logging.getLogger(__name__)

# So many segments go out at once from a number that was idle; the reply to one text should not drip.
BURST = 3
# A place is kept this long for a worker that comes late. A later one books anew, or a pause would end in a flood.
PLACE_HOLDS = timedelta(seconds=10)

# Segments a second: one an hour.
SLOWEST = 1 / 3600
# A backlog this long is compared with what is booked.
UNLIKELY_BACKLOG = timedelta(minutes=2)

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
# Quotas of a day are reset at an hour that Twilio does not tell; trying once an hour finds it.
DAILY_CAP_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """When a part may go. `pause_code`: Twilio's reason when the number pauses until then; 0: a booked place."""

    at: datetime
    pause_code: int | None = None

    @property
    def is_pause(self) -> bool:
        return self.pause_code is not None


def address_of(account: Account) -> str:
    """What the rate belongs to: the number, or the service that picks one."""
    return account.from_number or account.messaging_service_sid


def place(account: Account, *, segments: int, booked: datetime | None, now: datetime) -> Place:
    """The part's place: now, or later. `booked` is the place it has already. Locks the number's row until commit."""
    number = _locked(address_of(account))
    if number.paused_until is not None and number.paused_until > now:
        return Place(number.paused_until, number.pause_code or 0)
    if booked is not None and now < booked + PLACE_HOLDS:
        return Place(now)
    return Place(_book(number, segments, account.segments_per_second, now))


def _book(number: SenderNumber, segments: int, rate: float, now: datetime) -> datetime:
    each = _interval(rate)
    free_at = max(number.next_free_at or now, now)
    if free_at - now > UNLIKELY_BACKLOG:
        free_at = min(free_at, now + each * _booked_segments())
    SenderNumber.objects.filter(pk=number.pk).update(next_free_at=free_at + each * segments)
    return max(now, free_at - each * (BURST - 1))


def _interval(rate: float) -> timedelta:
    """From one segment to the next. A rate next to nothing is one that no date can be reckoned with."""
    return timedelta(seconds=1 / (max(rate, SLOWEST) if rate > 0 else DEFAULT_SEGMENTS_PER_SECOND))


def _booked_segments() -> int:
    """What can be booked at most: more, and the clock was set back since."""
    booked = OutboundPart.objects.filter(state=PartState.QUEUED, slot_at__isnull=False)
    return int(booked.aggregate(total=Sum("segments"))["total"] or 0)


def _locked(address: str) -> SenderNumber:
    """The row, locked; SQLite's transactions are alone anyway."""
    rows = SenderNumber.objects.select_for_update()
    return rows.filter(address=address).first() or rows.get_or_create(address=address)[0]


def pause(address: str, *, code: int, daily: bool, retry_after: timedelta | None, now: datetime) -> datetime:
    """Let the number rest: longer each time until a text is accepted, never shorter than Twilio asks."""
    number, _ = SenderNumber.objects.get_or_create(address=address)
    if number.paused_until is not None and number.paused_until > now:
        return number.paused_until
    usual = DAILY_CAP_PAUSE if daily else min(FIRST_PAUSE * (1 << min(number.pauses, 10)), LONGEST_PAUSE)
    until = now + max(usual, min(retry_after or timedelta(0), DAILY_CAP_PAUSE))
    SenderNumber.objects.filter(pk=number.pk, pauses=number.pauses).update(
        paused_until=until, pause_code=code or None, pauses=min(number.pauses + 1, 100)
    )
    logger.warning("sender.paused code=%s seconds=%s", code, int((until - now).total_seconds()))
    return until


def resumed(address: str) -> None:
    """A text was accepted: the next pause is a first one again."""
    SenderNumber.objects.filter(address=address, pauses__gt=0).update(pauses=0, paused_until=None, pause_code=None)


def paused(now: datetime) -> list[SenderNumber]:
    """The numbers that rest now."""
    return list(SenderNumber.objects.filter(paused_until__gt=now))
