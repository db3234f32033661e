"""The tables of legal moves, and that a move is won once."""

import pytest
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import IllegalMove, InboundMessage, InboundState, PairingState, PartState, Reason
from openclaw_sms.models.reasons import FIXES
from openclaw_sms.models.states import INBOUND_MOVES, PAIRING_MOVES, PART_MOVES, Moves


@pytest.mark.parametrize(
    ("states", "moves"),
    [(InboundState, INBOUND_MOVES), (PairingState, PAIRING_MOVES), (PartState, PART_MOVES)],
)
def test_every_state_has_its_row_and_leads_only_to_known_ones(states: type[InboundState], moves: Moves) -> None:
    assert set(moves) == set(states)
    assert set().union(*moves.values()) <= set(states)


def text(account: Account) -> InboundMessage:
    return InboundMessage.objects.create(
        account_id=account.pk, sid="SM1", sender="+15550001111", form=b"", received_at=timezone.now()
    )


@pytest.mark.django_db
def test_a_move_is_won_once(account: Account) -> None:
    first = text(account)
    second = InboundMessage.objects.get(pk=first.pk)
    assert first.move(InboundState.PROCESSING, attempts=1)
    assert not second.move(InboundState.PROCESSING, attempts=7)
    second.refresh_from_db()
    assert (second.state, second.attempts) == (InboundState.PROCESSING, 1)
    assert first.attempts == 1


@pytest.mark.django_db
def test_a_move_that_is_not_in_the_table_is_a_programming_error(account: Account) -> None:
    with pytest.raises(IllegalMove, match="cannot go from received to answered"):
        text(account).move(InboundState.ANSWERED)


def test_every_reason_has_a_sentence_and_a_fix() -> None:
    for reason in Reason:
        if reason is not Reason.NONE:
            assert reason.label.endswith("."), reason
            assert FIXES[reason].endswith("."), reason
