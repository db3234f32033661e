"""Pages of what was said: newest first, by position and never by count, so that a million rows are no slower."""

from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from django.db.models import Q, QuerySet

from openclaw_sms.models import Conversation, InboundMessage, OutboundMessage

RECEIVED, SENT = "in", "out"

Item = InboundMessage | OutboundMessage


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends: the moment and the key of its last row; `direction` orders texts of one moment."""

    at: datetime
    pk: int
    direction: str = ""


def conversations(
    *, account_pk: int | None, number: str | None = None, before: Position | None, limit: int
) -> list[Conversation]:
    """Those in which something happened, the latest first."""
    rows = Conversation.objects.filter(last_activity_at__isnull=False).select_related("account")
    if account_pk is not None:
        rows = rows.filter(account_id=account_pk)
    if number is not None:
        rows = rows.filter(sender=number)
    if before is not None:
        rows = rows.filter(_earlier("last_activity_at", before))
    return list(rows.order_by("-last_activity_at", "-pk")[:limit])


def thread(conversation: Conversation, *, before: Position | None, limit: int) -> list[Item]:
    """Texts received and sent, newest first. What was received in the moment something was sent comes first."""
    came = InboundMessage.objects.filter(account_id=conversation.account_id, sender=conversation.sender)
    went = sent_texts().filter(conversation=conversation)
    if before is not None:
        came = came.filter(_before(before, "received_at", RECEIVED))
        went = went.filter(_before(before, "created_at", SENT))
    newest_in = came.select_related("account").defer("form").order_by("-received_at", "-pk")[:limit]
    newest_out = went.order_by("-created_at", "-pk")[:limit]
    both: list[list[Item]] = [list(newest_in), list(newest_out)]
    return list(islice(merge(*both, key=_key, reverse=True), limit))


def sent_texts() -> QuerySet[OutboundMessage]:
    """Texts sent, with all that `messaging.wire` tells of them."""
    rows = OutboundMessage.objects.select_related("conversation__account", "in_reply_to")
    return rows.defer("in_reply_to__form").prefetch_related("parts")


def position_of(item: Item) -> Position:
    if isinstance(item, InboundMessage):
        return Position(item.received_at, item.pk, RECEIVED)
    return Position(item.created_at, item.pk, SENT)


def position_of_conversation(row: Conversation) -> Position:
    """Of one that `conversations` gave."""
    return Position(row.last_activity_at or row.created_at, row.pk)


def _key(item: Item) -> tuple[datetime, str, int]:
    """`out` sorts after `in`: of one moment, the reply is newer than the text."""
    where = position_of(item)
    return (where.at, where.direction, where.pk)


def _earlier(moment: str, before: Position) -> Q:
    return Q(**{f"{moment}__lt": before.at}) | Q(**{moment: before.at, "pk__lt": before.pk})


def _before(before: Position, moment: str, direction: str) -> Q:
    if direction == before.direction:
        return _earlier(moment, before)
    compare = "lte" if direction < before.direction else "lt"
    return Q(**{f"{moment}__{compare}": before.at})
