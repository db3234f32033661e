"""Erasing what people wrote: all that is older than some days, or all of one sender.

What remains is what counts are made of: rows, times, states, sids. Texts that wait or are being answered, and parts
on their way, are never touched. The opt-out list is not erased: it is what keeps a number from being texted again.
"""

import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import events, lease, media
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.models import (
    UNSENT,
    WAITING,
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    OptOut,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PairingState,
    PartState,
    Reason,
)

# In place of a number that was erased, so that its rows stay together.
ERASED_SENDER = "erased:"
# The agent still has the last one's words, and answers through the API.
BUSY = (*WAITING, InboundState.AWAITING)
# A batch is one short transaction; the worker takes texts in between.
BATCH = 500


class StillBusy(Exception):
    """A sender who cannot be erased now. `str()` is the operator's sentence."""

    code = "still_busy"

    def __init__(self) -> None:
        super().__init__(
            "A text of this sender is still waiting, being answered or being sent: try again when that is done."
        )


class NothingStored(Exception):
    """`str()` is the operator's sentence."""

    code = "nothing_stored"

    def __init__(self) -> None:
        super().__init__("Nothing is stored of that number on this account.")


@dataclass(frozen=True, slots=True)
class Erased:
    """How many texts lost their words."""

    received: int = 0
    sent: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(self.received + other.received, self.sent + other.sent)

    def __bool__(self) -> bool:
        return bool(self.received or self.sent)


def due(before: datetime) -> Erased:
    """How many texts `older_than` would erase now."""
    return Erased(_received().filter(received_at__lt=before).count(), _sent().filter(created_at__lt=before).count())


def older_than(before: datetime, *, now: datetime) -> Erased:
    """Erase one batch of the texts from before `before`; call it again until it finds nothing."""
    received = list(
        _received().filter(received_at__lt=before).order_by("received_at").values_list("pk", flat=True)[:BATCH]
    )
    events.erase_older(before, now=now)
    sent = list(_sent().filter(created_at__lt=before).order_by("created_at").values_list("pk", flat=True)[:BATCH])
    return _erase(received, sent, now) if received or sent else Erased()


def sender(account_pk: int, number: str, *, actor: Actor, now: datetime) -> Erased:
    """Erase all that is stored of one sender, the number too, except that it opted out.

    An approval goes with it: who texts again is a stranger. A number that configuration lists stays listed. Raises
    `StillBusy` or `NothingStored`; then nothing was erased.
    """
    with ExitStack() as holding:
        conversation = Conversation.objects.filter(account_id=account_pk, sender=number).first()
        for lane in Lane if conversation else ():
            if holding.enter_context(lease.held(conversation.pk, lane)) is None:  # type: ignore[union-attr]
                raise StillBusy
        with transaction.atomic():
            return _erase_sender(account_pk, number, conversation, actor, now)


def is_known(account_pk: int, number: str) -> bool:
    """Whether there is anything to erase."""
    texted = InboundMessage.objects.filter(account_id=account_pk, sender=number)
    talk = Conversation.objects.filter(account_id=account_pk, sender=number)
    back = OptOut.objects.filter(account_id=account_pk, number=number, out=False)
    return any(rows.exists() for rows in (texted, talk, back, *_traces(account_pk, number)))


def _erase_sender(
    account_pk: int, number: str, conversation: Conversation | None, actor: Actor, now: datetime
) -> Erased:
    texts = InboundMessage.objects.filter(account_id=account_pk, sender=number)
    messages = (
        OutboundMessage.objects.filter(conversation=conversation) if conversation else OutboundMessage.objects.none()
    )
    if texts.filter(state__in=BUSY).exists() or messages.filter(parts__state__in=UNSENT).exists():
        raise StillBusy
    received, sent = list(texts.values_list("pk", flat=True)), list(messages.values_list("pk", flat=True))
    if not (received or sent) and not is_known(account_pk, number):
        raise NothingStored
    erased = _erase(received, sent, now)
    _forget_number(account_pk, number, received, conversation)
    events.erase_of(account_pk, number, now=now)
    audit.record("sender.erased", actor=actor, at=now, account_id=account_pk, texts=erased.received + erased.sent)
    return erased


def _traces(account_pk: int, number: str) -> tuple[QuerySet[AllowedSender], QuerySet[PairingRequest]]:
    """What is stored of a number beside its texts and the opt-out list."""
    allowed = AllowedSender.objects.filter(account_id=account_pk, number=number)
    return allowed, PairingRequest.objects.filter(account_id=account_pk, sender=number)


def _forget_number(account_pk: int, number: str, received: list[int], conversation: Conversation | None) -> None:
    """Put a name without meaning in the number's place."""
    alias = f"{ERASED_SENDER}{uuid.uuid4().hex[:16]}"
    allowed, requests = _traces(account_pk, number)
    allowed.delete()
    requests.filter(state=PairingState.PENDING).update(state=PairingState.EXPIRED)
    requests.update(sender=alias)
    InboundMessage.objects.filter(pk__in=received).update(sender=alias)
    AuditEvent.objects.filter(account_id=account_pk, subject=number).update(subject=alias)
    opt_outs = OptOut.objects.filter(account_id=account_pk, number=number)
    opt_outs.filter(out=False).delete()
    opt_outs.update(sid="", reason="")
    if conversation is not None:
        Conversation.objects.filter(pk=conversation.pk).update(sender=alias, flag="", flagged_at=None, flag_sid="")


def _received() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(erased_at__isnull=True).exclude(state__in=BUSY)


def _sent() -> QuerySet[OutboundMessage]:
    on_their_way = OutboundPart.objects.filter(message=OuterRef("pk"), state__in=UNSENT)
    return OutboundMessage.objects.filter(~Exists(on_their_way), erased_at__isnull=True)


def _erase(received: list[int], sent: list[int], now: datetime) -> Erased:
    """The words of these texts, and what hangs on them. A text that came back to life meanwhile keeps its words."""
    with transaction.atomic():
        texts = InboundMessage.objects.filter(pk__in=received, erased_at__isnull=True).exclude(state__in=BUSY)
        count = texts.update(body="", form=b"", erased_at=now)
        media.erase(received)
        media.erase_sent(sent)
        # Held back behind a part that failed, without words now: it must never be let go.
        blocked = OutboundPart.objects.filter(message_id__in=sent, state=PartState.BLOCKED)
        blocked.update(state=PartState.CANCELLED, reason=Reason.ERASED, detail=Reason.ERASED.label)
        OutboundPart.objects.filter(message_id__in=sent).exclude(state__in=UNSENT).update(body="")
        messages = OutboundMessage.objects.filter(pk__in=sent, erased_at__isnull=True).update(text="", erased_at=now)
        return Erased(count, messages)
