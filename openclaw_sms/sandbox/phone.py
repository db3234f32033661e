"""The phone simulator: a page with pretend phones, and the texts behind it.

A text from a phone takes the road of a real one: stored, signed, posted over HTTP to the product's own webhook.
What the product answers comes through the pretend API. The page asks for changes, so both show up by themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from openclaw_sms.sandbox import carrier, state, store
from openclaw_sms.sandbox.carrier import API_VERSION
from openclaw_sms.sandbox.phones import PHONES, shown
from openclaw_sms.sandbox.posting import post_signed
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Answer, Direction, Media, MediaState, Text
from openclaw_sms.sandbox.this_machine import this_machine_only
from openclaw_sms.sandbox.twilio_api import MOST_MEDIA
from openclaw_sms.sandbox.welcome import APPROVE_COMMAND
from openclaw_sms.text.media_types import LARGEST_MESSAGE, SHOWN_INLINE, noun
from openclaw_sms.text.phone import InvalidNumber, normalise_number
from openclaw_sms.text.segments import MAX_BODY_UNITS

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; "
    "img-src 'self' blob:; "  # a picture that is attached is shown before it is sent
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
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
    """GET `?after=CURSOR[&phone=+1…]`: what changed, on one phone or on all. POST `phone`, `body`, `media` (files):
    text the product.

    POST answers 201 with the text, whose `status` is what the webhook said; 400 with `error`, a sentence.
    """
    if request.method == "POST":
        return _send(request)
    after = request.GET.get("after", "")
    changes = store.current().changes(
        after=int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0,
        phone=request.GET.get("phone", ""),
    )
    files = store.current().media_of(text.sid for text in changes.texts)
    shown = [_as_json(text, files.get(text.sid, ())) for text in changes.texts]
    return JsonResponse({"cursor": changes.cursor, "messages": shown})


def _send(request: HttpRequest) -> HttpResponse:
    sandbox = state.current()
    try:
        phone, body = _checked(request, sandbox)
        files = _files(request)
    except (NotTexted, InvalidNumber) as refusal:
        return JsonResponse({"error": str(refusal)}, status=400)
    text = store.current().add(
        Direction.FROM_PHONE,
        sender=phone,
        recipient=sandbox.from_number,
        body=body,
        now=timezone.now(),
        files=files,
    )
    media = store.current().media_of([text.sid]).get(text.sid, [])
    return JsonResponse(_as_json(_deliver(text, media, sandbox), media), status=201)


def _checked(request: HttpRequest, sandbox: Sandbox) -> tuple[str, str]:
    """The phone and the body. Raises `NotTexted` or `InvalidNumber`."""
    phone = normalise_number(request.POST.get("phone", ""))
    body = request.POST.get("body", "")
    if phone == sandbox.from_number:
        raise NotTexted("This is the assistant's own number: choose one of the phones.")
    if not (body.strip() or request.FILES):
        raise NotTexted("There is nothing to send yet: type a text, or attach a picture.")
    if store.is_too_long(body):
        raise NotTexted(f"A text has at most {MAX_BODY_UNITS} characters.")
    return phone, body


def _files(request: HttpRequest) -> list[tuple[str, bytes]]:
    """Content type and bytes of what is attached, as a phone would send it. Raises `NotTexted`."""
    uploaded = request.FILES.getlist("media")
    if len(uploaded) > MOST_MEDIA:
        raise NotTexted(f"A text takes at most {MOST_MEDIA} pictures.")
    if sum(file.size or 0 for file in uploaded) > LARGEST_MESSAGE:
        raise NotTexted("The pictures are too large: carriers take 5 MB together.")
    return [(file.content_type or "application/octet-stream", file.read()) for file in uploaded]


def _deliver(text: Text, media: Sequence[Media], sandbox: Sandbox) -> Text:
    """The text with the webhook's answer. Nothing is locked meanwhile: the webhook is served by this very process."""
    status = post_signed(sandbox.public_webhook_url, _form(text, media, sandbox), auth_token=sandbox.auth_token)
    return store.current().move(text, Answer.NONE if status is None else str(status)) or text


def _form(text: Text, media: Sequence[Media], sandbox: Sandbox) -> dict[str, str]:
    """Twilio's form for an inbound text. Source: https://www.twilio.com/docs/messaging/guides/webhook-request"""
    resource = f"{sandbox.api_base_url}/{API_VERSION}/Accounts/{sandbox.account_sid}/Messages/{text.sid}/Media"
    files = {}
    for number, each in enumerate(media):
        files[f"MediaUrl{number}"] = f"{resource}/{each.sid}"
        files[f"MediaContentType{number}"] = each.content_type
    return {
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "SmsMessageSid": text.sid,
        "AccountSid": sandbox.account_sid,
        "From": text.sender,
        "To": text.recipient,
        "Body": text.body,
        "NumMedia": str(len(media)),
        **files,
        "NumSegments": str(text.segments),
        "SmsStatus": "received",
        "ApiVersion": API_VERSION,
    }


def _as_json(text: Text, media: Sequence[Media] = ()) -> dict[str, Any]:
    return {
        "id": text.id,
        "phone": text.phone,
        "outgoing": text.direction is Direction.FROM_PHONE,
        "body": text.body,
        "media": [_media_as_json(each) for each in media],
        "encoding": text.encoding,
        "segments": text.segments,
        "status": text.status,
        "at": text.created.isoformat(),
        "changed": text.changed,
    }


def _media_as_json(media: Media) -> dict[str, Any]:
    """`url` is the page's own; `elsewhere` an address on another machine, which the sandbox does not ask."""
    here = media.state == MediaState.HERE
    return {
        "url": reverse("sandbox:media", args=[media.key]) if here else "",
        "elsewhere": media.source if media.state == MediaState.MISSING else "",
        "picture": media.content_type in SHOWN_INLINE,
        "name": noun(media.content_type),
        "state": media.state,
    }
