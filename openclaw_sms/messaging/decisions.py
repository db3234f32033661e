"""What an operator decides about a text or a part that stopped. Each door calls these; each leaves an audit row.

Two operators may press two buttons: the first wins, the second is told.
"""

import functools
from datetime import datetime

from django.db import transaction

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import queue
from openclaw_sms.models import InboundMessage, InboundState, OutboundPart, PartState, Reason

# A text that is waiting or being answered belongs to the worker.
ANSWERABLE = frozenset(
    {
        InboundState.HELD,
        InboundState.PARKED,
        InboundState.REFUSED,
        InboundState.SILENT,
        InboundState.THROTTLED,
    }
)
RESENDABLE = frozenset({PartState.FAILED, PartState.UNCERTAIN})

# What a text has behind it does not count any more. That the agent was asked before (`attempts`) stays true.
AFRESH = {
    "failures": 0,
    "crashes": 0,
    "next_attempt_at": None,
    "reason": Reason.NONE,
    "detail": "",
    "finished_at": None,
}


class AlreadyDecided(Exception):
    """The row has moved on since the operator saw it. The message is the operator's sentence."""

    code = "already_decided"

    def __init__(self, row: InboundMessage | OutboundPart) -> None:
        row.refresh_from_db(fields=["state"])
        what = "text" if isinstance(row, InboundMessage) else "part"
        super().__init__(f"That was already decided: the {what} is now “{row.get_state_display()}”.")


def answer_now(text: InboundMessage, *, actor: Actor, now: datetime) -> None:
    """Have a text that got no answer answered after all, policy and all. Raises `AlreadyDecided`."""
    with transaction.atomic():
        if text.state not in ANSWERABLE or not text.move(InboundState.RECEIVED, answer_asked_at=now, **AFRESH):
            raise AlreadyDecided(text)
        audit.record(
            "text.answer_asked",
            actor=actor,
            at=now,
            account_id=text.account_id,
            subject=text.sender,
            sid=text.sid,
        )
        transaction.on_commit(functools.partial(queue.wake_inbound, text.pk))


def send_again(part: OutboundPart, *, actor: Actor, now: datetime) -> None:
    """Send a failed or uncertain part again, and then the parts held back behind it. Raises `AlreadyDecided`."""
    with transaction.atomic():
        if part.state not in RESENDABLE:
            raise AlreadyDecided(part)
        _go_on(part, PartState.QUEUED, attempts=0, checks=0, error_code=None)
        _record("part.send_again", part, actor, now)


def mark_sent(part: OutboundPart, *, actor: Actor, now: datetime) -> None:
    """The operator saw an uncertain part in Twilio's log; the parts behind it go on. Raises `AlreadyDecided`."""
    with transaction.atomic():
        if part.state != PartState.UNCERTAIN:
            raise AlreadyDecided(part)
        _go_on(part, PartState.ACCEPTED, accepted_at=now)
        _record("part.marked_sent", part, actor, now)


def _go_on(part: OutboundPart, to: PartState, **changes: object) -> None:
    if not part.move(to, next_attempt_at=None, reason=Reason.NONE, detail="", **changes):
        raise AlreadyDecided(part)
    part.release_rest()
    transaction.on_commit(functools.partial(queue.wake_outbox, part.conversation_id))


def _record(action: str, part: OutboundPart, actor: Actor, now: datetime) -> None:
    conversation = part.conversation
    audit.record(
        action, actor=actor, at=now, account_id=conversation.account_id, subject=conversation.sender, part=part.pk
    )
