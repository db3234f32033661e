"""Who may talk: a pure function of the account's policy, its lists and the sender.

It reads no table and no clock, so that the same question asked twice (before anything is fetched, and again just
before the agent) can only differ because the facts did.
"""

import enum
from dataclasses import dataclass

from openclaw_sms.models import ANYONE, DmPolicy, Reason
from openclaw_sms.text.phone import Sender, SenderKind


class Decision(enum.Enum):
    ADMIT = "admit"
    CHALLENGE = "challenge"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Ruling:
    decision: Decision
    reason: Reason = Reason.NONE


ADMITTED = Ruling(Decision.ADMIT)
CHALLENGED = Ruling(Decision.CHALLENGE, Reason.AWAITING_APPROVAL)

UNANSWERABLE = {
    SenderKind.SHORT_CODE: Reason.SHORT_CODE,
    SenderKind.ALPHANUMERIC: Reason.ALPHANUMERIC,
    SenderKind.UNUSABLE: Reason.UNUSABLE_SENDER,
}


def decide(
    sender: Sender,
    *,
    policy: DmPolicy,
    allow_from: frozenset[str],
    paired: bool,
    own_numbers: frozenset[str] = frozenset(),
    whatsapp: bool = False,
) -> Ruling:
    """What to do with a text of `sender`.

    `allow_from`: E.164 numbers of configuration and console, or `*` for anyone. `paired`: whether the owner approved
    this number on this account; only the pairing policy asks. `own_numbers`: those of all accounts, so that two of
    them never talk to each other. `whatsapp`: whether the account takes texts from WhatsApp, whose senders are then
    judged by their number. Source: the reference channel's dmPolicy.
    """
    if sender.kind in UNANSWERABLE:
        return Ruling(Decision.REFUSE, UNANSWERABLE[sender.kind])
    if sender.kind is SenderKind.WHATSAPP and not whatsapp:
        return Ruling(Decision.REFUSE, Reason.WHATSAPP_DISABLED)
    if sender.number in own_numbers:
        return Ruling(Decision.REFUSE, Reason.OWN_NUMBER)
    if policy is DmPolicy.DISABLED:
        return Ruling(Decision.REFUSE, Reason.CHANNEL_DISABLED)
    if ANYONE in allow_from or sender.number in allow_from:
        return ADMITTED
    if policy is DmPolicy.PAIRING:
        return ADMITTED if paired else CHALLENGED
    return Ruling(Decision.REFUSE, Reason.NOT_LISTED)
