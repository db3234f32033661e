"""The earlier turns of a conversation, for agents that keep no history of their own."""

from openclaw_sms.agents.base import Role, Turn
from openclaw_sms.messaging import media
from openclaw_sms.models import InboundMessage, InboundState, OutboundKind, OutboundMessage


def before(text: InboundMessage, *, turns: int) -> tuple[Turn, ...]:
    """The last `turns` answered texts before `text`, each followed by its reply, oldest first."""
    if turns < 1:
        return ()
    answered = InboundMessage.objects.filter(
        account_id=text.account_id,
        sender=text.sender,
        state=InboundState.ANSWERED,
        pk__lt=text.pk,
        erased_at__isnull=True,
    ).order_by("-pk")[:turns]
    asked = list(reversed(answered))
    replies = dict(
        OutboundMessage.objects.filter(
            in_reply_to__in=asked, kind=OutboundKind.REPLY, erased_at__isnull=True
        ).values_list("in_reply_to_id", "text")
    )
    files = media.named(earlier.pk for earlier in asked)
    spoken: list[Turn] = []
    for earlier in asked:
        words = earlier.body if earlier.body.strip() else ""
        spoken.append(Turn(Role.USER, "\n\n".join(filter(None, [words, files.get(earlier.pk)]))))
        if replies.get(earlier.pk):
            spoken.append(Turn(Role.AGENT, replies[earlier.pk]))
    return tuple(spoken)
