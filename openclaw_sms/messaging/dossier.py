"""All that is stored of one number on one account, as plain values: what a person may ask us to hand over."""

from collections.abc import Iterator
from typing import Any

from openclaw_sms.access import opt_out
from openclaw_sms.messaging.erasure import NothingStored
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    OptOut,
    OutboundMessage,
    PairingRequest,
    SmsAccount,
)
from openclaw_sms.text.phone import addresses_of, number_of


def of(account_pk: int, address: str) -> dict[str, Any]:
    """By text and on WhatsApp. JSON-ready, times in ISO 8601. Raises `NothingStored`."""
    number = number_of(address)
    known = {
        "texts_received": list(_received(account_pk, number)),
        "texts_sent": list(_sent(account_pk, number)),
        "pairing_requests": list(_requests(account_pk, number)),
        "allowed": list(_allowed(account_pk, number)),
        "opt_out": _opt_out(account_pk, number),
        "history": list(_history(account_pk, number)),
    }
    if not any(known.values()):
        raise NothingStored
    account = SmsAccount.objects.values_list("account_id", flat=True).get(pk=account_pk)
    return {"account": account, "number": number, **known}


def _received(account_pk: int, number: str) -> Iterator[dict[str, Any]]:
    texts = InboundMessage.objects.filter(account_id=account_pk, sender__in=addresses_of(number)).order_by("id")
    for text in texts.iterator():
        yield {
            "sid": text.sid,
            "received_at": text.received_at.isoformat(),
            "body": text.body,
            "form": bytes(text.form).decode(errors="replace"),
            "state": text.state,
            "reason": text.reason,
            "erased_at": text.erased_at.isoformat() if text.erased_at else None,
        }


def _sent(account_pk: int, number: str) -> Iterator[dict[str, Any]]:
    talks = Conversation.objects.filter(account_id=account_pk, sender__in=addresses_of(number))
    messages = OutboundMessage.objects.filter(conversation__in=talks)
    for message in messages.prefetch_related("parts__events").order_by("id"):
        yield {
            "created_at": message.created_at.isoformat(),
            "kind": message.kind,
            "author": message.author,
            "text": message.text,
            "erased_at": message.erased_at.isoformat() if message.erased_at else None,
            "parts": [
                {
                    "number": part.number,
                    "sid": part.sid,
                    "body": part.body,
                    "state": part.state,
                    "delivery": part.delivery,
                    "reason": part.reason,
                    "reports": [
                        {"status": report.status, "error": report.error_code, "at": report.received_at.isoformat()}
                        for report in part.events.all()
                    ],
                }
                for part in message.parts.all()
            ],
        }


def _requests(account_pk: int, number: str) -> Iterator[dict[str, Any]]:
    requests = PairingRequest.objects.filter(account_id=account_pk, sender__in=addresses_of(number))
    for request in requests.order_by("id"):
        yield {
            "code": request.code,
            "state": request.state,
            "created_at": request.created_at.isoformat(),
            "decided_by": request.decided_by,
        }


def _allowed(account_pk: int, number: str) -> Iterator[dict[str, Any]]:
    for row in AllowedSender.objects.filter(account_id=account_pk, number=number):
        yield {"source": row.source, "note": row.note, "added_by": row.added_by, "added_at": row.added_at.isoformat()}


def _opt_out(account_pk: int, number: str) -> dict[str, str] | None:
    row = OptOut.objects.filter(account_id=account_pk, number=number).select_related("account")
    table = list(opt_out.as_rows(row))
    return dict(zip(table[0], table[1], strict=True)) if len(table) > 1 else None


def _history(account_pk: int, number: str) -> Iterator[dict[str, Any]]:
    for event in AuditEvent.objects.filter(account_id=account_pk, subject__in=addresses_of(number)).order_by("id"):
        yield {"at": event.at.isoformat(), "actor": event.actor, "action": event.action, "detail": event.detail}
