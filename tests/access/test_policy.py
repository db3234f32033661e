"""The reference channel's dmPolicy, as a table."""

import pytest

from openclaw_sms.access.policy import Decision, decide
from openclaw_sms.models import DmPolicy, Reason
from openclaw_sms.text.phone import Sender, SenderKind
from tests.support.cast import ALICE, BOB, OUR_NUMBER

NOBODY: frozenset[str] = frozenset()
ANYONE = frozenset({"*"})
LISTED = frozenset({ALICE})

ADMIT, CHALLENGE, REFUSE = Decision.ADMIT, Decision.CHALLENGE, Decision.REFUSE


def number(address: str) -> Sender:
    return Sender(address, SenderKind.NUMBER)


@pytest.mark.parametrize(
    ("policy", "allow_from", "paired", "decision"),
    [
        (DmPolicy.PAIRING, NOBODY, False, CHALLENGE),
        (DmPolicy.PAIRING, NOBODY, True, ADMIT),
        (DmPolicy.PAIRING, LISTED, False, ADMIT),
        (DmPolicy.PAIRING, ANYONE, False, ADMIT),
        (DmPolicy.ALLOWLIST, NOBODY, False, REFUSE),
        (DmPolicy.ALLOWLIST, NOBODY, True, REFUSE),  # an approval does not widen a list
        (DmPolicy.ALLOWLIST, LISTED, False, ADMIT),
        (DmPolicy.ALLOWLIST, ANYONE, False, ADMIT),
        (DmPolicy.OPEN, NOBODY, False, REFUSE),
        (DmPolicy.OPEN, NOBODY, True, REFUSE),  # nor does it open an "open" without *
        (DmPolicy.OPEN, LISTED, False, ADMIT),
        (DmPolicy.OPEN, ANYONE, False, ADMIT),
        (DmPolicy.DISABLED, NOBODY, True, REFUSE),
        (DmPolicy.DISABLED, LISTED, True, REFUSE),
        (DmPolicy.DISABLED, ANYONE, True, REFUSE),
    ],
)
def test_decision(policy: DmPolicy, allow_from: frozenset[str], paired: bool, decision: Decision) -> None:
    ruling = decide(number(ALICE), policy=policy, allow_from=allow_from, paired=paired)
    assert ruling.decision is decision


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (SenderKind.SHORT_CODE, Reason.SHORT_CODE),
        (SenderKind.ALPHANUMERIC, Reason.ALPHANUMERIC),
        (SenderKind.UNUSABLE, Reason.UNUSABLE_SENDER),
    ],
)
@pytest.mark.parametrize("policy", DmPolicy)
def test_who_cannot_be_answered_is_refused_whatever_the_policy(
    kind: SenderKind, reason: Reason, policy: DmPolicy
) -> None:
    ruling = decide(Sender("12345", kind), policy=policy, allow_from=ANYONE, paired=True)
    assert (ruling.decision, ruling.reason) == (REFUSE, reason)


def test_our_own_number_never_talks_to_itself() -> None:
    ruling = decide(
        number(OUR_NUMBER), policy=DmPolicy.OPEN, allow_from=ANYONE, paired=True, own_numbers=frozenset({OUR_NUMBER})
    )
    assert ruling.reason is Reason.OWN_NUMBER


def test_another_number_on_the_list_does_not_help() -> None:
    assert decide(number(BOB), policy=DmPolicy.ALLOWLIST, allow_from=LISTED, paired=False).decision is REFUSE
