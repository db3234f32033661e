"""The form of what programs send and get, for validation and for the schema. What is told is made by
`messaging.wire`; the tests hold the two together."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from openclaw_sms.messaging import outbox, wire
from openclaw_sms.messaging.enclosures import LONGEST_ADDRESS, MOST_FILES
from openclaw_sms.models import (
    Delivery,
    EventState,
    EventType,
    InboundState,
    OutboundKind,
    PartState,
    SenderSource,
)
from openclaw_sms.text.segments import Encoding

LARGEST_PAGE, USUAL_PAGE = 100, 50
LONGEST_ID = 64
LONGEST_NUMBER = 64
LONGEST_CURSOR = 200


class Strict(serializers.Serializer[Any]):
    """A request's body. A field that does not exist is refused: a slip in `account` must not text from another."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            for name in data:
                if name not in self.fields:
                    raise ValidationError({str(name)[:LONGEST_ID]: ["There is no such field."]})
        return super().to_internal_value(data)


def choices(*values: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=[(value, value) for value in values])


class ErrorDetail(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="stable")
    message = serializers.CharField(help_text="a sentence with the next step")
    field = serializers.CharField(required=False, help_text="the part of the request it is about")


class Error(serializers.Serializer[Any]):
    error = ErrorDetail()


# Queries


class Page(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=LARGEST_PAGE, default=USUAL_PAGE)
    cursor = serializers.CharField(
        max_length=LONGEST_CURSOR, default="", allow_blank=True, help_text="`next` of the page before"
    )


class AccountPage(Page):
    account = serializers.CharField(max_length=LONGEST_ID, default="", allow_blank=True, help_text="an account's id")


class NumberPage(AccountPage):
    number = serializers.CharField(max_length=LONGEST_NUMBER, default="", allow_blank=True, help_text="E.164")


class AccountQuery(serializers.Serializer[Any]):
    account = serializers.CharField(max_length=LONGEST_ID, default="", allow_blank=True, help_text="an account's id")


class EventPage(Page):
    state = serializers.ChoiceField(choices=EventState.choices, required=False)


# Texts sent


class SendRequest(Strict):
    text = serializers.CharField(
        max_length=outbox.LONGEST_TEXT,
        trim_whitespace=False,
        help_text="markdown; it is made plain text. Empty only beside media",
        allow_blank=True,
    )
    to = serializers.CharField(
        max_length=LONGEST_NUMBER,
        required=False,
        help_text="E.164, or sms:+…; without it the account's defaultTo",
    )
    account = serializers.CharField(max_length=LONGEST_ID, required=False, help_text="without it the default account")
    inReplyTo = serializers.CharField(  # noqa: N815
        max_length=LONGEST_ID, required=False, help_text="MessageSid of a text received: this is its answer"
    )
    plain = serializers.BooleanField(default=False, help_text="send the text as it is, markdown and all")
    media = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_ADDRESS),
        max_length=MOST_FILES,
        required=False,
        help_text="public https addresses of files to go along; Twilio fetches them",
    )


class WrittenPart(serializers.Serializer[Any]):
    number = serializers.IntegerField(min_value=1)
    body = serializers.CharField(allow_null=True, help_text="null without the scope read")
    encoding = choices(*(encoding.value for encoding in Encoding))
    segments = serializers.IntegerField(min_value=1)


class Part(WrittenPart):
    state = choices(*PartState.values)
    delivery = serializers.ChoiceField(
        choices=[(value, value) for value in Delivery.values if value], allow_null=True, help_text="Twilio's word"
    )
    sid = serializers.CharField(allow_null=True)
    errorCode = serializers.IntegerField(allow_null=True, help_text="Twilio's")  # noqa: N815
    reason = serializers.CharField(allow_null=True, help_text="a code, see docs/reference.md")
    detail = serializers.CharField(allow_blank=True)


class Receipt(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    account = serializers.CharField()
    conversation = serializers.IntegerField()
    to = serializers.CharField(help_text="masked without the scope read")
    kind = choices(*OutboundKind.values)
    author = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_null=True, help_text="null without the scope read")
    inReplyTo = serializers.CharField(allow_null=True)  # noqa: N815
    createdAt = serializers.DateTimeField()  # noqa: N815
    parts = WrittenPart(many=True)


class Message(Receipt):
    state = choices(*wire.STATES)
    parts = Part(many=True)


class MessagePage(serializers.Serializer[Any]):
    items = Message(many=True)
    next = serializers.CharField(allow_null=True)


# Texts received, and threads


class Received(serializers.Serializer[Any]):
    sid = serializers.CharField()
    account = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    state = choices(*InboundState.values)
    reason = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_blank=True)
    receivedAt = serializers.DateTimeField()  # noqa: N815

    def get_fields(self) -> dict[str, Any]:
        """`from` cannot be an attribute's name."""
        return {**super().get_fields(), "from": serializers.CharField()}


class Conversation(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    account = serializers.CharField()
    number = serializers.CharField()
    optedOut = serializers.BooleanField()  # noqa: N815
    lastActivityAt = serializers.DateTimeField(allow_null=True)  # noqa: N815


class ConversationPage(serializers.Serializer[Any]):
    items = Conversation(many=True)
    next = serializers.CharField(allow_null=True)


class ThreadItem(serializers.Serializer[Any]):
    direction = choices("in", "out")
    received = Received(required=False, help_text="when `direction` is `in`")
    sent = Message(required=False, help_text="when `direction` is `out`")


class ThreadPage(serializers.Serializer[Any]):
    items = ThreadItem(many=True)
    next = serializers.CharField(allow_null=True)


# People


class PairingRequest(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()
    account = serializers.CharField()
    sender = serializers.CharField()
    createdAt = serializers.DateTimeField()  # noqa: N815
    lastSeenAt = serializers.DateTimeField()  # noqa: N815
    expiresAt = serializers.DateTimeField()  # noqa: N815


class PairingRequests(serializers.Serializer[Any]):
    items = PairingRequest(many=True)


class DismissRequest(Strict):
    code = serializers.CharField(max_length=16)
    account = serializers.CharField(max_length=LONGEST_ID, required=False)


class ApproveRequest(DismissRequest):
    notify = serializers.BooleanField(default=False, help_text="text the sender that they are in")


class Approved(serializers.Serializer[Any]):
    sender = serializers.CharField()
    account = serializers.CharField()
    warning = serializers.CharField(allow_blank=True, help_text="why the sender could not be told")


class Dismissed(serializers.Serializer[Any]):
    sender = serializers.CharField()
    account = serializers.CharField()


class AllowRequest(Strict):
    number = serializers.CharField(max_length=LONGEST_NUMBER)
    account = serializers.CharField(max_length=LONGEST_ID, required=False)
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class AllowedSender(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    account = serializers.CharField()
    number = serializers.CharField()
    source = choices(*SenderSource.values)  # type: ignore[assignment]  # a field of that name
    note = serializers.CharField(allow_blank=True)
    addedBy = serializers.CharField(allow_blank=True)  # noqa: N815
    addedAt = serializers.DateTimeField()  # noqa: N815


class AllowedSenderPage(serializers.Serializer[Any]):
    items = AllowedSender(many=True)
    next = serializers.CharField(allow_null=True)


# The gateway


class AccountStatus(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    enabled = serializers.BooleanField()
    configured = serializers.BooleanField(help_text="able to send")
    servesWebhook = serializers.BooleanField(help_text="able to receive")  # noqa: N815
    webhookPath = serializers.CharField()  # noqa: N815
    policy = serializers.CharField()
    fromNumber = serializers.CharField(allow_blank=True)  # noqa: N815
    defaultTo = serializers.CharField(allow_blank=True)  # noqa: N815
    unavailable = serializers.CharField(allow_blank=True, help_text="why its secrets cannot be had")


class Status(serializers.Serializer[Any]):
    accounts = AccountStatus(many=True)
    problems = serializers.ListField(child=serializers.CharField(), help_text="sentences")


class Event(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="webhook-id")
    type = choices(*EventType.values)
    account = serializers.CharField()
    state = choices(*EventState.values)
    attempts = serializers.IntegerField()
    answer = serializers.IntegerField(allow_null=True, help_text="the receiver's last HTTP status")
    detail = serializers.CharField(allow_blank=True)
    createdAt = serializers.DateTimeField()  # noqa: N815
    nextAttemptAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    finishedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815


class EventsPage(serializers.Serializer[Any]):
    items = Event(many=True)
    next = serializers.CharField(allow_null=True)
