"""One conversation as people read it: bubbles in the order of time, each with what became of it and what to do.

This module reads; it offers decisions but makes none. A page holds the latest `SHOWN_AT_ONCE` texts before a
position, so that a conversation of years costs as much as one of an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from openclaw_sms.access.policy import Decision as Access
from openclaw_sms.admin import decisions
from openclaw_sms.admin.components import settings_in_effect
from openclaw_sms.admin.decisions import Decision
from openclaw_sms.admin.help import help_address
from openclaw_sms.messaging import turn
from openclaw_sms.models import (
    FIXES,
    WAITING,
    Conversation,
    Delivery,
    InboundMessage,
    InboundState,
    MediaItem,
    MediaState,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.text.media_types import SHOWN_INLINE, counted, noun
from openclaw_sms.twilio.errors import fault_for

SHOWN_AT_ONCE = 200
RECEIVED, SENT = 0, 1
ERASED = "(erased)"

INBOUND_TONES = {
    InboundState.RECEIVED: "busy",
    InboundState.PROCESSING: "busy",
    InboundState.ANSWERED: "good",
    InboundState.PARKED: "act",
    InboundState.HELD: "act",
    InboundState.THROTTLED: "act",
}
PART_TONES = {
    PartState.QUEUED: "busy",
    PartState.SENDING: "busy",
    PartState.CHECKING: "busy",
    PartState.FAILED: "act",
    PartState.UNCERTAIN: "act",
}
# What people know from their own phones: one tick for "on its way", two for "arrived".
TICKS = {
    Delivery.DELIVERED: "✓✓",
    Delivery.READ: "✓✓",
    Delivery.UNDELIVERED: "✗",
    Delivery.FAILED: "✗",
    Delivery.CANCELED: "✗",
    Delivery.CONFLICTED: "?",
}
# The page's entry for texts that Twilio took and that did not arrive.
NOT_DELIVERED = "Twilio accepts a text, and it does not arrive"
UNDELIVERED = frozenset({Delivery.UNDELIVERED, Delivery.FAILED, Delivery.CANCELED})


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the thread. `direction` and `pk` part texts of the same moment."""

    at: datetime
    direction: int
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.direction}~{self.pk}"

    @classmethod
    def parse(cls, words: str) -> "Position | None":
        """The position that `str` wrote; None for anything else, which then means the end of the thread."""
        try:
            at, direction, pk = words.split("~")
            moment = parse_datetime(at)
            return cls(moment, int(direction), int(pk)) if moment is not None and moment.tzinfo else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class File:
    """A file in a bubble. `address`: where it can be seen, "" when it is not there; then `why` says so.

    `picture`: the browser may show it in the page.
    """

    words: str
    address: str = ""
    picture: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class PartLine:
    """One SMS of ours: the words that went out, how far they got, and why they got no further."""

    number: int
    words: str
    status: str
    tone: str
    tick: str
    segments: int
    encoding: str
    sid: str
    why: str
    fix: str
    again_at: datetime | None
    decisions: tuple[Decision, ...]
    help: str = ""
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Bubble:
    """A text they sent (`parts` is empty) or one of ours."""

    position: Position
    anchor: str
    received: bool
    words: str = ""
    status: str = ""
    tone: str = "quiet"
    why: str = ""
    fix: str = ""
    help: str = ""
    again_at: datetime | None = None
    backfilled: bool = False
    kind: str = ""
    author: str = ""
    parts: tuple[PartLine, ...] = ()
    decisions: tuple[Decision, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def at(self) -> datetime:
        return self.position.at


@dataclass(frozen=True, slots=True)
class Thread:
    """A page of a conversation, oldest first. `earlier` is where the page before ends, None at the beginning."""

    bubbles: tuple[Bubble, ...]
    earlier: Position | None


def read(conversation: Conversation, *, before: Position | None, may_answer: bool, may_send: bool) -> Thread:
    """The latest texts before a position. Decisions are offered to operators who may make them."""
    received = list(_received(conversation, before)[: SHOWN_AT_ONCE + 1])
    admitted = may_answer and would_be_answered(conversation.account_id, conversation.sender)
    found = [_bubble_of_text(text, admitted=admitted) for text in received]
    found += [_bubble_of_message(message, may_send=may_send) for message in _sent(conversation, before)]
    found.sort(key=lambda bubble: bubble.position)
    shown = tuple(found[-SHOWN_AT_ONCE:])
    return Thread(shown, shown[0].position if len(found) > len(shown) else None)


def would_be_answered(account_pk: int, sender: str) -> bool:
    """Whether a text of this sender would reach the agent as things are now."""
    account = settings_in_effect()[0].by_pk(account_pk)
    if account is None or not (account.enabled and account.configured):
        return False
    return turn.rule(account, sender).decision is Access.ADMIT


def _received(conversation: Conversation, before: Position | None) -> QuerySet[InboundMessage]:
    texts = InboundMessage.objects.filter(account_id=conversation.account_id, sender=conversation.sender)
    texts = texts.filter(_earlier_than(before, RECEIVED, "received_at"))
    return texts.defer("form").prefetch_related("media").order_by("-received_at", "-id")


def _sent(conversation: Conversation, before: Position | None) -> Iterator[OutboundMessage]:
    messages = OutboundMessage.objects.filter(conversation=conversation)
    messages = messages.filter(_earlier_than(before, SENT, "created_at"))
    parts = Prefetch("parts", OutboundPart.objects.prefetch_related("media"))
    yield from messages.prefetch_related(parts).order_by("-created_at", "-id")[: SHOWN_AT_ONCE + 1]


def _earlier_than(before: Position | None, direction: int, moment: str) -> Q:
    if before is None:
        return Q()
    earlier = Q(**{f"{moment}__lt": before.at})
    if direction < before.direction:
        return earlier | Q(**{moment: before.at})
    if direction == before.direction:
        return earlier | Q(**{moment: before.at, "pk__lt": before.pk})
    return earlier


def _bubble_of_text(text: InboundMessage, *, admitted: bool) -> Bubble:
    state = InboundState(text.state)
    unanswered = state is not InboundState.ANSWERED
    return Bubble(
        position=Position(text.received_at, RECEIVED, text.pk),
        anchor=f"in-{text.pk}",
        received=True,
        words=text.body or (ERASED if text.erased_at else ""),
        status=str(state.label),
        tone=INBOUND_TONES.get(state, "quiet"),
        why=reason_of(text) if unanswered else "",
        fix=fix_of(text) if unanswered and state not in WAITING else "",
        help=help_address(text.reason) if unanswered else "",
        backfilled=text.backfilled,
        again_at=text.next_attempt_at if state is InboundState.RECEIVED else None,
        decisions=tuple(decisions.on_text(text, admitted=admitted)),
        files=tuple(map(_file, text.media.all())),
    )


def _bubble_of_message(message: OutboundMessage, *, may_send: bool) -> Bubble:
    return Bubble(
        position=Position(message.created_at, SENT, message.pk),
        anchor=f"out-{message.pk}",
        received=False,
        kind=message.get_kind_display(),
        author=message.author,
        parts=tuple(_line(part, may_send=may_send) for part in message.parts.all()),
    )


def _line(part: OutboundPart, *, may_send: bool) -> PartLine:
    return PartLine(
        number=part.number,
        words=part.body or ERASED,
        status=status_of(part),
        tone=tone_of(part),
        tick=_tick(part),
        segments=part.segments,
        encoding=part.encoding,
        sid=part.sid,
        why=failure_of(part),
        fix=fix_of(part),
        again_at=part.next_attempt_at if part.state == PartState.QUEUED else None,
        decisions=tuple(decisions.on_part(part)) if may_send else (),
        help=help_address(part.reason or (NOT_DELIVERED if failure_of(part) else "")),
        files=tuple(map(_file, part.media.all())),
    )


def _file(item: MediaItem) -> File:
    thing = noun(item.content_type or item.declared_type)
    if item.state == MediaState.KEPT:
        picture = item.content_type in SHOWN_INLINE
        words = thing if picture else f"{thing.capitalize()}, {item.content_type}, {item.size:,} bytes"
        return File(words, reverse("admin:openclaw_sms_conversation_media", args=[item.pk]), picture)
    if item.state == MediaState.REMOTE:
        # Shown as a link: the console asks nobody else for anything by itself.
        return File(item.url, item.url)
    what = counted(item.stands_for, thing)
    return File(f"{what}, {MediaState(item.state).label}", why=item.why)


def reason_of(row: InboundMessage | OutboundPart) -> str:
    """Why, in one sentence; "" when there is nothing to explain."""
    return row.detail or Reason(row.reason).label


def fix_of(row: InboundMessage | OutboundPart) -> str:
    """What to do about it."""
    return FIXES[Reason(row.reason)] if row.reason in FIXES else ""


def failure_of(part: OutboundPart) -> str:
    """Why a part did not go out or did not arrive: our own reason, else what Twilio's code means."""
    if part.reason or part.detail:
        return reason_of(part)
    if part.delivery in UNDELIVERED and part.error_code:
        return f"{fault_for(None, part.error_code).sentence} (Twilio error {part.error_code})"
    return ""


def status_of(part: OutboundPart) -> str:
    """How far the part got: Twilio's word once it has one, ours before."""
    if part.state == PartState.ACCEPTED and part.delivery:
        return str(Delivery(part.delivery).label)
    return str(PartState(part.state).label)


def tone_of(part: OutboundPart) -> str:
    if part.state == PartState.QUEUED and part.reason == Reason.CIRCUIT_OPEN:
        return "bad"
    if part.delivery in UNDELIVERED:
        return "bad"
    if part.delivery in (Delivery.DELIVERED, Delivery.READ):
        return "good"
    return PART_TONES.get(PartState(part.state), "quiet")


def _tick(part: OutboundPart) -> str:
    if part.delivery:
        return TICKS.get(Delivery(part.delivery), "✓")
    return "✓" if part.state == PartState.ACCEPTED else ""
