"""What programs are told of rows, as JSON values: the REST API, the MCP server and outgoing events use one form.

Keys are camelCase, times ISO 8601 in UTC, absent values null. Numbers are whole here: whoever may not see them is
given `without_words`.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from openclaw_sms.models import (
    AllowedSender,
    Conversation,
    Delivery,
    InboundMessage,
    OutboundMessage,
    OutboundPart,
    OutgoingEvent,
    PairingRequest,
    PartState,
)
from openclaw_sms.text.phone import mask

Json = dict[str, Any]

ARRIVED = frozenset({Delivery.DELIVERED, Delivery.READ})
LOST = frozenset({Delivery.UNDELIVERED, Delivery.FAILED, Delivery.CANCELED})
# States of a whole text, worst first: the first that any part is in.
QUEUED, SENT, DELIVERED, FAILED, UNCERTAIN, CANCELLED = STATES = (
    "queued",
    "sent",
    "delivered",
    "failed",
    "uncertain",
    "cancelled",
)
WORST_FIRST = (FAILED, UNCERTAIN, CANCELLED, QUEUED, SENT, DELIVERED)


def moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def receipt(message: OutboundMessage) -> Json:
    """What is known of a text the moment it is in the outbox, and never changes after."""
    return {
        "id": message.pk,
        "account": message.conversation.account.account_id,
        "conversation": message.conversation_id,
        "to": message.conversation.sender,
        "kind": message.kind,
        "author": message.author,
        "text": message.text,
        "inReplyTo": message.in_reply_to.sid if message.in_reply_to else None,
        "createdAt": moment(message.created_at),
        "parts": [_written(part) for part in _numbered(message)],
    }


def sent(message: OutboundMessage) -> Json:
    """A text sent, with how far each part got."""
    parts = _numbered(message)
    return {
        **receipt(message),
        "state": state_of(parts),
        "parts": [{**_written(part), **_fate(part)} for part in parts],
    }


def received(text: InboundMessage) -> Json:
    return {
        "sid": text.sid,
        "account": text.account.account_id,
        "from": text.sender,
        "text": text.body,
        "state": text.state,
        "reason": text.reason or None,
        "detail": text.detail,
        "receivedAt": moment(text.received_at),
    }


def said(item: InboundMessage | OutboundMessage) -> Json:
    """One text of a thread."""
    if isinstance(item, InboundMessage):
        return {"direction": "in", "received": received(item)}
    return {"direction": "out", "sent": sent(item)}


def conversation(row: Conversation, *, opted_out: bool) -> Json:
    return {
        "id": row.pk,
        "account": row.account.account_id,
        "number": row.sender,
        "optedOut": opted_out,
        "lastActivityAt": moment(row.last_activity_at),
    }


def pairing_request(request: PairingRequest) -> Json:
    return {
        "id": request.pk,
        "code": request.code,
        "account": request.account.account_id,
        "sender": request.sender,
        "createdAt": moment(request.created_at),
        "lastSeenAt": moment(request.last_seen_at),
        "expiresAt": moment(request.expires_at),
    }


def allowed_sender(row: AllowedSender) -> Json:
    return {
        "id": row.pk,
        "account": row.account.account_id,
        "number": row.number,
        "source": row.source,
        "note": row.note,
        "addedBy": row.added_by,
        "addedAt": moment(row.added_at),
    }


def event(row: OutgoingEvent) -> Json:
    return {
        "id": row.event_id,
        "type": row.type,
        "account": row.account.account_id,
        "state": row.state,
        "attempts": row.attempts,
        "answer": row.answer,
        "detail": row.detail,
        "createdAt": moment(row.created_at),
        "nextAttemptAt": moment(row.next_attempt_at) if row.state == "pending" else None,
        "finishedAt": moment(row.finished_at),
    }


def without_words(told: Mapping[str, Any]) -> Json:
    """A text sent, for a token that may not read: the number masked, and no words."""
    parts = [{**part, "body": None} for part in told["parts"]]
    return {**told, "to": mask(told["to"]), "text": None, "parts": parts}


def state_of(parts: Collection[OutboundPart]) -> str:
    """One word for a whole text."""
    found = {_state_of(part) for part in parts}
    return next((state for state in WORST_FIRST if state in found), QUEUED)


def _state_of(part: OutboundPart) -> str:
    if part.delivery in ARRIVED:
        return DELIVERED
    if part.delivery in LOST or part.state in (PartState.FAILED, PartState.BLOCKED):
        return FAILED
    return {
        PartState.ACCEPTED.value: SENT,
        PartState.UNCERTAIN.value: UNCERTAIN,
        PartState.CANCELLED.value: CANCELLED,
    }.get(part.state, QUEUED)


def _numbered(message: OutboundMessage) -> list[OutboundPart]:
    return sorted(message.parts.all(), key=lambda part: part.number)


def _written(part: OutboundPart) -> Json:
    return {"number": part.number, "body": part.body, "encoding": part.encoding, "segments": part.segments}


def _fate(part: OutboundPart) -> Json:
    return {
        "state": part.state,
        "delivery": part.delivery or None,
        "sid": part.sid or None,
        "errorCode": part.error_code,
        "reason": part.reason or None,
        "detail": part.detail,
    }
