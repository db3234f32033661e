"""Texts that a person or a program sends by hand, outside of any turn."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import outbox
from openclaw_sms.models import Conversation, OutboundKind, OutboundMessage
from openclaw_sms.text import segments
from openclaw_sms.text.plaintext import to_plain_text


class NothingToSend(ConfigurationError):
    code = "nothing_to_send"

    def __init__(self) -> None:
        super().__init__("The message is empty once its markdown is taken away: give --message some words.")


class NotConfigured(ConfigurationError):
    code = "account_not_configured"

    def __init__(self, account: Account) -> None:
        super().__init__(
            f"Account {account.id} cannot send: it must be enabled and have accountSid, authToken "
            "and fromNumber or messagingServiceSid."
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A text as it would go out: `to` is E.164, `parts` are plain text, in order."""

    account: Account
    to: str
    text: str
    parts: tuple[str, ...]


def draft(account: Account, to: str, text: str, *, plain: bool = False) -> Draft:
    """Flatten (unless `plain`) and split `text`. Raises `NotConfigured` or `NothingToSend`; writes nothing."""
    if not (account.enabled and account.configured):
        raise NotConfigured(account)
    words = text if plain else to_plain_text(text)
    if not words.strip():
        raise NothingToSend
    return Draft(account, to, words, tuple(segments.split(words, account.text_chunk_limit)))


def submit(ready: Draft, *, author: str, now: datetime) -> OutboundMessage:
    """Put a draft into the outbox."""
    with transaction.atomic():
        conversation, _ = Conversation.objects.get_or_create(account_id=ready.account.pk, sender=ready.to)
        return outbox.write(
            conversation,
            ready.text,
            kind=OutboundKind.MESSAGE,
            author=author,
            limit=ready.account.text_chunk_limit,
            now=now,
        )
