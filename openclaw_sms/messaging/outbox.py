"""The durable outbox: every text we send is written first, as parts, and posted part by part, in order.

"About to post" is committed before Twilio is called and the result after it. What happens when the process dies in
between is `messaging.reconcile`'s business. Nothing else in the gateway posts a text, and `messaging.gate` is asked
twice: when a text is written and when a part is posted.
"""

import enum
import functools
import logging
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff, counters, delivery, gate, queue
from openclaw_sms.messaging.gate import Refusal, Withheld
from openclaw_sms.messaging.lease import Lease, LeaseLost
from openclaw_sms.models import (
    UNSENT,
    Conversation,
    InboundMessage,
    OptOutSource,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.text import segments
from openclaw_sms.twilio.callbacks import is_loopback, status_callback_url
from openclaw_sms.twilio.client import Credentials, Outgoing, Sent, TwilioClient
from openclaw_sms.twilio.errors import TwilioError

logger = logging.getLogger(__name__)

MOST_TRIES = 8
# Twilio lists a message as soon as it has taken it; the first look may still be too early for one that timed out.
FIRST_CHECK_AFTER = timedelta(seconds=1)
# No answer for as long as this is a time limit that ran out; a connection that broke does so at once.
WAITED_IN_VAIN = timedelta(seconds=5)
# Well under a lease: as long as our marker is younger than this nobody else can have acted on it.
MARKER_IS_STALE_AFTER = timedelta(seconds=10)


# How soon a part looks again whether its account's secret can be had.
UNAVAILABLE_FOR = timedelta(seconds=5)

# Some thirty texts in a row. What is longer is a document, or an agent that has lost its way.
LONGEST_TEXT = 40_000


class Progress(enum.Enum):
    """What one step of the outbox did."""

    MOVED = "moved"  # look again: there may be more to do
    IDLE = "idle"  # nothing to send now


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
) -> OutboundMessage:
    """Put `text` (plain, not empty) into the outbox, split into parts of at most `limit` characters.

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
    OutboundPart.objects.bulk_create(
        _part(message, number, body, refusal) for number, body in enumerate(segments.split(text, limit), start=1)
    )
    Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=now)
    transaction.on_commit(functools.partial(queue.wake_outbox, conversation.pk))
    return message


def _part(message: OutboundMessage, number: int, body: str, waits: Refusal | None) -> OutboundPart:
    measure = segments.measure(body)
    return OutboundPart(
        message=message,
        conversation_id=message.conversation_id,
        number=number,
        body=body,
        encoding=measure.encoding.value,
        segments=measure.segments,
        next_attempt_at=waits.until if waits else None,
        reason=waits.reason if waits else Reason.NONE,
        detail=waits.sentence if waits else "",
    )


def waits_for_morning(now: datetime) -> Q:
    """The parts that wait for the end of their recipient's quiet hours."""
    return Q(reason=Reason.QUIET_HOURS, next_attempt_at__gt=now)


def next_part(conversation_id: int) -> OutboundPart | None:
    """The oldest part of the conversation that is not yet settled.

    What waits for the end of quiet hours is passed over until then: a reply must not wait behind it.
    """
    unsent = OutboundPart.objects.filter(conversation_id=conversation_id, state__in=UNSENT)
    unsent = unsent.exclude(waits_for_morning(timezone.now()))
    return unsent.select_related("conversation", "message").order_by("message_id", "number").first()


def sid_answered_by(part: OutboundPart) -> str | None:
    """The MessageSid of the received text that this part answers; None when it answers none."""
    answers = OutboundMessage.objects.filter(pk=part.message_id).values_list("in_reply_to__sid", flat=True)
    return answers.first()


def post(part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    """Post a queued part to Twilio. Raises `LeaseLost` when another worker took over meanwhile."""
    account = accounts.current().by_pk(part.conversation.account_id)
    if account is None or not (account.enabled and account.configured):
        return _fail(part, lease, Reason.ACCOUNT_UNAVAILABLE, now=now)
    if account.unavailable:
        return _rest(part, lease, account.unavailable, now=now)
    twilio = carrier(account)
    with transaction.atomic():
        lease.confirm(now)
        if not part.move(PartState.SENDING, attempts=part.attempts + 1, posted_at=now, next_attempt_at=None):
            return Progress.MOVED
    outgoing = _outgoing(part, account)
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
        return _refused(part, lease, error)
    counters.count(counters.SENDS, outcome="accepted")
    return accept(part, lease, sent)


def _withhold(part: OutboundPart, lease: Lease, refusal: Refusal) -> Progress:
    """Undo the marker of a part that was not posted: it waits, or it is given up and those behind it too."""
    now = timezone.now()
    logger.info("part.withheld part=%s reason=%s", part.pk, refusal.reason.value)
    why: dict[str, object] = {"reason": refusal.reason, "detail": refusal.reason.label}
    if refusal.until is not None:
        part.put_off_rest(refusal.until, refusal.reason)
        tries = part.attempts - 1
        return _put_off(part, lease, PartState.QUEUED, now=now, until=refusal.until, attempts=tries, **why)
    with transaction.atomic():
        lease.confirm(now)
        if part.move(PartState.CANCELLED, next_attempt_at=None, **why):
            part.cancel_rest()
    return Progress.MOVED


def _outgoing(part: OutboundPart, account: Account) -> Outgoing:
    return Outgoing(
        to=part.conversation.sender,
        body=part.body,
        from_number=account.from_number,
        messaging_service_sid="" if account.from_number else account.messaging_service_sid,
        status_callback=status_callback_url(
            account.public_webhook_url,
            part=str(part.token),
            # A pretend Twilio on this machine can reach this machine; the real one cannot.
            allow_loopback=is_loopback(urlsplit(settings.TWILIO_API_BASE_URL).hostname or ""),
        ),
    )


def accept(part: OutboundPart, lease: Lease, sent: Sent) -> Progress:
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
            reason=Reason.NONE,
            detail="",
        )
    if won:
        delivery.report(part, status=sent.status, error_code=sent.error_code or 0)
        delivery.join(part)
    logger.info("part.accepted part=%s sid=%s attempts=%s", part.pk, sent.sid, part.attempts)
    return Progress.MOVED


def _refused(part: OutboundPart, lease: Lease, error: TwilioError) -> Progress:
    now = timezone.now()
    logger.warning("part.not_accepted part=%s code=%s kind=%s", part.pk, error.code, error.kind.name)
    if error.uncertain:
        return _put_off(
            part,
            lease,
            PartState.CHECKING,
            now=now,
            until=now + FIRST_CHECK_AFTER,
            checks=0,
            unanswered=error.http_status is None and now - (part.posted_at or now) >= WAITED_IN_VAIN,
        )
    if error.code == delivery.OPTED_OUT_AT_TWILIO:
        return _opted_out(part, lease, error, now)
    if not error.retryable:
        return _fail(part, lease, Reason.TWILIO_REFUSED, now=now, error=error)
    if part.attempts >= MOST_TRIES:
        return _fail(part, lease, Reason.TRIES_EXHAUSTED, now=now, error=error)
    until = now + backoff.delay(part.attempts, retry_after=error.retry_after)
    return _put_off(part, lease, PartState.QUEUED, now=now, until=until, detail=str(error))


def _rest(part: OutboundPart, lease: Lease, why: str, *, now: datetime) -> Progress:
    """Leave the part in its place until the account's secret can be had; no try is spent on it."""
    with transaction.atomic():
        lease.confirm(now)
        OutboundPart.objects.filter(pk=part.pk, state=PartState.QUEUED).update(
            next_attempt_at=now + UNAVAILABLE_FOR, reason=Reason.SECRET_UNAVAILABLE, detail=why[:300]
        )
    return Progress.MOVED


def _opted_out(part: OutboundPart, lease: Lease, error: TwilioError, now: datetime) -> Progress:
    """Twilio knows of a STOP that we have not seen: from now on it holds here too."""
    progress = _fail(part, lease, Reason.OPTED_OUT, now=now, error=error)
    to = part.conversation
    opt_out.suppress(to.account_id, to.sender, source=OptOutSource.TWILIO_21610, at=now)
    return progress


def _put_off(
    part: OutboundPart, lease: Lease, state: PartState, *, now: datetime, until: datetime, **changes: object
) -> Progress:
    with transaction.atomic():
        lease.confirm(now)
        part.move(state, next_attempt_at=until, **changes)
    return Progress.MOVED


def _fail(
    part: OutboundPart, lease: Lease, reason: Reason, *, now: datetime, error: TwilioError | None = None
) -> Progress:
    """Give the part up, and keep the parts behind it from going out without it."""
    with transaction.atomic():
        lease.confirm(now)
        failed = part.move(
            PartState.FAILED,
            reason=reason,
            detail=str(error) if error else reason.label,
            error_code=error.code if error else None,
            next_attempt_at=None,
        )
        if failed:
            part.block_rest()
    return Progress.MOVED


@functools.lru_cache(maxsize=32)
def _client(credentials: Credentials, base_url: str) -> TwilioClient:
    return TwilioClient(credentials, base_url=base_url)


def carrier(account: Account) -> TwilioClient:
    """The account's connection to Twilio, kept open between texts."""
    return _client(account.credentials, settings.TWILIO_API_BASE_URL)
