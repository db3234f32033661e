"""What each class of Twilio's errors does to the part, its recipient, its sending number and its account.

`twilio.errors` is the table from code to class; `ON_REFUSAL` is the one from class to action when a post is refused,
`on_report` the one for what is reported of a text that Twilio had taken.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff, circuits, pace, part_moves
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.messaging.part_moves import Progress
from openclaw_sms.models import Conversation, OptOutSource, OutboundPart, PartState, Reason
from openclaw_sms.twilio.errors import ErrorClass, TwilioError, TwilioFault

logger = logging.getLogger(__name__)

# Tries of a text that Twilio never processed. Both must be used up: a network that is down for an hour costs no text.
MOST_TRIES = 8
# As long as Twilio itself would keep a text in its queue, and a little.
TRY_FOR = timedelta(hours=12)
# Twilio lists a message as soon as it has taken it; the first look may still be too early for one that timed out.
FIRST_CHECK_AFTER = timedelta(seconds=1)
# A post that took as long as this ran into a time limit, ours or one of Twilio's own; Twilio may still be at work.
WAITED_IN_VAIN = timedelta(seconds=5)

Action = Callable[[OutboundPart, Account, Lease, TwilioError], Progress]


def on_refusal(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    """A post did not end with a sid. Raises `LeaseLost`."""
    logger.warning("part.not_accepted part=%s code=%s kind=%s", part.pk, error.code, error.kind.name)
    return ON_REFUSAL[error.kind](part, account, lease, error)


def _try_again(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    now = timezone.now()
    if part.attempts >= MOST_TRIES and now - part.message.created_at > TRY_FOR:
        return _fail_with(part, lease, error, Reason.TRIES_EXHAUSTED)
    until = now + backoff.delay(part.attempts, retry_after=error.retry_after)
    return part_moves.put_off(part, lease, PartState.QUEUED, now=now, until=until, detail=str(error))


def _look_up(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    now = timezone.now()
    return part_moves.put_off(
        part,
        lease,
        PartState.CHECKING,
        now=now,
        until=now + FIRST_CHECK_AFTER,
        checks=0,
        unanswered=now - (part.posted_at or now) >= WAITED_IN_VAIN,
    )


def _pause_number(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    """The number is at its limit, not the text at fault: no try is counted."""
    now = timezone.now()
    until = pace.pause(
        pace.address_of(account),
        code=error.fault.code,
        daily=error.kind is ErrorClass.DAILY_CAP,
        retry_after=error.retry_after,
        now=now,
    )
    return _back_to_waiting(part, lease, Reason.SENDER_PAUSED, str(error), now=now, until=until)


def _operators(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    """Stop the account, unless the error is about this recipient alone."""
    if not error.fault.stops_account:
        return _fail(part, account, lease, error)
    now = timezone.now()
    circuit = circuits.trip(account.pk, error.fault, reported=False, now=now)
    until = circuit.next_probe_at + circuits.BEHIND_THE_OTHERS
    return _back_to_waiting(part, lease, Reason.CIRCUIT_OPEN, str(error), now=now, until=until)


def _back_to_waiting(
    part: OutboundPart, lease: Lease, reason: Reason, detail: str, *, now: datetime, until: datetime
) -> Progress:
    return part_moves.put_off(
        part, lease, PartState.QUEUED, now=now, until=until, reason=reason, detail=detail, attempts=part.attempts - 1
    )


def _opted_out(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    """Twilio knows of a STOP that we have not seen: from now on it holds here too."""
    progress = _fail_with(part, lease, error, Reason.OPTED_OUT)
    _follow_opt_out(account.pk, part, error.fault, timezone.now())
    return progress


def _bad_recipient(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    _flag(part.conversation_id, error.fault)
    return _fail(part, account, lease, error)


def _fail(part: OutboundPart, account: Account, lease: Lease, error: TwilioError) -> Progress:
    return _fail_with(part, lease, error, Reason.TWILIO_REFUSED)


def _fail_with(part: OutboundPart, lease: Lease, error: TwilioError, reason: Reason) -> Progress:
    return part_moves.stop(
        part, lease, PartState.FAILED, reason, now=timezone.now(), detail=str(error), error_code=error.code
    )


ON_REFUSAL: Mapping[ErrorClass, Action] = {
    ErrorClass.THROTTLED: _try_again,
    ErrorClass.UNREACHABLE: _try_again,
    ErrorClass.AMBIGUOUS: _look_up,
    ErrorClass.BACK_PRESSURE: _pause_number,
    ErrorClass.DAILY_CAP: _pause_number,
    ErrorClass.OPERATOR_CONFIG: _operators,
    ErrorClass.OPTED_OUT: _opted_out,
    ErrorClass.BAD_RECIPIENT: _bad_recipient,
    # Only ever reported, never the answer to a post; should Twilio change that, a person decides.
    ErrorClass.MAYBE_TRANSIENT: _fail,
    ErrorClass.CONTENT: _fail,
    ErrorClass.UNKNOWN: _fail,
}


def on_report(account: Account, part: OutboundPart, fault: TwilioFault, *, now: datetime) -> None:
    """Twilio reports that a text it had taken was not delivered. The text itself is never sent again from here.

    Even 30003 ("unreachable") has been seen for texts that did arrive, and a second text would overtake later ones:
    the console offers to send it again. Each action may run twice.
    """
    if fault.kind in (ErrorClass.BACK_PRESSURE, ErrorClass.DAILY_CAP):
        daily = fault.kind is ErrorClass.DAILY_CAP
        pace.pause(pace.address_of(account), code=fault.code, daily=daily, retry_after=None, now=now)
    elif fault.kind is ErrorClass.OPTED_OUT:
        _follow_opt_out(account.pk, part, fault, now, sid=part.sid)
    elif fault.kind is ErrorClass.BAD_RECIPIENT:
        _flag(part.conversation_id, fault)
    elif fault.stops_account and not circuits.was_closed_after(account.pk, part.accepted_at or now):
        circuits.trip(account.pk, fault, reported=True, now=now)


def _follow_opt_out(account_pk: int, part: OutboundPart, fault: TwilioFault, now: datetime, *, sid: str = "") -> None:
    """Suppress the recipient and cancel what waits for them; 30004 is only flagged for a person to look at.

    It was so when the text was posted: a START that came since, before we were told, is the later word.
    """
    if not fault.is_opt_out:
        _flag(part.conversation_id, fault)
        return
    at = part.posted_at or now
    opt_out.suppress(account_pk, part.conversation.sender, source=OptOutSource.TWILIO_21610, at=at, sid=sid)
    logger.warning("recipient.opted_out conversation=%s", part.conversation_id)


def _flag(conversation_id: int, fault: TwilioFault) -> None:
    Conversation.objects.filter(pk=conversation_id).update(unreachable_code=fault.code)


def unflag(conversation_id: int) -> None:
    """A text arrived: the number can be texted after all."""
    Conversation.objects.filter(pk=conversation_id, unreachable_code__isnull=False).update(unreachable_code=None)
