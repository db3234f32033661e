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
from openclaw_sms.messaging import events, lease, media, pairing_notice
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.models import (
    UNSENT,
    WAITING,
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    NoticeState,
    NoticeWay,
    OptOut,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    OwnerNotice,
    PairingRequest,
    PairingState,
    PartState,
    Reason,
)
from openclaw_sms.text.phone import addresses_of, number_of

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


def sender(account_pk: int, address: str, *, actor: Actor, now: datetime) -> Erased:
    """Erase all that is stored of one sender, by text and on WhatsApp, the number too, except that it opted out.

    An approval goes with it: who texts again is a stranger. A number that configuration lists stays listed. Raises
    `StillBusy` or `NothingStored`; then nothing was erased.
    """
    talks = Conversation.objects.filter(account_id=account_pk, sender__in=addresses_of(address))
    with ExitStack() as holding:
        for talk in talks.order_by("id"):
            for lane in Lane:
                if holding.enter_context(lease.held(talk.pk, lane)) is None:
                    raise StillBusy
        with transaction.atomic():
            return _erase_sender(account_pk, address, actor, now)


def is_known(account_pk: int, address: str) -> bool:
    """Whether there is anything to erase."""
    texted = InboundMessage.objects.filter(account_id=account_pk, sender__in=addresses_of(address))
    talk = Conversation.objects.filter(account_id=account_pk, sender__in=addresses_of(address))
    back = OptOut.objects.filter(account_id=account_pk, number=number_of(address), out=False)
    return any(rows.exists() for rows in (texted, talk, back, *_traces(account_pk, address)))


def _erase_sender(account_pk: int, address: str, actor: Actor, now: datetime) -> Erased:
    addresses = addresses_of(address)
    texts = InboundMessage.objects.filter(account_id=account_pk, sender__in=addresses)
    messages = OutboundMessage.objects.filter(conversation__account_id=account_pk, conversation__sender__in=addresses)
    about = _about(account_pk, address)
    on_their_way = (messages | about).filter(parts__state__in=UNSENT)
    if texts.filter(state__in=BUSY).exists() or on_their_way.exists():
        raise StillBusy
    received, sent = list(texts.values_list("pk", flat=True)), list(messages.values_list("pk", flat=True))
    if not (received or sent) and not is_known(account_pk, address):
        raise NothingStored
    erased = _erase(received, sent, now)
    _erase([], list(about.values_list("pk", flat=True)), now)
    _forget_number(account_pk, address, received)
    events.erase_of(account_pk, addresses_of(address), now=now)
    audit.record("sender.erased", actor=actor, at=now, account_id=account_pk, texts=erased.received + erased.sent)
    return erased


def _traces(account_pk: int, address: str) -> tuple[QuerySet[AllowedSender], QuerySet[PairingRequest]]:
    """What is stored of a number beside its texts and the opt-out list."""
    allowed = AllowedSender.objects.filter(account_id=account_pk, number=number_of(address))
    return allowed, PairingRequest.objects.filter(account_id=account_pk, sender__in=addresses_of(address))


def _notices(account_pk: int, address: str) -> QuerySet[OwnerNotice]:
    """What the owner was told of a stranger, which names the number."""
    _, requests = _traces(account_pk, address)
    keys = [pairing_notice.key_of(pk) for pk in requests.values_list("pk", flat=True)]
    return OwnerNotice.objects.filter(account_id=account_pk, key__in=keys)


def _about(account_pk: int, address: str) -> QuerySet[OutboundMessage]:
    """The texts that told the owner so."""
    sentences = list(_notices(account_pk, address).filter(way=NoticeWay.TEXT).values_list("sentence", flat=True))
    return OutboundMessage.objects.filter(
        conversation__account_id=account_pk, kind=OutboundKind.OWNER, text__in=sentences
    )


def _forget_number(account_pk: int, address: str, received: list[int]) -> None:
    """Put a name without meaning in the number's place."""
    allowed, requests = _traces(account_pk, address)
    allowed.delete()
    notices = _notices(account_pk, address)
    notices.filter(state=NoticeState.WAITING).update(state=NoticeState.FAILED)
    notices.update(sentence=Reason.ERASED.label, body="")
    requests.filter(state=PairingState.PENDING).update(state=PairingState.EXPIRED)
    for each in addresses_of(address):
        _rename(account_pk, each, f"{ERASED_SENDER}{uuid.uuid4().hex[:16]}", received)
    opt_outs = OptOut.objects.filter(account_id=account_pk, number=number_of(address))
    opt_outs.filter(out=False).delete()
    opt_outs.update(sid="", reason="")


def _rename(account_pk: int, address: str, alias: str, received: list[int]) -> None:
    """Each address to a name of its own, so that conversations stay apart."""
    PairingRequest.objects.filter(account_id=account_pk, sender=address).update(sender=alias)
    InboundMessage.objects.filter(pk__in=received, sender=address).update(sender=alias)
    AuditEvent.objects.filter(account_id=account_pk, subject=address).update(subject=alias)
    Conversation.objects.filter(account_id=account_pk, sender=address).update(
        sender=alias, flag="", flagged_at=None, flag_sid=""
    )


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
