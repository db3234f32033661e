"""A request's life: code, hour, approval, dismissal; and two operators at once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from openclaw_sms.access import pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.access.pairing import PairingError
from openclaw_sms.models import AllowedSender, AuditEvent, InboundMessage, PairingRequest, PairingState, SmsAccount
from tests.support.cast import ALICE, BOB, MALLORY

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANNA = Actor("cli:anna")
OTTO = Actor("cli:otto")

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> SmsAccount:
    return SmsAccount.objects.create(account_id="home")


def text_of(sender: str, account: SmsAccount) -> InboundMessage:
    return InboundMessage.objects.create(
        account=account,
        sid=f"SM{InboundMessage.objects.count()}",
        sender=sender,
        body="hello",
        form=b"",
        received_at=NOON,
    )


def ask(sender: str, account: SmsAccount, now: datetime = NOON) -> PairingRequest | None:
    with transaction.atomic():
        pairing.lock(account.pk)
        return pairing.request(text_of(sender, account), now=now)


def asked(sender: str, account: SmsAccount, now: datetime = NOON) -> PairingRequest:
    request = ask(sender, account, now)
    assert request is not None
    return request


def test_a_code_is_eight_letters_and_digits_that_cannot_be_confused(home: SmsAccount) -> None:
    code = asked(BOB, home).code
    assert len(code) == 8
    assert set(code) <= set("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
    assert len(pairing.ALPHABET) == 32


def test_a_repeat_keeps_the_code_and_only_updates_last_seen(home: SmsAccount) -> None:
    first = asked(BOB, home)
    again = asked(BOB, home, NOON + 5 * MINUTE)
    assert (again.pk, again.code, again.created_at) == (first.pk, first.code, first.created_at)
    assert again.last_seen_at == NOON + 5 * MINUTE
    assert again.first_text_id == first.first_text_id


def test_the_hour_counts_from_the_first_text(home: SmsAccount) -> None:
    first = asked(BOB, home)
    asked(BOB, home, NOON + 59 * MINUTE)
    assert asked(BOB, home, NOON + 60 * MINUTE).code == first.code
    later = asked(BOB, home, NOON + 60 * MINUTE + timedelta(microseconds=1))
    assert later.pk != first.pk
    assert later.code != first.code


def test_at_most_three_wait_on_an_account(home: SmsAccount) -> None:
    for last_digit in range(3):
        asked(f"+1555000333{last_digit}", home)
    assert ask(MALLORY, home) is None
    assert ask(MALLORY, SmsAccount.objects.create(account_id="other")) is not None


def test_a_slot_frees_when_a_request_ends(home: SmsAccount) -> None:
    for last_digit in range(3):
        asked(f"+1555000333{last_digit}", home)
    assert ask(MALLORY, home, NOON + 61 * MINUTE) is not None


def test_approval_is_case_insensitive_and_leaves_who_and_when(home: SmsAccount) -> None:
    code = asked(BOB, home).code
    done = pairing.approve(f" {code.lower()} ", actor=ANNA, now=NOON + MINUTE)
    assert done.sender.number == BOB
    assert pairing.is_paired(home.pk, BOB)
    assert not pairing.is_paired(home.pk, ALICE)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.at, event.subject, event.account) == (
        "pairing.approved",
        "cli:anna",
        NOON + MINUTE,
        BOB,
        home,
    )


def test_a_code_works_once(home: SmsAccount) -> None:
    code = asked(BOB, home).code
    pairing.approve(code, actor=ANNA, now=NOON)
    with pytest.raises(PairingError, match="already approved by cli:anna") as refused:
        pairing.approve(code, actor=OTTO, now=NOON)
    assert refused.value.code == "pairing_decided"
    assert AuditEvent.objects.count() == 1


def test_a_code_of_another_account_is_not_found(home: SmsAccount) -> None:
    other = SmsAccount.objects.create(account_id="other")
    code = asked(BOB, home).code
    with pytest.raises(PairingError) as refused:
        pairing.approve(code, actor=ANNA, now=NOON, account_pk=other.pk)
    assert refused.value.code == "pairing_not_found"
    assert pairing.approve(code, actor=ANNA, now=NOON, account_pk=home.pk).sender.account == home


def test_an_expired_code_lets_nobody_in(home: SmsAccount) -> None:
    code = asked(BOB, home).code
    with pytest.raises(PairingError):
        pairing.approve(code, actor=ANNA, now=NOON + 61 * MINUTE)
    assert not AllowedSender.objects.exists()
    pairing.expire(NOON + 61 * MINUTE)
    with pytest.raises(PairingError) as refused:
        pairing.approve(code, actor=ANNA, now=NOON + 61 * MINUTE)
    assert refused.value.code == "pairing_expired"


def test_dismissing_does_not_block(home: SmsAccount) -> None:
    first = asked(BOB, home)
    pairing.dismiss(first.code, actor=ANNA, now=NOON)
    assert not pairing.pending(NOON).exists()
    assert asked(BOB, home, NOON + MINUTE).code != first.code
    assert AuditEvent.objects.get().action == "pairing.dismissed"


def test_the_same_number_approved_twice_is_listed_once(home: SmsAccount) -> None:
    for start in (NOON, NOON + 61 * MINUTE):
        pairing.approve(asked(BOB, home, start).code, actor=ANNA, now=start)
    assert AllowedSender.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_one_wins_and_the_other_is_told(home: SmsAccount) -> None:
    code = asked(BOB, home).code
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def decide(actor: Actor) -> None:
        start.wait()
        try:
            pairing.approve(code, actor=actor, now=NOON)
            outcomes.append("won")
        except PairingError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    operators = [threading.Thread(target=decide, args=(actor,)) for actor in (ANNA, OTTO)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    assert sorted(outcomes) == ["pairing_decided", "won"]
    assert PairingRequest.objects.get().state == PairingState.APPROVED
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_strangers_at_once_cannot_take_more_than_the_slots(home: SmsAccount) -> None:
    texts = [text_of(f"+1555000444{last_digit}", home) for last_digit in range(8)]
    start = threading.Barrier(len(texts))
    codes: list[str] = []

    def knock(text: InboundMessage) -> None:
        start.wait()
        with transaction.atomic():
            pairing.lock(text.account_id)
            request = pairing.request(text, now=NOON)
        if request is not None:
            codes.append(request.code)
        connection.close()

    strangers = [threading.Thread(target=knock, args=(text,)) for text in texts]
    for stranger in strangers:
        stranger.start()
    for stranger in strangers:
        stranger.join()
    assert len(set(codes)) == 3
