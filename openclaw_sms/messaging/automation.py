"""Texts that a program or an agent sends of its own accord, or in answer to a text that it was given earlier.

Nothing here widens what people may do: who may be texted first is a list, the gate and the quiet hours are asked like
for any text, and an answer goes only to the sender of the text that it names.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from openclaw_sms.access.policy import Decision
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import enclosures, events, manual, outbox
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.messaging.turn import rule
from openclaw_sms.models import (
    ANYONE,
    AllowedSender,
    Conversation,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    Reason,
)
from openclaw_sms.text.phone import number_of, parse_target
from openclaw_sms.text.plaintext import sendable_text

# A text that still waits for its turn belongs to the worker; a stranger's is for the owner to decide about.
ANSWERABLE_LATER = frozenset(
    {InboundState.PROCESSING, InboundState.AWAITING, InboundState.SILENT, InboundState.PARKED}
)


class NotAccepted(Exception):
    """A text that is not sent. `code` is stable, `field` names the part of the request; the message has the fix."""

    def __init__(self, code: str, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Order:
    """What a program asks to be sent. `to` is as it was written, "" for the account's `defaultTo`; `in_reply_to` is
    the MessageSid of a text received, `media` public https addresses of files to go along. `account_pk` restricts it
    to one account."""

    text: str = field(repr=False)
    to: str = field(default="", repr=False)
    account_id: str | None = None
    in_reply_to: str = ""
    plain: bool = False
    media: tuple[str, ...] = field(default=(), repr=False)
    account_pk: int | None = None


def send(order: Order, *, author: str, now: datetime) -> OutboundMessage:
    """Put the text into the outbox. Call it inside a transaction.

    Raises `NotAccepted`, `NoAccount`, `InvalidNumber`, what `manual.draft` raises, and `gate.Withheld`.
    """
    if order.in_reply_to:
        return _answer(order, author=author, now=now)
    account = permitted(order.account_id, order.account_pk)
    to = _recipient(account, order.to)
    draft = manual.draft(account, to, order.text, plain=order.plain, media=_enclosures(order))
    return manual.submit(draft, author=author, now=now, automated=True)


def permitted(account_id: str | None, account_pk: int | None) -> Account:
    """The account called `account_id`, or the default; for whom is restricted, theirs. Raises `NoAccount`.

    Another account than theirs does not exist for them, and the sentence does not tell which others do.
    """
    if account_pk is None:
        return accounts.choose(account_id)
    mine = accounts.load().by_pk(account_pk)
    if mine is None or (account_id is not None and accounts.normalise_id(account_id) != mine.id):
        raise accounts.NoAccount("There is no such account for this token.")
    return mine


def may_be_texted_first(account: Account, address: str) -> bool:
    """Whoever may talk to the account, its default recipient, its owners, and what `initiateTo` adds.

    That anybody may talk (`*` in the list of allowed senders) does not mean that anybody may be texted.
    """
    number = number_of(address)
    listed = {*account.initiate_to, *account.owner_numbers, account.default_to, *account.allow_from - {ANYONE}}
    if number in listed or ANYONE in account.initiate_to:
        return True
    return AllowedSender.objects.filter(account_id=account.pk, number=number).exists()


def _enclosures(order: Order) -> list[Enclosure]:
    """Raises `UnsendableMedia`."""
    return [enclosures.from_url(address) for address in order.media]


def _recipient(account: Account, to: str) -> str:
    if not to and not account.default_to:
        raise NotAccepted(
            "no_recipient", f"Give a recipient in `to`, or set defaultTo for account {account.id}.", field="to"
        )
    address = parse_target(to or account.default_to, region=accounts.default_region())
    if not may_be_texted_first(account, address):
        raise NotAccepted(
            "recipient_not_allowed",
            f"This number may not be texted first on account {account.id}: "
            "let the sender in, or add the number to the account's initiateTo.",
            field="to",
        )
    return address


def _answer(order: Order, *, author: str, now: datetime) -> OutboundMessage:
    text = _text(order)
    account = accounts.load().by_pk(text.account_id)
    if account is None or rule(account, text.sender).decision is not Decision.ADMIT:
        raise NotAccepted("sender_not_allowed", "The sender of that text may not talk any more.", field="inReplyTo")
    words = order.text if order.plain else sendable_text(order.text)
    draft = manual.draft(account, text.sender, words, plain=True, media=_enclosures(order))
    return _write(text, draft, author=author, now=now)


def _text(order: Order) -> InboundMessage:
    texts = InboundMessage.objects.filter(sid=order.in_reply_to)
    if order.account_id is not None or order.account_pk is not None:
        texts = texts.filter(account_id=permitted(order.account_id, order.account_pk).pk)
    text = texts.defer("form").first()
    if text is None:
        raise NotAccepted("no_such_text", "No text received has that MessageSid.", field="inReplyTo")
    if order.to and parse_target(order.to, region=accounts.default_region()) != text.sender:
        raise NotAccepted("wrong_recipient", "An answer goes to the text's own sender: leave `to` out.", field="to")
    return text


def _write(text: InboundMessage, draft: manual.Draft, *, author: str, now: datetime) -> OutboundMessage:
    with transaction.atomic():
        conversation, _ = Conversation.objects.get_or_create(account_id=text.account_id, sender=text.sender)
        _mark_answered(text, now)
        message = outbox.write(
            conversation,
            draft.text,
            kind=OutboundKind.REPLY,
            author=author,
            limit=draft.account.text_chunk_limit,
            now=now,
            in_reply_to=text,
            enclosures=draft.enclosures,
        )
        events.text_answered(text, message, now=now)
    return message


def _mark_answered(text: InboundMessage, now: datetime) -> None:
    """Win the text for this answer, from whichever state it is in; the turn may be moving it in this very moment.

    Whoever answers first (the agent itself, another program) has answered. Raises `NotAccepted`.
    """
    while text.state in ANSWERABLE_LATER:
        if text.move(InboundState.ANSWERED, reason=Reason.NONE, detail="", finished_at=now, next_attempt_at=None):
            return
        text.refresh_from_db(fields=["state"])
    raise NotAccepted(
        "not_answerable",
        f"That text is now “{text.get_state_display()}”, and not to be answered.",
        field="inReplyTo",
    )
