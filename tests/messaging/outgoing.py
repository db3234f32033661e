"""What tests of sending share: writing a text, letting the worker send, and looking at what became of it."""

from django.utils import timezone

from openclaw_sms.messaging import outbox, worker
from openclaw_sms.models import Conversation, OutboundKind, OutboundMessage, OutboundPart


def write(conversation: Conversation, text: str, *, limit: int = 20) -> OutboundMessage:
    return outbox.write(
        conversation, text, kind=OutboundKind.MESSAGE, author="cli:anna", limit=limit, now=timezone.now()
    )


def send(*conversations: Conversation, rounds: int = 1) -> None:
    """Let the worker send; each further round finds every wait over."""
    for number in range(rounds):
        if number:
            OutboundPart.objects.update(next_attempt_at=None)
        for conversation in conversations:
            worker.send(conversation.pk)


def states(message: OutboundMessage) -> list[str]:
    return list(message.parts.order_by("number").values_list("state", flat=True))


def only(message: OutboundMessage) -> OutboundPart:
    return message.parts.select_related("conversation", "message").get()
