"""The durable outbox: every text we send is written first, as parts, and posted part by part, in order.

"About to post" is committed before Twilio is called and the result after it. What happens when the process dies in
between is `messaging.reconcile`'s business. Nothing else in the gateway posts a text, and `messaging.gate` is asked
twice: when a text is written and when a part is posted.
"""

import functools
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import (
    circuits,
    counters,
    delivery,
    gate,
    hosting,
    pace,
    part_moves,
    parts,
    queue,
    refusals,
)
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.messaging.gate import Refusal, Withheld
from openclaw_sms.messaging.lease import Lease, LeaseLost
from openclaw_sms.messaging.part_moves import Progress
from openclaw_sms.messaging.parts import Planned
from openclaw_sms.models import (
    UNSENT,
    Circuit,
    Conversation,
    InboundMessage,
    MediaBytes,
    MediaItem,
    MediaState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    ProbeKind,
    Reason,
)
from openclaw_sms.text.phone import is_whatsapp, whatsapp
from openclaw_sms.twilio.callbacks import is_loopback, status_callback_url
from openclaw_sms.twilio.client import Credentials, Outgoing, Sent, TwilioClient
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

# Well under a lease: as long as our marker is younger than this nobody else can have acted on it.
MARKER_IS_STALE_AFTER = timedelta(seconds=10)
# How soon a part looks again whether its account's secret can be had.
UNAVAILABLE_FOR = timedelta(seconds=5)
# When Twilio is first asked what became of a text that nobody reported on.
FIRST_POLL_AFTER = timedelta(minutes=10)
# Some thirty texts in a row. What is longer is a document, or an agent that has lost its way.
LONGEST_TEXT = 40_000


def is_too_long(text: str) -> bool:
    return len(text) > LONGEST_TEXT


def write(
    conversation: Conversation,
    text: str,
    *,
    kind: OutboundKind,
    author: str,
    limit: int,
    now: datetime,
    in_reply_to: InboundMessage | None = None,
    enclosures: Sequence[Enclosure] = (),
    unsendable: Sequence[str] = (),
) -> OutboundMessage:
    """Put `text` (plain) into the outbox, split into parts of at most `limit` characters, with its files.

    Not both may be empty. `unsendable`: a sentence for each file that was to go along and cannot, for the operator.

    Call it inside the transaction that makes the text necessary; the worker is woken when that commits. Raises
    `Withheld` when the gate is closed for the recipient; then nothing was written.
    """
    account = accounts.current().by_pk(conversation.account_id)
    refusal = gate.can_send(account, conversation.sender, kind, now=now)
    if refusal is not None and refusal.until is None:
        raise Withheld(refusal)
    message = OutboundMessage.objects.create(
        conversation=conversation,
        kind=kind,
        in_reply_to=in_reply_to,
        text=text,
        author=author,
        created_at=now,
    )
    planned = parts.plan(text, enclosures, limit=limit, whatsapp=is_whatsapp(conversation.sender))
    written = OutboundPart.objects.bulk_create(
        _part(message, number, each, refusal) for number, each in enumerate(planned, start=1)
    )
    _enclose(written, planned, unsendable)
    Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=now)
    transaction.on_commit(functools.partial(queue.wake_outbox, conversation.pk))
    return message


def _part(message: OutboundMessage, number: int, planned: Planned, waits: Refusal | None) -> OutboundPart:
    return OutboundPart(
        message=message,
        conversation_id=message.conversation_id,
        number=number,
        body=planned.body,
        encoding=planned.encoding,
        segments=planned.segments,
        next_attempt_at=waits.until if waits else None,
        reason=waits.reason if waits else Reason.NONE,
        detail=waits.sentence if waits else "",
    )


def _enclose(written: list[OutboundPart], planned: list[Planned], unsendable: Sequence[str]) -> None:
    """Keep the files of each part, and, with the first, why others are missing."""
    for part, each in zip(written, planned, strict=True):
        for position, enclosure in enumerate(each.enclosures):
            _keep(part, position, enclosure)
    MediaItem.objects.bulk_create(
        MediaItem(
            part=written[0],
            position=len(planned[0].enclosures) + number,
            state=MediaState.UNAVAILABLE,
            why=sentence[:200],
        )
        for number, sentence in enumerate(unsendable)
    )


def _keep(part: OutboundPart, position: int, enclosure: Enclosure) -> None:
    item = MediaItem.objects.create(
        part=part,
        position=position,
        state=MediaState.REMOTE if enclosure.url else MediaState.KEPT,
        url=enclosure.url,
        content_type=enclosure.content_type,
        size=enclosure.size,
    )
    if not enclosure.url:
        MediaBytes.objects.create(item=item, data=enclosure.data)


def waits_for_morning(now: datetime) -> Q:
    """The parts that wait for the end of their recipient's quiet hours."""
    return Q(reason=Reason.QUIET_HOURS, next_attempt_at__gt=now)


def next_part(conversation_id: int) -> OutboundPart | None:
    """The oldest part of the conversation that is not yet settled.

    What waits for the end of quiet hours is passed over until then: a reply must not wait behind it.
    """
    unsent = OutboundPart.objects.filter(conversation_id=conversation_id, state__in=UNSENT)
    unsent = unsent.exclude(waits_for_morning(timezone.now()))
    parts = unsent.select_related("conversation", "message").defer("message__text")
    return parts.order_by("message_id", "number").first()


def sid_answered_by(part: OutboundPart) -> str | None:
    """The MessageSid of the received text that this part answers; None when it answers none."""
    answers = OutboundMessage.objects.filter(pk=part.message_id).values_list("in_reply_to__sid", flat=True)
    return answers.first()


def post(part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    """Post a queued part to Twilio, if nothing holds it back. Raises `LeaseLost` when another worker took over."""
    account = accounts.current().by_pk(part.conversation.account_id)
    if account is None or not (account.enabled and account.configured):
        return part_moves.stop(part, lease, PartState.FAILED, Reason.ACCOUNT_UNAVAILABLE, now=now)
    if account.unavailable:
        until = now + UNAVAILABLE_FOR
        return part_moves.wait(
            part, lease, now=now, until=until, reason=Reason.SECRET_UNAVAILABLE, detail=account.unavailable
        )
    circuit = circuits.of(account.pk)
    if circuit is not None and not _may_be_the_trial(circuit, now):
        until = circuit.next_probe_at
        return part_moves.wait(
            part, lease, now=now, until=until, reason=Reason.CIRCUIT_OPEN, detail=_sentence_of(circuit)
        )
    return _post_in_its_place(part, lease, account, now=now)


def _may_be_the_trial(circuit: Circuit, now: datetime) -> bool:
    """Whether this part is the one text that shows if the circuit may close."""
    return circuit.probe != ProbeKind.QUESTION and circuits.claim_probe(circuit, now)


def _sentence_of(circuit: Circuit) -> str:
    return f"{circuit.sentence} (Twilio error {circuit.code})" if circuit.code else circuit.sentence


def _post_in_its_place(part: OutboundPart, lease: Lease, account: Account, *, now: datetime) -> Progress:
    """Mark and post the part when its place in the number's pace has come; else book one and wait for it."""
    twilio = carrier(account)
    with transaction.atomic():
        lease.confirm(now)
        place = pace.place(account, segments=part.segments, booked=part.slot_at, now=now)
        if place.at > now:
            return _wait_for(place, part, lease, now=now)
        if not part.move(
            PartState.SENDING,
            attempts=part.attempts + 1,
            posted_at=now,
            next_attempt_at=None,
            slot_at=None,
            reason=Reason.NONE,
            detail="",
        ):
            return Progress.MOVED
    try:
        outgoing = _outgoing(part, account)
    except hosting.CannotServe:
        return part_moves.stop(part, lease, PartState.FAILED, Reason.MEDIA_UNSERVED, now=now)
    if timezone.now() - now > MARKER_IS_STALE_AFTER:
        # This process stood still (a suspended machine): another worker may by now have asked Twilio and sent it.
        raise LeaseLost
    # The last thing before the post: what was allowed when the text was written may not be any more.
    refusal = gate.can_send(account, outgoing.to, part.message.kind, now=timezone.now())
    if refusal is not None:
        return _withhold(part, lease, refusal)
    try:
        sent = twilio.send(outgoing)
    except TwilioError as error:
        counters.count(counters.SENDS, outcome=error.kind.value)
        return refusals.on_refusal(part, account, lease, error)
    counters.count(counters.SENDS, outcome="accepted")
    return accept(part, account, lease, sent)


def _wait_for(place: pace.Place, part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    if place.is_pause:
        reason = Reason.SENDER_PAUSED
        return part_moves.wait(part, lease, now=now, until=place.at, reason=reason, detail=reason.label, slot_at=None)
    return part_moves.wait(part, lease, now=now, until=place.at, reason=Reason.NONE, detail="", slot_at=place.at)


def _withhold(part: OutboundPart, lease: Lease, refusal: Refusal) -> Progress:
    """Undo the marker of a part that was not posted: it waits, or it is given up and those behind it too."""
    now = timezone.now()
    logger.info("part.withheld part=%s reason=%s", part.pk, refusal.reason.value)
    why: dict[str, object] = {"reason": refusal.reason, "detail": refusal.reason.label}
    if refusal.until is not None:
        part.put_off_rest(refusal.until, refusal.reason)
        tries = part.attempts - 1
        return part_moves.put_off(part, lease, PartState.QUEUED, now=now, until=refusal.until, attempts=tries, **why)
    with transaction.atomic():
        lease.confirm(now)
        if part.move(PartState.CANCELLED, next_attempt_at=None, **why):
            part.cancel_rest()
    return Progress.MOVED


def from_address(account: Account, to: str) -> str:
    """Whom a text to `to` is from: the account's number, on WhatsApp its WhatsApp address, "" if a service picks."""
    return whatsapp(account.from_number) if account.from_number and is_whatsapp(to) else account.from_number


def _outgoing(part: OutboundPart, account: Account) -> Outgoing:
    """Raises `CannotServe`. Addresses of our own files are made now, so that each try has fresh ones."""
    to = part.conversation.sender
    return Outgoing(
        to=to,
        body=part.body,
        media_urls=hosting.addresses(part, account),
        from_number=from_address(account, to),
        messaging_service_sid="" if account.from_number else account.messaging_service_sid,
        status_callback=status_callback_url(
            account.public_webhook_url,
            part=str(part.token),
            # A pretend Twilio on this machine can reach this machine; the real one cannot.
            allow_loopback=is_loopback(urlsplit(settings.TWILIO_API_BASE_URL).hostname or ""),
        ),
    )


def accept(part: OutboundPart, account: Account, lease: Lease, sent: Sent) -> Progress:
    """Write down that Twilio has the part."""
    now = timezone.now()
    with transaction.atomic():
        lease.confirm(now)
        # A status callback may have been faster; then the part already is where it belongs.
        won = part.move(
            PartState.ACCEPTED,
            sid=sent.sid,
            accepted_at=now,
            next_attempt_at=None,
            next_poll_at=now + FIRST_POLL_AFTER,
            reason=Reason.NONE,
            detail="",
        )
        if won:
            delivery.report(part, status=sent.status, error_code=sent.error_code or 0)
            delivery.join(part)
    logger.info("part.accepted part=%s sid=%s attempts=%s", part.pk, sent.sid, part.attempts)
    _goes_again(account, now)
    return Progress.MOVED


def _goes_again(account: Account, now: datetime) -> None:
    """An accepted text ends what pauses there were. A circuit that waits for a report stays open."""
    pace.resumed(pace.address_of(account))
    circuit = circuits.of(account.pk)
    if circuit is not None and circuit.probe != ProbeKind.REPORT:
        circuits.close(account.pk, now)


@functools.lru_cache(maxsize=32)
def _client(credentials: Credentials, base_url: str) -> TwilioClient:
    return TwilioClient(credentials, base_url=base_url)


def carrier(account: Account) -> TwilioClient:
    """The account's connection to Twilio, kept open between texts."""
    return _client(account.credentials, settings.TWILIO_API_BASE_URL)
