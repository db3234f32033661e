"""The pretend Messages resource: what Twilio's own library needs to send, list and look up texts.

Requests are checked as Twilio checks them and refused with Twilio's codes. It sends nothing: accepted texts go to
the store, and the carrier takes them from there.
Source: https://www.twilio.com/docs/messaging/api/message-resource
"""

import base64
import binascii
import functools
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from openclaw_sms.sandbox import carrier, state, store
from openclaw_sms.sandbox.carrier import API_VERSION
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Direction, Filter, Text
from openclaw_sms.sandbox.this_machine import View, this_machine_only
from openclaw_sms.text.media_types import SHOWN_INLINE, sniff
from openclaw_sms.text.phone import InvalidNumber, normalise_number

MOST_MEDIA = 10
USUAL_PAGE, LARGEST_PAGE = 50, 1000


class Refused(Exception):
    """Twilio's answer to a request it does not take. Source of the codes: https://www.twilio.com/docs/api/errors"""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def as_response(self) -> HttpResponse:
        answer = JsonResponse(
            {
                "code": self.code,
                "message": str(self),
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            },
            status=self.status,
        )
        if self.status == 401:
            answer["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        return answer


def of_the_account(view: View) -> View:
    """The view for whoever knows the auth token, with the `Sandbox` as its second argument."""

    @functools.wraps(view)
    def answer(request: HttpRequest, account_sid: str, **kwargs: str) -> HttpResponse:
        sandbox = state.current()
        try:
            if not _knows_the_token(request, sandbox):
                raise Refused(401, 20003, "Authenticate")
            if account_sid != sandbox.account_sid:
                raise Refused(404, 20404, "The requested resource was not found")
            return view(request, sandbox, **kwargs)
        except Refused as refusal:
            return refusal.as_response()

    return csrf_exempt(this_machine_only(answer))


def _knows_the_token(request: HttpRequest, sandbox: Sandbox) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    expected = f"{sandbox.account_sid}:{sandbox.auth_token}".encode()
    return hmac.compare_digest(given, expected) and scheme.lower() == "basic"


@of_the_account
def messages(request: HttpRequest, sandbox: Sandbox) -> HttpResponse:
    """`Messages.json`: POST sends a text, GET lists them."""
    if request.method == "POST":
        return _send(request.POST, sandbox)
    if request.method == "GET":
        return _list(request, sandbox)
    raise Refused(405, 20004, "Method not allowed")


@of_the_account
def message(request: HttpRequest, sandbox: Sandbox, sid: str) -> HttpResponse:
    """`Messages/{sid}.json`."""
    if request.method != "GET":
        raise Refused(405, 20004, "Method not allowed")
    found = store.current().get(sid)
    if found is None:
        raise Refused(404, 20404, f"The requested resource /Messages/{sid}.json was not found")
    return JsonResponse(_resource(found, sandbox))


@of_the_account
def media(request: HttpRequest, sandbox: Sandbox, sid: str, media_sid: str) -> HttpResponse:
    """`Messages/{sid}/Media/{media_sid}`: as Twilio does, points to where the bytes are, with no password there."""
    if request.method != "GET":
        raise Refused(405, 20004, "Method not allowed")
    found = store.current().file(sid=media_sid)
    if found is None or found[0].text_sid != sid:
        raise Refused(404, 20404, "The requested resource was not found")
    return HttpResponse(status=307, headers={"Location": reverse("sandbox:media", args=[found[0].key])})


@this_machine_only
@require_safe
def cdn(request: HttpRequest, key: str) -> HttpResponse:
    """A file, for whoever knows its key: the gateway, after Twilio's redirect, and the phones' page."""
    found = store.current().file(key=key)
    if found is None:
        raise Http404
    held, data = found
    response = HttpResponse(data, content_type=held.content_type or "application/octet-stream")
    if sniff(data) not in SHOWN_INLINE:
        response["Content-Disposition"] = "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def _send(form: QueryDict, sandbox: Sandbox) -> HttpResponse:
    recipient = _recipient(form.get("To", ""))
    _check_sender(form.get("From", ""), sandbox)
    body = form.get("Body", "")
    media_urls = form.getlist("MediaUrl")
    if len(media_urls) > MOST_MEDIA:
        raise Refused(400, 21623, "Number of media files exceeds allowed limit.")
    if not (body.strip() or media_urls):
        raise Refused(400, 21602, "Message body is required.")
    if store.is_too_long(body):
        raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    text = store.current().add(
        Direction.TO_PHONE,
        sender=sandbox.from_number,
        recipient=recipient,
        body=body,
        status_callback=form.get("StatusCallback", ""),
        media_urls=media_urls,
        now=timezone.now(),
    )
    carrier.wake()
    return JsonResponse(_resource(text, sandbox), status=201)


def _recipient(to: str) -> str:
    if not to.strip():
        raise Refused(400, 21604, "A 'To' phone number is required.")
    try:
        return normalise_number(to)
    except InvalidNumber:
        raise Refused(400, 21211, "Invalid 'To' Phone Number") from None


def _check_sender(sender: str, sandbox: Sandbox) -> None:
    if not sender:
        raise Refused(400, 21603, "A 'From' phone number is required.")
    if sender != sandbox.from_number:
        raise Refused(400, 21606, "The 'From' phone number is not one of this account's.")


def _list(request: HttpRequest, sandbox: Sandbox) -> HttpResponse:
    asked = request.GET
    size = min(_whole_number(asked, "PageSize", USUAL_PAGE) or USUAL_PAGE, LARGEST_PAGE)
    page = _whole_number(asked, "Page", 0)
    # One more than is shown tells if there is a next page.
    found = store.current().matching(_filter(asked), offset=page * size, limit=size + 1)
    shown = found[:size]
    # Twilio's library continues on Twilio's host: the path is the one under the API's own root.
    path = f"/{API_VERSION}/Accounts/{sandbox.account_sid}/Messages.json"

    def uri(number: int) -> str:
        return f"{path}?{urlencode({**asked.dict(), 'PageSize': size, 'Page': number})}"

    return JsonResponse(
        {
            "messages": [_resource(text, sandbox) for text in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if len(found) > size else None,
        }
    )


def _filter(asked: QueryDict) -> Filter:
    day = _moment(asked, "DateSent")
    return Filter(
        to=asked.get("To", ""),
        sender=asked.get("From", ""),
        sent_on=day and day.date(),
        sent_from=_moment(asked, "DateSent>"),
        sent_until=_moment(asked, "DateSent<"),
    )


def _moment(asked: QueryDict, name: str) -> datetime | None:
    given = asked.get(name, "")
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Refused(400, 20001, f"{name} is not a date") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _whole_number(asked: QueryDict, name: str, default: int) -> int:
    given = asked.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= 6 else default


def _resource(text: Text, sandbox: Sandbox) -> dict[str, Any]:
    uri = f"/{API_VERSION}/Accounts/{sandbox.account_sid}/Messages/{text.sid}"
    files = store.current().media_of([text.sid]).get(text.sid, []) if text.sid.startswith("MM") else []
    outbound = text.direction is Direction.TO_PHONE
    return {
        "account_sid": sandbox.account_sid,
        "api_version": API_VERSION,
        "body": text.body,
        "date_created": format_datetime(text.created),
        "date_sent": text.sent and format_datetime(text.sent),
        "date_updated": format_datetime(text.sent or text.created),
        "direction": text.direction.value,
        "error_code": None,
        "error_message": None,
        "from": text.sender,
        "messaging_service_sid": None,
        "num_media": str(len(files)),
        "num_segments": str(text.segments),
        "price": None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.status if outbound else "received",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.recipient,
        "uri": f"{uri}.json",
    }
