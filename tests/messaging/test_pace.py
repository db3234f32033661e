"""A sending number keeps its rate, and conversations take turns."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import pace, worker
from openclaw_sms.models import Conversation, OutboundPart, PartState, Reason, SenderNumber
from tests.messaging.outgoing import send, states, write
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db

TEN_PARTS = "".join(f"part number {number:06}. " for number in range(10))
SECOND = timedelta(seconds=1)


@pytest.fixture
def talker(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


@pytest.fixture
def brief(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.BOB)


def book(account: Account, *, segments: int = 1, now: object, booked: object = None) -> pace.Place:
    with transaction.atomic():
        return pace.place(account, segments=segments, booked=booked, now=now)  # type: ignore[arg-type]


def test_an_idle_number_sends_a_small_burst_at_once_and_then_keeps_its_rate(account: Account) -> None:
    now = timezone.now()
    waits = [(book(account, now=now).at - now).total_seconds() for _ in range(6)]
    assert waits == [0, 0, 0, 1, 2, 3]


def test_a_long_text_of_an_idle_number_goes_at_once_and_is_paid_for_afterwards(account: Account) -> None:
    now = timezone.now()
    assert book(account, segments=10, now=now).at == now
    assert book(account, now=now).at == now + 8 * SECOND
    assert book(account, now=now + timedelta(minutes=1)).at == now + timedelta(minutes=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10), st.floats(0, 5)), min_size=1, max_size=15))
def test_never_more_than_the_burst_beyond_the_rate(account: Account, texts: list[tuple[int, float]]) -> None:
    """However texts arrive: what goes out within any time is at most the rate's, the burst and one text."""
    SenderNumber.objects.all().delete()
    now = timezone.now()
    gone = []
    for segments, pause in texts:
        now += timedelta(seconds=pause)
        gone.append((book(account, segments=segments, now=now).at, segments))
    assert gone == sorted(gone, key=lambda one: one[0])
    for first, (start, _) in enumerate(gone):
        for end, (at, last) in enumerate(gone[first:], start=first):
            sent = sum(size for _, size in gone[first : end + 1])
            assert sent - last <= (at - start).total_seconds() + pace.BURST + 1e-3


def test_a_short_reply_goes_out_after_one_part_of_a_long_one_at_most(
    talker: Conversation, brief: Conversation, twilio: PretendTwilio
) -> None:
    long = write(talker, TEN_PARTS, limit=25)
    send(talker)
    assert states(long)[:4] == [PartState.ACCEPTED] * 3 + [PartState.QUEUED]
    short = write(brief, "hi")
    for _ in range(2):  # both are woken when their places have come, the long one first
        send(talker, brief)
        OutboundPart.objects.filter(slot_at__isnull=False).update(next_attempt_at=None)
    send(talker, brief)
    order = [message.to for message in twilio.messages]
    assert states(short) == [PartState.ACCEPTED]
    assert order.index(cast.BOB) <= 4
    for _ in range(8):
        OutboundPart.objects.update(next_attempt_at=None)
        send(talker)
    assert "".join(message.body for message in twilio.messages_to(cast.ALICE)) == TEN_PARTS


def test_a_conversation_books_one_place_at_a_time(talker: Conversation, twilio: PretendTwilio) -> None:
    write(talker, TEN_PARTS, limit=25)
    for _ in range(5):
        worker.send(talker.pk)
    waiting = OutboundPart.objects.filter(slot_at__isnull=False)
    assert waiting.count() == 1
    assert waiting.get().next_attempt_at == waiting.get().slot_at


def test_a_place_is_kept_for_a_while_and_then_booked_anew(account: Account) -> None:
    now = timezone.now()
    book(account, segments=100, now=now)
    assert book(account, now=now, booked=now - SECOND).at == now
    assert book(account, now=now, booked=now - timedelta(minutes=1)).at > now


@pytest.mark.parametrize("code", [21611, 30001, 30017, 30022, 63018, 63038])
def test_back_pressure_pauses_the_number_and_no_text_fails(
    code: int, talker: Conversation, brief: Conversation, twilio: PretendTwilio
) -> None:
    twilio.fails_next(Refusal(429 if code == 21611 else 400, code))
    first, second = write(talker, "one"), write(brief, "two")
    send(talker, brief)
    assert twilio.messages == []
    for message in (first, second):
        part = message.parts.get()
        assert (part.state, part.reason, part.attempts) == (PartState.QUEUED, Reason.SENDER_PAUSED, 0)
        assert part.next_attempt_at == pace.paused(timezone.now())[0].paused_until
    SenderNumber.objects.update(paused_until=timezone.now())
    send(talker, brief, rounds=2)
    assert [message.body for message in twilio.messages] == ["one", "two"]
    assert SenderNumber.objects.get().pauses == 0


def test_pauses_grow_until_a_text_is_accepted() -> None:
    now, lengths = timezone.now(), []
    for _ in range(7):
        until = pace.pause("+15550009999", code=21611, daily=False, retry_after=None, now=now)
        lengths.append((until - now).total_seconds())
        now = until + SECOND
    assert lengths == [30, 60, 120, 240, 480, 900, 900]
    pace.resumed("+15550009999")
    again = pace.pause("+15550009999", code=21611, daily=False, retry_after=90 * SECOND, now=now)
    assert again - now == 90 * SECOND


def test_two_reports_of_one_trouble_are_one_pause() -> None:
    now = timezone.now()
    first = pace.pause("+15550009999", code=30001, daily=False, retry_after=None, now=now)
    assert pace.pause("+15550009999", code=30001, daily=False, retry_after=None, now=now + SECOND) == first


def test_a_clock_that_was_set_back_silences_no_number(account: Account) -> None:
    now = timezone.now()
    book(account, now=now + timedelta(hours=1))
    assert book(account, now=now).at == now


def test_the_sandbox_has_no_carrier_and_is_quicker(account: Account) -> None:
    assert account.segments_per_second == accounts.DEFAULT_SEGMENTS_PER_SECOND == 1.0
    assert accounts.SANDBOX_SEGMENTS_PER_SECOND > 1.0


@pytest.mark.parametrize("rate", [1e-300, 5e-324])
def test_a_rate_next_to_nothing_is_still_one(account: Account, rate: float) -> None:
    now = timezone.now()
    assert book(replace(account, segments_per_second=rate), segments=3, now=now).at == now
    assert SenderNumber.objects.get().next_free_at == now + timedelta(hours=3)
