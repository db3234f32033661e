"""The paths below /api/v1/. No slash at the end; the schema's has one, as published."""

from django.urls import path, re_path, register_converter

from openclaw_sms.web.api import conversations, gateway, messages, people
from openclaw_sms.web.api.base import NoSuchPath

app_name = "api"


class Word:
    """A MessageSid or an event's id: nothing else is looked up, nor passed to the database."""

    regex = "[A-Za-z0-9_-]{1,64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Word, "word")

urlpatterns = [
    path("schema/", gateway.SchemaView.as_view(), name="schema"),
    path("status", gateway.StatusView.as_view(), name="status"),
    path("messages", messages.MessagesView.as_view(), name="messages"),
    path("messages/<int:pk>", messages.MessageView.as_view(), name="message"),
    path("messages/<int:pk>/send-again", messages.SendAgainView.as_view(), name="message-send-again"),
    path("messages/<int:pk>/mark-sent", messages.MarkSentView.as_view(), name="message-mark-sent"),
    path("received/<word:sid>", conversations.ReceivedView.as_view(), name="received"),
    path("received/<word:sid>/answer", conversations.AnswerNowView.as_view(), name="received-answer"),
    path("conversations", conversations.ConversationsView.as_view(), name="conversations"),
    path("conversations/<int:pk>", conversations.ConversationView.as_view(), name="conversation"),
    path("conversations/<int:pk>/messages", conversations.ThreadView.as_view(), name="thread"),
    path("pairing", people.PairingRequestsView.as_view(), name="pairing"),
    path("pairing/approve", people.ApproveView.as_view(), name="pairing-approve"),
    path("pairing/dismiss", people.DismissView.as_view(), name="pairing-dismiss"),
    path("allowed-senders", people.AllowedSendersView.as_view(), name="allowed-senders"),
    path("allowed-senders/<int:pk>", people.AllowedSenderView.as_view(), name="allowed-sender"),
    path("events", gateway.EventsView.as_view(), name="events"),
    path("events/<word:event_id>/send-again", gateway.SendEventAgainView.as_view(), name="event-send-again"),
    re_path(r"", NoSuchPath.as_view()),
]
