"""The flag on a conversation: its sender seems to want no more texts, without having said STOP.

It is for the operator to look at. Nothing is sent, withheld or decided because of it.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.access.audit import GATEWAY, Actor
from openclaw_sms.models import Conversation, FlagSource, InboundMessage
from openclaw_sms.text.keywords import sounds_like_stop


def raise_if_asked_to_stop(conversation: Conversation, text: InboundMessage) -> None:
    """By the sender's own words."""
    if sounds_like_stop(text.body):
        put_up(conversation, FlagSource.WORDS, text)


def put_up(conversation: Conversation, source: FlagSource, text: InboundMessage) -> None:
    """Raise the flag, once: a text that is answered again does not raise what was cleared."""
    unflagged = Conversation.objects.filter(pk=conversation.pk, flag="").exclude(flag_sid=text.sid)
    now = timezone.now()
    with transaction.atomic():
        if unflagged.update(flag=source, flagged_at=now, flag_sid=text.sid):
            audit.record(
                "flag.raised",
                actor=GATEWAY,
                at=now,
                account_id=conversation.account_id,
                subject=conversation.sender,
                source=source.value,
                sid=text.sid,
            )


def clear(conversation: Conversation, *, actor: Actor, now: datetime) -> bool:
    """Take the flag down; False when somebody else already did."""
    with transaction.atomic():
        cleared = Conversation.objects.filter(pk=conversation.pk).exclude(flag="").update(flag="", flagged_at=None)
        if cleared:
            audit.record(
                "flag.cleared",
                actor=actor,
                at=now,
                account_id=conversation.account_id,
                subject=conversation.sender,
            )
    return bool(cleared)
