"""Every state a row can be in, and the one table of moves that are legal.

Models own which move is legal; `access` and `messaging` own when it happens. A move is a conditional update: it says
whether it won, so that two workers or two operators can never both make it.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models


class InboundState(models.TextChoices):
    RECEIVED = "received", "waiting"
    PROCESSING = "processing", "being answered"
    ANSWERED = "answered", "answered"
    SILENT = "silent", "no reply wanted"
    REFUSED = "refused", "refused"
    HELD = "held", "kept until the sender is approved"
    THROTTLED = "throttled", "kept: too many at once"
    PARKED = "parked", "needs the operator"
    AWAITING = "awaiting", "the agent answers later"


class EventState(models.TextChoices):
    PENDING = "pending", "waiting"
    DELIVERED = "delivered", "delivered"
    DEAD = "dead", "given up"
    GONE = "gone", "not wanted"


class PairingState(models.TextChoices):
    PENDING = "pending", "waiting"
    APPROVED = "approved", "approved"
    DISMISSED = "dismissed", "dismissed"
    EXPIRED = "expired", "expired"


class PartState(models.TextChoices):
    QUEUED = "queued", "waiting"
    SENDING = "sending", "being sent"
    CHECKING = "checking", "asking Twilio"
    ACCEPTED = "accepted", "accepted by Twilio"
    UNCERTAIN = "uncertain", "uncertain"
    FAILED = "failed", "failed"
    BLOCKED = "blocked", "waits behind a failed part"
    CANCELLED = "cancelled", "cancelled"


class Delivery(models.TextChoices):
    """Twilio's own words for what became of a text, plus `conflicted`: two different endings were reported."""

    UNKNOWN = "", "not reported"
    ACCEPTED = "accepted", "accepted"
    SCHEDULED = "scheduled", "scheduled"
    QUEUED = "queued", "queued"
    SENDING = "sending", "sending"
    SENT = "sent", "sent"
    DELIVERED = "delivered", "delivered"
    READ = "read", "read"
    UNDELIVERED = "undelivered", "undelivered"
    FAILED = "failed", "failed"
    CANCELED = "canceled", "canceled"
    CONFLICTED = "conflicted", "conflicting reports"


Moves = Mapping[str, frozenset[str]]

INBOUND_MOVES: Moves = {
    InboundState.RECEIVED: frozenset({InboundState.PROCESSING}),
    InboundState.PROCESSING: frozenset(
        {
            InboundState.RECEIVED,  # a later try, or handed back
            InboundState.ANSWERED,
            InboundState.SILENT,
            InboundState.REFUSED,
            InboundState.HELD,
            InboundState.THROTTLED,
            InboundState.PARKED,
            InboundState.AWAITING,
        }
    ),
    # The agent took the text and answers through the API; when its time is over the operator is asked.
    InboundState.AWAITING: frozenset({InboundState.ANSWERED, InboundState.PARKED}),
    # An owner may ask for any text that got no answer to be answered after all.
    # Answered: a program did so through the API, naming the text.
    InboundState.SILENT: frozenset({InboundState.RECEIVED, InboundState.ANSWERED}),
    InboundState.REFUSED: frozenset({InboundState.RECEIVED}),
    InboundState.HELD: frozenset({InboundState.RECEIVED}),
    InboundState.THROTTLED: frozenset({InboundState.RECEIVED}),
    InboundState.PARKED: frozenset({InboundState.RECEIVED, InboundState.ANSWERED}),
    InboundState.ANSWERED: frozenset(),
}

PAIRING_MOVES: Moves = {
    PairingState.PENDING: frozenset({PairingState.APPROVED, PairingState.DISMISSED, PairingState.EXPIRED}),
    PairingState.APPROVED: frozenset(),
    PairingState.DISMISSED: frozenset(),
    PairingState.EXPIRED: frozenset(),
}

EVENT_MOVES: Moves = {
    EventState.PENDING: frozenset({EventState.DELIVERED, EventState.DEAD, EventState.GONE}),
    # The operator has it sent again; for one that was not wanted this also turns the receiver on again.
    EventState.DEAD: frozenset({EventState.PENDING}),
    EventState.GONE: frozenset({EventState.PENDING}),
    EventState.DELIVERED: frozenset(),
}

PART_MOVES: Moves = {
    PartState.QUEUED: frozenset(
        {
            PartState.SENDING,
            PartState.ACCEPTED,  # a status callback tells of a post we had given up
            PartState.FAILED,
            PartState.BLOCKED,
            PartState.CANCELLED,
        }
    ),
    PartState.SENDING: frozenset(
        {
            PartState.ACCEPTED,
            PartState.QUEUED,
            PartState.CHECKING,
            PartState.FAILED,
            PartState.CANCELLED,  # the gate closed after the marker was written, before the post
        }
    ),
    PartState.CHECKING: frozenset({PartState.ACCEPTED, PartState.QUEUED, PartState.UNCERTAIN}),
    PartState.UNCERTAIN: frozenset({PartState.ACCEPTED, PartState.QUEUED, PartState.CANCELLED}),
    # Accepted: a status callback tells of an earlier post, whose answer was lost.
    PartState.FAILED: frozenset({PartState.ACCEPTED, PartState.QUEUED, PartState.CANCELLED}),
    PartState.BLOCKED: frozenset({PartState.QUEUED, PartState.CANCELLED}),
    PartState.ACCEPTED: frozenset(),
    PartState.CANCELLED: frozenset(),
}


class IllegalMove(ValueError):
    """A programming error: the table of moves has no such move."""


class StatefulModel(models.Model):
    """A row with a `state` and a table of legal moves."""

    MOVES: Moves
    state = models.CharField(max_length=16)

    class Meta:
        abstract = True

    def move(self, to: str, **changes: Any) -> bool:
        """Go from the state this object was read in to `to`, with `changes`, in one conditional update.

        True when this call made the move; False when somebody else was faster, and then nothing was written.
        """
        if to not in self.MOVES[self.state]:
            raise IllegalMove(f"{type(self).__name__} cannot go from {self.state} to {to}")
        rows = type(self)._default_manager.filter(pk=self.pk, state=self.state)
        if not rows.update(state=to, **changes):
            return False
        self.state = to
        for name, value in changes.items():
            setattr(self, name, value)
        return True
