"""The phone simulator: a page with pretend phones, and the texts behind it.

A text from a phone takes the road of a real one: stored, signed, posted over HTTP to the product's own webhook.
What the product answers comes through the pretend API. The page asks for changes, so both show up by themselves.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from openclaw_sms.sandbox import carrier, state, store
from openclaw_sms.sandbox.carrier import API_VERSION
from openclaw_sms.sandbox.phones import PHONES, shown
from openclaw_sms.sandbox.posting import post_signed
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Answer, Direction, Text
from openclaw_sms.sandbox.this_machine import this_machine_only
from openclaw_sms.sandbox.welcome import APPROVE_COMMAND
from openclaw_sms.text.phone import InvalidNumber, normalise_number
from openclaw_sms.text.segments import MAX_BODY_UNITS

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)


class NotTexted(ValueError):
    """What cannot be texted, in a sentence for the person at the phone."""


@this_machine_only
@require_GET
@never_cache
@ensure_csrf_cookie
def simulator(request: HttpRequest) -> HttpResponse:
    """The page. Its script does the rest."""
    carrier.wake()
    number = state.current().from_number
    response = render(
        request,
        "sandbox/phone.html",
        {
            "phones": PHONES,
            "assistant_number": shown(number),
            "longest_text": MAX_BODY_UNITS,
            "approve_command": APPROVE_COMMAND,
        },
    )
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@this_machine_only
@require_http_methods(["GET", "POST"])
@never_cache
def messages(request: HttpRequest) -> HttpResponse:
    """GET `?after=CURSOR[&phone=+1…]`: what changed, on one phone or on all. POST `phone`, `body`: text the product.

    POST answers 201 with the text, whose `status` is what the webhook said; 400 with `error`, a sentence.
    """
    if request.method == "POST":
        return _send(request)
    after = request.GET.get("after", "")
    changes = store.current().changes(
        after=int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0,
        phone=request.GET.get("phone", ""),
    )
    return JsonResponse({"cursor": changes.cursor, "messages": [_as_json(text) for text in changes.texts]})


def _send(request: HttpRequest) -> HttpResponse:
    sandbox = state.current()
    try:
        phone, body = _checked(request, sandbox)
    except (NotTexted, InvalidNumber) as refusal:
        return JsonResponse({"error": str(refusal)}, status=400)
    text = store.current().add(
        Direction.FROM_PHONE, sender=phone, recipient=sandbox.from_number, body=body, now=timezone.now()
    )
    return JsonResponse(_as_json(_deliver(text, sandbox)), status=201)


def _checked(request: HttpRequest, sandbox: Sandbox) -> tuple[str, str]:
    """The phone and the body. Raises `NotTexted` or `InvalidNumber`."""
    phone = normalise_number(request.POST.get("phone", ""))
    body = request.POST.get("body", "")
    if phone == sandbox.from_number:
        raise NotTexted("This is the assistant's own number: choose one of the phones.")
    if not body.strip():
        raise NotTexted("There is nothing to send yet: type a text.")
    if store.is_too_long(body):
        raise NotTexted(f"A text has at most {MAX_BODY_UNITS} characters.")
    return phone, body


def _deliver(text: Text, sandbox: Sandbox) -> Text:
    """The text with the webhook's answer. Nothing is locked meanwhile: the webhook is served by this very process."""
    status = post_signed(sandbox.public_webhook_url, _form(text, sandbox), auth_token=sandbox.auth_token)
    return store.current().move(text, Answer.NONE if status is None else str(status)) or text


def _form(text: Text, sandbox: Sandbox) -> dict[str, str]:
    """Twilio's form for an inbound text. Source: https://www.twilio.com/docs/messaging/guides/webhook-request"""
    return {
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "SmsMessageSid": text.sid,
        "AccountSid": sandbox.account_sid,
        "From": text.sender,
        "To": text.recipient,
        "Body": text.body,
        "NumMedia": "0",
        "NumSegments": str(text.segments),
        "SmsStatus": "received",
        "ApiVersion": API_VERSION,
    }


def _as_json(text: Text) -> dict[str, Any]:
    return {
        "id": text.id,
        "phone": text.phone,
        "outgoing": text.direction is Direction.FROM_PHONE,
        "body": text.body,
        "encoding": text.encoding,
        "segments": text.segments,
        "status": text.status,
        "at": text.created.isoformat(),
        "changed": text.changed,
    }
