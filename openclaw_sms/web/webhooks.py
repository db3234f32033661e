"""Twilio's door: inbound texts and status callbacks of one account.

In order: method, size, signature, MessageSid, commit, 200. Nothing is read from a table, and nothing is logged about
the sender, before the signature holds. A refusal never says which check failed, and never redirects.
"""

import logging
from dataclasses import replace
from typing import Any

from django.db import DatabaseError
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics import refused_posts
from openclaw_sms.messaging import counters, delivery, inbox
from openclaw_sms.twilio import callbacks, payloads, signature
from openclaw_sms.twilio.payloads import InboundText, MissingSid
from openclaw_sms.web.bodies import BodyTooLarge, read_body

logger = logging.getLogger(__name__)

EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


REFUSALS = {
    400: "no_message_sid",
    403: "signature",
    405: "method",
    413: "too_large",
    429: "too_many",
    503: "not_stored",
}


class TwimlRenderer(BaseRenderer):
    """Bodies are ready-made strings: TwiML for what was taken, a plain sentence for what was not."""

    media_type = "text/xml"
    format = "xml"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if isinstance(data, dict):
            data = data.get("detail", "")
        return str(data).encode()


class IgnoreAccept(BaseContentNegotiation):
    """Twilio gets TwiML whatever its Accept header says."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class NotStored(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Not stored"


class NotAvailable(APIException):
    """The account rests: without its secret nobody can say who posts. Twilio may try again."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Not available"


class NoMessageSid(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_detail = "Missing MessageSid"


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "Payload too large"


class TwilioWebhook(APIView):
    """POST only. 200 empty TwiML · 400 no MessageSid · 403 signature · 405 · 413 · 503 not stored, not available."""

    http_method_names = ["post"]
    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    parser_classes = []
    renderer_classes = [TwimlRenderer]
    content_negotiation_class = IgnoreAccept

    def post(self, request: Request, *, account: Account) -> Response:
        body = self._signed_body(request, account)
        try:
            message = payloads.classify(payloads.parse_form(body))
        except MissingSid:
            raise NoMessageSid from None
        try:
            if isinstance(message, InboundText):
                inbox.accept(account, message, form=body, now=timezone.now())
            else:
                query = request.META.get("QUERY_STRING", "")
                part = callbacks.part_of(public_url=account.public_webhook_url, query=query)
                delivery.record(account, replace(message, part=part), now=timezone.now())
        except DatabaseError as error:
            logger.error("text.not_stored account=%s error=%s", account.id, type(error).__name__)
            raise NotStored from None
        return Response(EMPTY_TWIML)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        counters.count(counters.POSTS_REFUSED, account=self.kwargs["account"].id, cause=_cause(exc, response))
        response.content_type = "text/plain; charset=utf-8"
        return response

    def _signed_body(self, request: Request, account: Account) -> bytes:
        """The raw body, once it is known to come from Twilio."""
        try:
            body = read_body(request._request, limit=payloads.MAX_BODY_BYTES)
        except BodyTooLarge:
            raise TooLarge from None
        if account.validation_disabled:
            return body
        if account.unavailable:
            logger.warning("text.refused account=%s reason=unavailable", account.id)
            raise NotAvailable
        genuine = signature.verify(
            public_url=account.public_webhook_url,
            query=request.META.get("QUERY_STRING", ""),
            body=body,
            signature=request.headers.get(signature.SIGNATURE_HEADER),
            settings=request.headers.get(signature.SETTINGS_HEADER),
            keys=account.signing_keys,
        )
        if not genuine:
            _remember(request, account, body)
            logger.warning("text.refused account=%s reason=signature", account.id)
            raise PermissionDenied("Invalid signature")
        return body


def _remember(request: Request, account: Account, body: bytes) -> None:
    """For `doctor`: what is wrong with our public URL, if that is what is wrong."""
    refused_posts.remember(
        account,
        host=request.META.get("HTTP_HOST", ""),
        path=request.path_info,
        query=request.META.get("QUERY_STRING", ""),
        body=body,
        given=request.headers.get(signature.SIGNATURE_HEADER),
        settings=request.headers.get(signature.SETTINGS_HEADER),
        agent=request.headers.get("User-Agent", ""),
    )


def _cause(exc: Exception, response: Response) -> str:
    """A refusal's word in the metrics."""
    if isinstance(exc, NotAvailable):
        return "secret_unavailable"
    return REFUSALS.get(response.status_code, "other")


webhook = TwilioWebhook.as_view()
