"""The durable outbox: every text we send is written first, as parts, and posted part by part, in order.

"About to post" is committed before Twilio is called and the result after it. What happens when the process dies in
between is `messaging.reconcile`'s business. Nothing else in the gateway posts a text.
"""

import enum
import functools
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff, delivery, hosting, parts, queue
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.messaging.lease import Lease, LeaseLost
from openclaw_sms.messaging.parts import Planned
from openclaw_sms.models import (
    UNSENT,
    Conversation,
    InboundMessage,
    MediaBytes,
    MediaItem,
    MediaState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.text.phone import is_whatsapp, whatsapp
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
    enclosures: Sequence[Enclosure] = (),
    unsendable: Sequence[str] = (),
) -> OutboundMessage:
    """Put `text` (plain) into the outbox, split into parts of at most `limit` characters, with its files.

    Not both may be empty. `unsendable`: a sentence for each file that was to go along and cannot, for the operator.

    Call it inside the transaction that makes the text necessary; the worker is woken when that commits.
    """
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
        _part(message, number, each) for number, each in enumerate(planned, start=1)
    )
    _enclose(written, planned, unsendable)
    Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=now)
    transaction.on_commit(functools.partial(queue.wake_outbox, conversation.pk))
    return message


def _part(message: OutboundMessage, number: int, planned: Planned) -> OutboundPart:
    return OutboundPart(
        message=message,
        conversation_id=message.conversation_id,
        number=number,
        body=planned.body,
        encoding=planned.encoding,
        segments=planned.segments,
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


def next_part(conversation_id: int) -> OutboundPart | None:
    """The oldest part of the conversation that is not yet settled."""
    unsent = OutboundPart.objects.filter(conversation_id=conversation_id, state__in=UNSENT)
    return unsent.select_related("conversation").order_by("message_id", "number").first()


def post(part: OutboundPart, lease: Lease, *, now: datetime) -> Progress:
    """Post a queued part to Twilio. Raises `LeaseLost` when another worker took over meanwhile."""
    account = accounts.current().by_pk(part.conversation.account_id)
    if account is None or not (account.enabled and account.configured):
        return _fail(part, lease, Reason.ACCOUNT_UNAVAILABLE, now=now)
    twilio = carrier(account)
    try:
        outgoing = _outgoing(part, account)
    except hosting.CannotServe:
        return _fail(part, lease, Reason.MEDIA_UNSERVED, now=now)
    with transaction.atomic():
        lease.confirm(now)
        if not part.move(PartState.SENDING, attempts=part.attempts + 1, posted_at=now, next_attempt_at=None):
            return Progress.MOVED
    if timezone.now() - now > MARKER_IS_STALE_AFTER:
        # This process stood still (a suspended machine): another worker may by now have asked Twilio and sent it.
        raise LeaseLost
    try:
        sent = twilio.send(outgoing)
    except TwilioError as error:
        return _refused(part, lease, error)
    return accept(part, lease, sent)


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
    if not error.retryable:
        return _fail(part, lease, Reason.TWILIO_REFUSED, now=now, error=error)
    if part.attempts >= MOST_TRIES:
        return _fail(part, lease, Reason.TRIES_EXHAUSTED, now=now, error=error)
    until = now + backoff.delay(part.attempts, retry_after=error.retry_after)
    return _put_off(part, lease, PartState.QUEUED, now=now, until=until, detail=str(error))


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
