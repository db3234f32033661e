"""The one gate in front of every text we send, whoever wants to send it.

`outbox.write` asks when a text is written, `outbox.post` again just before it is posted: whoever opted out in between
is not texted. Nothing else in the gateway writes a part or posts one (tests/messaging/test_gate.py holds to that).
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.utils.timezone import get_default_timezone

from openclaw_sms.access import opt_out
from openclaw_sms.access.policy import UNANSWERABLE
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import OutboundKind, Reason
from openclaw_sms.text import quiet_hours
from openclaw_sms.text.phone import mask, number_of, parse_sender
from openclaw_sms.text.quiet_hours import UnreadableQuietHours

NEVER = {
    Reason.SHORT_CODE: "it is a short code, which belongs to a machine.",
    Reason.ALPHANUMERIC: "it is a name instead of a number.",
    Reason.UNUSABLE_SENDER: "it is not a phone number.",
    Reason.OWN_NUMBER: "it is one of this gateway's own numbers.",
}
# What no person asked for or wrote at that moment. Replies and texts by hand go out at any hour.
KEEPS_QUIET = frozenset({OutboundKind.AUTOMATION, OutboundKind.OWNER})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text must not go out. `until`: it may later, and waits; None: it is not sent at all."""

    reason: Reason
    sentence: str = field(repr=False)
    until: datetime | None = None


class Withheld(Exception):
    """A text that was not written, because the gate is closed for its recipient. `str()` masks the number."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.code = refusal.reason.value
        self.reason = refusal.reason


def can_send(account: Account | None, to: str, kind: str, *, now: datetime) -> Refusal | None:
    """Why a text of `kind` must not go to `to` (an address as conversations have it) now; None when it may.

    An `OutboundKind.KEYWORD` is the exception to "an opted-out number is never texted": it is the one text that
    answers their own STOP or HELP, and only where the account says that Twilio does not.
    """
    if account is None:
        return Refusal(Reason.ACCOUNT_UNAVAILABLE, str(Reason.ACCOUNT_UNAVAILABLE.label))
    reason = _never(account, to)
    if reason is not Reason.NONE:
        return Refusal(reason, f"{mask(to)} cannot be texted: {NEVER[reason]}")
    if opt_out.is_out(account.pk, to) and not (kind == OutboundKind.KEYWORD and account.answer_opt_out):
        return Refusal(Reason.OPTED_OUT, f"{mask(to)} has opted out; they can text START to be texted again.")
    return _quiet(account, to, now) if kind in KEEPS_QUIET and account.quiet_hours else None


def _never(account: Account, to: str) -> Reason:
    """A short code, a name, or a number of our own: no text to those is one that a person reads."""
    if (unusable := UNANSWERABLE.get(parse_sender(to).kind)) is not None:
        return unusable
    own = accounts.current().own_numbers | {account.from_number}
    return Reason.OWN_NUMBER if number_of(to) in own else Reason.NONE


def _quiet(account: Account, to: str, now: datetime) -> Refusal | None:
    """Hours that cannot be read keep the text back: better never than at night."""
    try:
        until = quiet_hours.wait_until(account.quiet_hours, to, now, own_zone=get_default_timezone())
    except UnreadableQuietHours as error:
        return Refusal(Reason.QUIET_HOURS, str(error))
    return Refusal(Reason.QUIET_HOURS, str(Reason.QUIET_HOURS.label), until) if until else None
