"""Every refusal in one form: `{"error": {"code", "message", "field"?}}`. Codes are stable, messages are sentences.

What the layers below refuse with their own exceptions is given its status here, in one table.
"""

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_exception_handler

from openclaw_sms.access.pairing import PairingError
from openclaw_sms.access.senders import SenderError
from openclaw_sms.config.accounts import NoAccount
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging.automation import NotAccepted
from openclaw_sms.messaging.decisions import AlreadyDecided, Erased
from openclaw_sms.messaging.enclosures import UnsendableMedia
from openclaw_sms.messaging.event_delivery import AlreadySent
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.idempotency import KeyInvalid, KeyReused
from openclaw_sms.messaging.manual import NothingToSend, TooLong
from openclaw_sms.messaging.pages import InvalidCursor
from openclaw_sms.text.phone import InvalidNumber
from openclaw_sms.twilio.client import InsecureApiBase

logger = logging.getLogger(__name__)

# The first that fits: status, and the field it is about.
REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (NoAccount, status.HTTP_404_NOT_FOUND, "account"),
    (NothingToSend, status.HTTP_400_BAD_REQUEST, "text"),
    (TooLong, status.HTTP_400_BAD_REQUEST, "text"),
    (UnsendableMedia, status.HTTP_400_BAD_REQUEST, "media"),
    (InvalidNumber, status.HTTP_400_BAD_REQUEST, "to"),
    (InvalidCursor, status.HTTP_400_BAD_REQUEST, "cursor"),
    (KeyInvalid, status.HTTP_400_BAD_REQUEST, ""),
    (KeyReused, status.HTTP_422_UNPROCESSABLE_ENTITY, ""),
    (NotAccepted, status.HTTP_409_CONFLICT, ""),
    (Withheld, status.HTTP_409_CONFLICT, "to"),
    (SenderError, status.HTTP_409_CONFLICT, "number"),
    (PairingError, status.HTTP_409_CONFLICT, "code"),
    (AlreadyDecided, status.HTTP_409_CONFLICT, ""),
    (Erased, status.HTTP_409_CONFLICT, ""),
    (AlreadySent, status.HTTP_409_CONFLICT, ""),
    (ConfigurationError, status.HTTP_409_CONFLICT, ""),
    (InsecureApiBase, status.HTTP_409_CONFLICT, ""),
)
UNAUTHENTICATED = "Give a token in the header `Authorization: Bearer …`: `manage.py tokens create` makes one."
NOT_THERE = frozenset({"pairing_not_found", "no_such_text"})
CODES = {
    status.HTTP_401_UNAUTHORIZED: "not_authenticated",
    status.HTTP_403_FORBIDDEN: "scope_missing",
    status.HTTP_404_NOT_FOUND: "not_found",
    status.HTTP_405_METHOD_NOT_ALLOWED: "method_not_allowed",
    status.HTTP_406_NOT_ACCEPTABLE: "not_acceptable",
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: "too_large",
    status.HTTP_415_UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    status.HTTP_429_TOO_MANY_REQUESTS: "throttled",
}


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request is too large: send at most 512 KB."


def answer(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler for the views of the API. None: not ours, and then it is a fault (500)."""
    for kind, http_status, field in REFUSALS:
        if isinstance(exc, kind):
            return _refused(exc, http_status, field)
    if isinstance(exc, DatabaseError | ImproperlyConfigured):
        logger.error("api.unavailable error=%s", type(exc).__name__)
        sentence = "The gateway cannot use its database or settings now: try again, and see its log."
        return _error(status.HTTP_503_SERVICE_UNAVAILABLE, "unavailable", sentence)
    response = rest_exception_handler(exc, context)
    return _told(exc, response) if response is not None else None


def _refused(exc: Exception, http_status: int, field: str) -> Response:
    code = str(getattr(exc, "code", "refused"))
    if code in NOT_THERE:
        http_status = status.HTTP_404_NOT_FOUND
    return _error(http_status, code, str(exc), str(getattr(exc, "field", "") or field))


def _told(exc: Exception, response: Response) -> Response:
    """DRF's own answer, with its headers, in our form."""
    if isinstance(exc, exceptions.NotAuthenticated):
        told = _body("not_authenticated", UNAUTHENTICATED)
    elif isinstance(exc, exceptions.ValidationError):
        field, sentence = _first(exc.detail)
        told = _body("invalid", sentence, field)
    else:
        detail = response.data.get("detail", "") if isinstance(response.data, dict) else ""
        told = _body(CODES.get(response.status_code, "invalid"), str(detail))
    response.data = told
    return response


def _first(detail: Any, field: str = "") -> tuple[str, str]:
    """The first thing that is wrong: the field's path and a sentence that names it."""
    if isinstance(detail, dict) and detail:
        name, below = next(iter(detail.items()))
        inner = "" if name in ("non_field_errors", "__all__") else str(name)
        return _first(below, ".".join(filter(None, [field, inner])))
    if isinstance(detail, list) and detail:
        return _first(next((each for each in detail if each), ""), field)
    return field, f"{field}: {detail}" if field else str(detail)


def _error(http_status: int, code: str, sentence: str, field: str = "") -> Response:
    return Response(_body(code, sentence, field), status=http_status)


def _body(code: str, sentence: str, field: str = "") -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": sentence, **({"field": field} if field else {})}}
