"""Outgoing events: written in the transaction of what they tell of, posted later by `messaging.event_delivery`.

Nothing is written while SMS_EVENTS_URL is not set, or after the receiver answered that it wants no more.
At least once, in no promised order; a receiver tells repetitions by `webhook-id`.
"""

import functools
import hashlib
import json
import threading
import uuid
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from openclaw_sms.messaging import wire
from openclaw_sms.messaging.wire import ARRIVED, LOST, Json
from openclaw_sms.models import (
    Delivery,
    EventState,
    EventType,
    InboundMessage,
    OutboundMessage,
    OutboundPart,
    OutgoingEvent,
    PairingRequest,
)

# The specification asks for less than 20 kB: this many characters are 16 kB at worst.
LONGEST_TEXT = 4_000

# Set when this process has written an event, so that its own delivery loop need not wait for the next look.
written = threading.Event()


def text_received(text: InboundMessage, *, now: datetime) -> None:
    if is_on():
        _write(EventType.TEXT_RECEIVED, text.account_id, wire.received(text), now)


def text_answered(text: InboundMessage, message: OutboundMessage, *, now: datetime) -> None:
    if is_on():
        data = {"message": message.pk, "to": text.sender, "inReplyTo": text.sid, "text": message.text}
        _write(EventType.TEXT_ANSWERED, text.account_id, {"account": text.account.account_id, **data}, now)


def pairing_requested(request: PairingRequest, *, now: datetime) -> None:
    if is_on():
        first = request.first_text.body if request.first_text else ""
        data = {**wire.pairing_request(request), "text": first}
        _write(EventType.PAIRING_REQUESTED, request.account_id, data, now)


def part_reported(part: OutboundPart, before: Delivery, after: Delivery, *, now: datetime) -> None:
    """Tell of a whole text when the last of its parts has arrived, or when one is lost. Inside a transaction."""
    if not is_on():
        return
    if after in ARRIVED and before not in ARRIVED:
        # Two parts may arrive in the same moment; only who comes second sees both, so they queue here.
        message = OutboundMessage.objects.select_for_update().get(pk=part.message_id)
        if not OutboundPart.objects.filter(message=message).exclude(delivery__in=ARRIVED).exists():
            _tell(EventType.MESSAGE_DELIVERED, part, now)
    elif after in LOST and before not in LOST:
        _tell(EventType.MESSAGE_FAILED, part, now)


def part_failed(part: OutboundPart, *, now: datetime) -> None:
    """A part that Twilio never took."""
    if is_on():
        _tell(EventType.MESSAGE_FAILED, part, now)


def erase_older(before: datetime, *, now: datetime) -> int:
    """Take the words and numbers out of events from before `before` that do not wait to be posted; how many."""
    old = OutgoingEvent.objects.filter(created_at__lt=before).exclude(state=EventState.PENDING)
    return _erase(old, now)


def erase_of(account_pk: int, addresses: Iterable[str], *, now: datetime) -> int:
    """The same for every event of the account that names one of `addresses`. Those that wait go out without."""
    rows = OutgoingEvent.objects.filter(account_id=account_pk)
    quoted = [json.dumps(address, ensure_ascii=False) for address in addresses]
    return sum(_erase(rows.filter(payload__contains=address), now) for address in quoted)


def is_on() -> bool:
    """Whether there is a receiver, and it has not said that it wants no more."""
    if not settings.SMS_EVENTS_URL:
        return False
    return not OutgoingEvent.objects.filter(receiver=receiver(), state=EventState.GONE).exists()


def receiver() -> str:
    """What rows call the receiver: its address may hold a secret."""
    return hashlib.sha256(settings.SMS_EVENTS_URL.encode()).hexdigest()[:16]


def _tell(kind: EventType, part: OutboundPart, now: datetime) -> None:
    message = OutboundMessage.objects.select_related("conversation__account", "in_reply_to").get(pk=part.message_id)
    _write(kind, message.conversation.account_id, wire.sent(message), now)


def _erase(events: QuerySet[OutgoingEvent], now: datetime) -> int:
    rows = list(events.filter(erased_at__isnull=True).select_related("account"))
    for event in rows:
        data = {"account": event.account.account_id, "erased": True}
        payload = _as_payload(EventType(event.type), data, event.created_at)
        OutgoingEvent.objects.filter(pk=event.pk).update(payload=payload, erased_at=now)
    return len(rows)


def _write(kind: EventType, account_pk: int, data: Json, now: datetime) -> None:
    OutgoingEvent.objects.create(
        event_id=f"evt_{uuid.uuid4().hex}",
        type=kind,
        account_id=account_pk,
        receiver=receiver(),
        payload=_as_payload(kind, _bounded(data), now),
        next_attempt_at=now,
        created_at=now,
    )
    transaction.on_commit(functools.partial(written.set))


def _as_payload(kind: EventType, data: Json, at: datetime) -> str:
    payload = {"type": kind.value, "timestamp": wire.moment(at), "data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def _bounded(data: Json) -> Json:
    """Long texts are cut, and say so; parts are told of without their words, which the text holds already."""
    bounded = dict(data)
    if "text" in bounded:
        bounded["truncated"] = len(bounded["text"]) > LONGEST_TEXT
        bounded["text"] = bounded["text"][:LONGEST_TEXT]
    if "parts" in bounded:
        bounded["parts"] = [{name: part[name] for name in part if name != "body"} for part in bounded["parts"]]
    return bounded
