"""Texts that a person or a program sends by hand, outside of any turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import enclosures, gate, outbox, parts
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.parts import Planned
from openclaw_sms.models import Conversation, OutboundKind, OutboundMessage
from openclaw_sms.text.phone import is_whatsapp
from openclaw_sms.text.plaintext import to_plain_text
from openclaw_sms.twilio.client import refuse_insecure


class NothingToSend(ConfigurationError):
    code = "nothing_to_send"

    def __init__(self) -> None:
        super().__init__("The message is empty once its markdown is taken away: give --message some words.")


class TooLong(ConfigurationError):
    code = "too_long"

    def __init__(self) -> None:
        super().__init__(f"The message is too long: send at most {outbox.LONGEST_TEXT} characters at a time.")


class NoWhatsApp(ConfigurationError):
    code = "whatsapp_disabled"

    def __init__(self, account: Account) -> None:
        super().__init__(
            f"Account {account.id} does not use WhatsApp: switch it on for the account, "
            "or give --target without whatsapp:."
        )


class NotConfigured(ConfigurationError):
    code = "account_not_configured"

    def __init__(self, account: Account) -> None:
        super().__init__(
            f"Account {account.id} cannot send: it must be enabled and have accountSid, authToken "
            "and fromNumber or messagingServiceSid."
        )


class Unavailable(ConfigurationError):
    code = "account_unavailable"

    def __init__(self, account: Account) -> None:
        super().__init__(f"Account {account.id} cannot send now: {account.unavailable}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A text as it would go out: `to` as conversations have it, `parts` plain text in order, with their files."""

    account: Account
    to: str
    text: str = field(repr=False)
    parts: tuple[Planned, ...] = field(repr=False)
    enclosures: tuple[Enclosure, ...] = ()


def draft(account: Account, to: str, text: str, *, plain: bool = False, media: Sequence[Enclosure] = ()) -> Draft:
    """Flatten (unless `plain`) and split `text`, with its files; writes nothing.

    Raises `NotConfigured`, `Unavailable`, `NoWhatsApp`, `NothingToSend`, `TooLong`, `UnsendableMedia`, `Withheld` for
    a recipient who must not be texted, or `InsecureApiBase` for a TWILIO_API_BASE_URL that would give the account's
    secrets away.
    """
    if not (account.enabled and account.configured):
        raise NotConfigured(account)
    if account.unavailable:
        raise Unavailable(account)
    if is_whatsapp(to) and not account.whatsapp:
        raise NoWhatsApp(account)
    refuse_insecure(settings.TWILIO_API_BASE_URL)
    refusal = gate.can_send(account, to, OutboundKind.MESSAGE, now=timezone.now())
    if refusal is not None:
        raise Withheld(refusal)
    # A shell may pass on bytes that are no characters; nothing can store or send those.
    readable = text.encode(errors="replace").decode()
    words = readable if plain else to_plain_text(readable)
    if not words.strip():
        words = ""
    if not (words or media):
        raise NothingToSend
    if outbox.is_too_long(words):
        raise TooLong
    enclosures.check(media, words, account)
    planned = parts.plan(words, media, limit=account.text_chunk_limit, whatsapp=is_whatsapp(to))
    return Draft(account, to, words, tuple(planned), tuple(media))


def submit(ready: Draft, *, author: str, now: datetime, automated: bool = False) -> OutboundMessage:
    """Put a draft into the outbox. `automated`: a program or an agent began it, so it keeps the quiet hours.

    Raises `Withheld`.
    """
    with transaction.atomic():
        conversation, _ = Conversation.objects.get_or_create(account_id=ready.account.pk, sender=ready.to)
        return outbox.write(
            conversation,
            ready.text,
            kind=OutboundKind.AUTOMATION if automated else OutboundKind.MESSAGE,
            author=author,
            limit=ready.account.text_chunk_limit,
            now=now,
            enclosures=ready.enclosures,
        )
