"""The ways a part can go on, each one transaction behind the fence of the conversation's lease.

All raise `LeaseLost` when another worker took over; then nothing was written.
"""

import enum
from datetime import datetime

from django.db import transaction

from openclaw_sms.messaging import events
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.models import OutboundPart, PartState, Reason


class Progress(enum.Enum):
    """What one step of the outbox did."""

    MOVED = "moved"  # look again: there may be more to do
    IDLE = "idle"  # nothing to send now


def wait(
    part: OutboundPart,
    lease: Lease,
    *,
    now: datetime,
    until: datetime,
    reason: Reason,
    detail: str,
    **changes: object,
) -> Progress:
    """Leave a queued part in its place until `until`, and say why. No try is spent on it."""
    with transaction.atomic():
        lease.confirm(now)
        OutboundPart.objects.filter(pk=part.pk, state=PartState.QUEUED).update(
            next_attempt_at=until, reason=reason, detail=detail[:300], **changes
        )
    return Progress.MOVED


def put_off(
    part: OutboundPart, lease: Lease, state: PartState, *, now: datetime, until: datetime, **changes: object
) -> Progress:
    """Go to `state`, to be looked at again at `until`."""
    with transaction.atomic():
        lease.confirm(now)
        part.move(state, next_attempt_at=until, slot_at=None, **changes)
    return Progress.MOVED


def stop(
    part: OutboundPart,
    lease: Lease,
    state: PartState,
    reason: Reason,
    *,
    now: datetime,
    detail: str = "",
    error_code: int | None = None,
    **changes: object,
) -> Progress:
    """Give the part up, and keep the parts behind it from going out without it."""
    with transaction.atomic():
        lease.confirm(now)
        stopped = part.move(
            state,
            reason=reason,
            detail=(detail or reason.label)[:300],
            error_code=error_code,
            next_attempt_at=None,
            slot_at=None,
            **changes,
        )
        if stopped:
            part.block_rest()
        if stopped and state == PartState.FAILED:
            events.part_failed(part, now=now)
    return Progress.MOVED
