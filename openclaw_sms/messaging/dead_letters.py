"""Dead letters: texts received that cannot be answered before somebody mends something.

Parts that failed or are uncertain are no dead letters: they have pages and buttons of their own, and what is to be
decided about them is another question. Putting a dead letter back is the console's *Answer now*.
"""

from datetime import datetime

from django.db.models import QuerySet

from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import decisions
from openclaw_sms.models import InboundMessage, InboundState


class NoSuchText(Exception):
    """The message is the operator's sentence."""

    code = "no_such_text"

    def __init__(self) -> None:
        super().__init__("No text has that ID: see `channels dead-letters list` for those that can be resubmitted.")


def waiting(*, account_pk: int | None = None) -> QuerySet[InboundMessage]:
    """The dead letters, oldest first, without their forms."""
    parked = InboundMessage.objects.filter(state=InboundState.PARKED).select_related("account").defer("form", "body")
    if account_pk is not None:
        parked = parked.filter(account_id=account_pk)
    return parked.order_by("id")


def resubmit(word: str, *, actor: Actor, now: datetime, account_pk: int | None = None) -> InboundMessage:
    """Have the text with this id, or this MessageSid, answered after all: once, however often it is asked for.

    Raises `NoSuchText`, or `AlreadyDecided` when the text needs nothing or somebody was faster.
    """
    text = _found(word.strip(), account_pk)
    decisions.answer_now(text, actor=actor, now=now)
    return text


def _found(word: str, account_pk: int | None) -> InboundMessage:
    texts = InboundMessage.objects.filter(**({} if account_pk is None else {"account_id": account_pk}))
    key = {"pk": int(word)} if word.isascii() and word.isdigit() and len(word) < 19 else {"sid": word}
    found = list(texts.select_related("account").filter(**key).order_by("-id")[:1])
    if not found:
        raise NoSuchText
    return found[0]
