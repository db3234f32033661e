"""The one gate in front of every text we send, whoever wants to send it."""

from dataclasses import dataclass, field
from datetime import datetime

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import Reason


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
    """Why a text of `kind` must not go to `to` (an address as conversations have it) now; None when it may."""
    if account is None:
        return Refusal(Reason.ACCOUNT_UNAVAILABLE, str(Reason.ACCOUNT_UNAVAILABLE.label))
    return None
