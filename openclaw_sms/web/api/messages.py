"""Texts sent: send one, see what became of it, and the operator's decisions about one that stopped."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import automation, decisions, idempotency, pages, threads, wire
from openclaw_sms.messaging.automation import NotAccepted, Order
from openclaw_sms.messaging.wire import Json
from openclaw_sms.models import OutboundMessage, OutboundPart, PartState, Scope
from openclaw_sms.web.api import shapes
from openclaw_sms.web.api.base import ApiView

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


class MessagesView(ApiView):
    scopes = {"POST": (Scope.SEND,), "GET": (Scope.READ,)}

    @extend_schema(
        operation_id="sendMessage",
        summary="Send a text",
        description="To `to`, to the account's `defaultTo`, or with `inReplyTo` to the sender of a text received. "
        "It is in the outbox when this answers; `GET /messages/{id}` tells what became of it.",
        request=shapes.SendRequest,
        responses={202: OpenApiResponse(shapes.Receipt, "It is in the outbox, or was already under this key.")},
        parameters=[
            OpenApiParameter(
                KEY_HEADER,
                str,
                OpenApiParameter.HEADER,
                description="The same key and request within 24 hours: the same answer, and no second text.",
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        asked = self.asked(shapes.SendRequest)
        order = Order(
            text=asked["text"],
            to=asked.get("to", ""),
            account_id=asked.get("account"),
            in_reply_to=asked.get("inReplyTo", ""),
            plain=asked["plain"],
            media=tuple(asked.get("media", ())),
            account_pk=self.token.account_id,
        )
        now = timezone.now()
        outcome = idempotency.once(
            self.token,
            request.headers.get(KEY_HEADER, ""),
            asked,
            now=now,
            act=partial(automation.send, order, author=self.actor.name, now=now),
        )
        return self._accepted(outcome)

    @extend_schema(
        operation_id="listMessages",
        summary="Texts sent, newest first",
        parameters=[shapes.NumberPage],
        responses=shapes.MessagePage,
    )
    def get(self, request: Request) -> Response:
        asked = self.query(shapes.NumberPage)
        rows = threads.sent_texts()
        if (account_pk := self.account_pk(asked["account"])) is not None:
            rows = rows.filter(conversation__account_id=account_pk)
        if asked["number"]:
            rows = rows.filter(conversation__sender=asked["number"])
        if (before := pages.key(asked["cursor"])) is not None:
            rows = rows.filter(pk__lt=before)
        found = list(rows.order_by("-pk")[: asked["limit"] + 1])
        return Response(pages.page(found, asked["limit"], wire.sent, lambda row: pages.at_key(row.pk)))

    def _accepted(self, outcome: idempotency.Outcome) -> Response:
        message = threads.sent_texts().get(pk=outcome.message.pk)
        told = wire.receipt(message)
        headers = {"Location": reverse("api:message", args=[message.pk])}
        if outcome.replayed:
            headers[REPLAYED_HEADER] = "true"
        shown = told if self.may_read else wire.without_words(told)
        return Response(shown, status=status.HTTP_202_ACCEPTED, headers=headers)


class OneMessageView(ApiView):
    """A token that may send and not read sees what it sent itself, without numbers and words."""

    def visible(self) -> "QuerySet[OutboundMessage]":
        rows = threads.sent_texts().filter(**self.mine("conversation__account_id"))
        return rows if self.may_read else rows.filter(author=self.actor.name)

    def found(self, pk: int) -> OutboundMessage:
        message = self.visible().filter(pk=pk).first()
        if message is None:
            raise NotFound("There is no such text.")
        return message

    def told(self, pk: int) -> Json:
        told = wire.sent(self.found(pk))
        return told if self.may_read else wire.without_words(told)


class MessageView(OneMessageView):
    scopes = {"GET": (Scope.READ, Scope.SEND)}

    @extend_schema(operation_id="getMessage", summary="What became of a text", responses=shapes.Message)
    def get(self, request: Request, pk: int) -> Response:
        return Response(self.told(pk))


class SendAgainView(OneMessageView):
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(
        operation_id="sendMessageAgain",
        summary="Send the failed or uncertain part again, and those behind it",
        request=None,
        responses={200: shapes.Message},
    )
    def post(self, request: Request, pk: int) -> Response:
        _decide(self.found(pk), decisions.RESENDABLE, decisions.send_again, self.actor)
        return Response(self.told(pk))


class MarkSentView(OneMessageView):
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(
        operation_id="markMessageSent",
        summary="Say that Twilio has the uncertain part, so that those behind it go on",
        request=None,
        responses={200: shapes.Message},
    )
    def post(self, request: Request, pk: int) -> Response:
        _decide(self.found(pk), frozenset({PartState.UNCERTAIN}), decisions.mark_sent, self.actor)
        return Response(self.told(pk))


def _decide(
    message: OutboundMessage, states: frozenset[PartState], decision: Callable[..., None], actor: Actor
) -> None:
    """Make the decision about the first part that stopped. Raises `NotAccepted` when none did."""
    now: datetime = timezone.now()
    part = OutboundPart.objects.filter(message=message, state__in=states).order_by("number").first()
    if part is None:
        raise NotAccepted("nothing_to_decide", "No part of this text waits for that decision.")
    decision(part, actor=actor, now=now)
