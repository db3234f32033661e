"""Who was talked to, and what was said."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from openclaw_sms.access import opt_out
from openclaw_sms.messaging import decisions, pages, threads, wire
from openclaw_sms.messaging.wire import Json
from openclaw_sms.models import Conversation, InboundMessage, Scope
from openclaw_sms.web.api import shapes
from openclaw_sms.web.api.base import ApiView


class ConversationsView(ApiView):
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(
        operation_id="listConversations",
        summary="Conversations, the latest first",
        parameters=[shapes.NumberPage],
        responses=shapes.ConversationPage,
    )
    def get(self, request: Request) -> Response:
        asked = self.query(shapes.NumberPage)
        rows = threads.conversations(
            account_pk=self.account_pk(asked["account"]),
            number=asked["number"] or None,
            before=pages.position(asked["cursor"]),
            limit=asked["limit"] + 1,
        )
        return Response(pages.page(rows, asked["limit"], _told, _end))


class OneConversationView(ApiView):
    scopes = {"GET": (Scope.READ,)}

    def found(self, pk: int) -> Conversation:
        rows = Conversation.objects.filter(pk=pk, **self.mine("account_id"))
        conversation = rows.select_related("account").first()
        if conversation is None:
            raise NotFound("There is no such conversation.")
        return conversation


class ConversationView(OneConversationView):
    @extend_schema(operation_id="getConversation", summary="A conversation", responses=shapes.Conversation)
    def get(self, request: Request, pk: int) -> Response:
        return Response(_told(self.found(pk)))


class ThreadView(OneConversationView):
    @extend_schema(
        operation_id="readThread",
        summary="What was said in a conversation, newest first",
        parameters=[shapes.Page],
        responses=shapes.ThreadPage,
    )
    def get(self, request: Request, pk: int) -> Response:
        asked = self.query(shapes.Page)
        before = pages.position(asked["cursor"])
        items = threads.thread(self.found(pk), before=before, limit=asked["limit"] + 1)
        return Response(pages.page(items, asked["limit"], wire.said, _end_of_item))


class OneReceivedView(ApiView):
    def found(self, sid: str) -> InboundMessage:
        text = self._rows().filter(sid=sid).first()
        if text is None:
            raise NotFound("There is no such text.")
        return text

    def _rows(self) -> "QuerySet[InboundMessage]":
        rows = InboundMessage.objects.filter(**self.mine("account_id"))
        return rows.select_related("account").defer("form")


class ReceivedView(OneReceivedView):
    scopes = {"GET": (Scope.READ,)}

    @extend_schema(operation_id="getReceived", summary="What became of a text received", responses=shapes.Received)
    def get(self, request: Request, sid: str) -> Response:
        return Response(wire.received(self.found(sid)))


class AnswerNowView(OneReceivedView):
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(
        operation_id="answerReceived",
        summary="Have the agent answer a text that got no answer",
        request=None,
        responses={200: shapes.Received},
    )
    def post(self, request: Request, sid: str) -> Response:
        text = self.found(sid)
        decisions.answer_now(text, actor=self.actor, now=timezone.now())
        return Response(wire.received(text))


def _told(row: Conversation) -> Json:
    return wire.conversation(row, opted_out=opt_out.is_out(row.account_id, row.sender))


def _end(row: Conversation) -> str:
    return pages.at_position(threads.position_of_conversation(row))


def _end_of_item(item: threads.Item) -> str:
    return pages.at_position(threads.position_of(item))
