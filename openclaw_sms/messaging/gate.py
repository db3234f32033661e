"""The one gate in front of every text that goes out."""

from dataclasses import dataclass
from datetime import datetime

from openclaw_sms.access import opt_out
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import OutboundKind, Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason


def can_send(account: Account, to: str, kind: OutboundKind, now: datetime) -> Refusal | None:
    """None when `to` may be texted now."""
    return Refusal(Reason.OPTED_OUT) if opt_out.is_suppressed(account.pk, to) else None
