"""What an operator decides about a text or a part that stopped. Each door calls these; each leaves an audit row.

Two operators may press two buttons: the first wins, the second is told.
"""

import functools
import re
from datetime import datetime

from django.db import transaction

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import delivery, gate, outbox, queue
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import (
    Delivery,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)

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


UNDELIVERED = frozenset({Delivery.UNDELIVERED, Delivery.FAILED, Delivery.CANCELED})
SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")


class UnusableSid(ConfigurationError):
    code = "unusable_sid"


class Erased(Exception):
    """The words of this text are gone, so it can be neither answered nor sent."""

    code = "erased"

    def __init__(self) -> None:
        super().__init__("The words of this text were erased: there is nothing left to answer or to send.")


class AlreadyDecided(Exception):
    """The row has moved on since the operator saw it. The message is the operator's sentence."""

    code = "already_decided"

    def __init__(self, row: InboundMessage | OutboundPart) -> None:
        row.refresh_from_db(fields=["state"])
        what = "text" if isinstance(row, InboundMessage) else "part"
        super().__init__(f"That was already decided: the {what} is now “{row.get_state_display()}”.")


def answer_now(text: InboundMessage, *, actor: Actor, now: datetime) -> None:
    """Have a text that got no answer answered after all, policy and all. Raises `AlreadyDecided`, `Erased`."""
    with transaction.atomic():
        if InboundMessage.objects.filter(pk=text.pk, erased_at__isnull=False).exists():
            raise Erased
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
    """Send a part again that failed, is uncertain or was not delivered, and then the parts held back behind it.

    An undelivered text was taken by Twilio and has its sid and its reports: the same words go out as a new text.
    Raises `AlreadyDecided`, `Erased`, or `Withheld` for a recipient who must not be texted.
    """
    _refuse_closed_gate(part, now)
    with transaction.atomic():
        if OutboundMessage.objects.filter(pk=part.message_id, erased_at__isnull=False).exists():
            raise Erased
        if is_undelivered(part):
            _write_anew(part, actor, now)
        elif part.state in RESENDABLE:
            _go_on(part, PartState.QUEUED, attempts=0, checks=0, error_code=None, candidates=[])
        else:
            raise AlreadyDecided(part)
        _record("part.send_again", part, actor, now)


def _refuse_closed_gate(part: OutboundPart, now: datetime) -> None:
    to = part.conversation
    account = accounts.current().by_pk(to.account_id)
    refusal = gate.can_send(account, to.sender, part.message.kind, now=now) if account else None
    if refusal is not None and refusal.until is None:
        raise Withheld(refusal)


def is_undelivered(part: OutboundPart) -> bool:
    """Twilio took it and reported that it did not arrive, and it was not sent anew since."""
    return part.state == PartState.ACCEPTED and part.delivery in UNDELIVERED and part.reason != Reason.SENT_ANEW


def _write_anew(part: OutboundPart, actor: Actor, now: datetime) -> None:
    marked = OutboundPart.objects.filter(pk=part.pk, delivery__in=UNDELIVERED).exclude(reason=Reason.SENT_ANEW)
    if not marked.update(reason=Reason.SENT_ANEW, detail=""):
        raise AlreadyDecided(part)
    outbox.write(
        part.conversation,
        part.body,
        kind=OutboundKind.MESSAGE,
        author=actor.name,
        limit=max(len(part.body), 1),
        now=now,
    )


def mark_sent(part: OutboundPart, *, actor: Actor, now: datetime, sid: str = "") -> None:
    """The operator saw an uncertain part in Twilio's log; the parts behind it go on.

    `sid`: the text's there, which its reports are then joined to; "" when the operator does not say.
    Raises `AlreadyDecided`, or `UnusableSid`.
    """
    wanted = sid.strip()
    if wanted and not SID.fullmatch(wanted):
        raise UnusableSid("A MessageSid is SM or MM and 32 digits or letters a to f: copy it from Twilio's log.")
    with transaction.atomic():
        if part.state != PartState.UNCERTAIN:
            raise AlreadyDecided(part)
        if wanted and OutboundPart.objects.filter(sid=wanted).exists():
            raise UnusableSid("That MessageSid belongs to another text of ours: choose the one of this text.")
        followed = now if wanted else None
        _go_on(part, PartState.ACCEPTED, accepted_at=now, sid=wanted, candidates=[], next_poll_at=followed)
        if wanted:
            delivery.join(part)
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
