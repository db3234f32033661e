"""Each class of Twilio's errors has its one action."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.messaging import backoff, circuits, delivery, pace, refusals
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import Conversation, OutboundPart, PartState, Reason
from openclaw_sms.twilio.errors import FAULTS, ErrorClass
from tests.messaging.outgoing import only, send, states, write
from tests.messaging.test_delivery import _account, told
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio, Refusal, throttled

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


def refused(conversation: Conversation, twilio: PretendTwilio, code: int) -> OutboundPart:
    twilio.fails_next(Refusal(400, code))
    message = write(conversation, "hi")
    send(conversation)
    return only(message)


def reported(conversation: Conversation, code: int) -> OutboundPart:
    message = write(conversation, "hi")
    send(conversation)
    part = only(message)
    delivery.record(_account(), told(part, "undelivered", sid=part.sid, code=code), now=timezone.now())
    conversation.refresh_from_db()
    return only(message)


def test_every_class_has_an_action() -> None:
    assert set(refusals.ON_REFUSAL) == set(ErrorClass)


class TestAnOptOut:
    def test_in_an_answer_is_never_tried_again(self, conversation: Conversation, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21610))
        first, second = write(conversation, "one " * 8), write(conversation, "two")
        send(conversation, rounds=4)
        with pytest.raises(Withheld) as refused:
            write(conversation, "three")
        send(conversation, rounds=4)
        assert states(first) == [PartState.FAILED, PartState.CANCELLED]
        assert states(second) == [PartState.CANCELLED]
        assert only(second).reason == refused.value.reason == Reason.OPTED_OUT
        assert len(twilio.posts) == 1

    def test_in_a_report_suppresses_and_cancels_what_waits(
        self, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        message = write(conversation, "one")
        send(conversation)
        waiting = write(conversation, "two")
        part = only(message)
        for _ in range(2):
            delivery.record(_account(), told(part, "undelivered", sid=part.sid, code=21610), now=timezone.now())
        send(conversation)
        assert states(waiting) == [PartState.CANCELLED]
        assert opt_out.is_out(conversation.account_id, cast.ALICE)
        assert len(twilio.posts) == 1

    def test_that_is_reported_late_does_not_undo_a_start_that_came_meanwhile(
        self, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        message = write(conversation, "one")
        send(conversation)
        part = only(message)
        account_pk, number = conversation.account_id, cast.ALICE
        opt_out.suppress(account_pk, number, source="keyword", at=part.posted_at or timezone.now())
        assert opt_out.restore(account_pk, number, source="keyword", at=timezone.now())
        report = told(part, "undelivered", sid=part.sid, code=21610)
        delivery.record(_account(), report, now=timezone.now() + timedelta(minutes=10))
        assert not opt_out.is_out(account_pk, number)

    def test_of_a_carriers_blocking_is_for_a_person_to_look_at(
        self, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        reported(conversation, 30004)
        assert conversation.unreachable_code == 30004
        assert not opt_out.is_out(conversation.account_id, cast.ALICE)


@pytest.mark.parametrize("code", sorted(c for c, f in FAULTS.items() if f.kind is ErrorClass.BAD_RECIPIENT))
def test_a_bad_recipient_is_flagged_until_a_text_arrives(
    code: int, conversation: Conversation, twilio: PretendTwilio
) -> None:
    part = refused(conversation, twilio, code)
    conversation.refresh_from_db()
    assert (part.state, part.error_code, conversation.unreachable_code) == (PartState.FAILED, code, code)
    message = write(conversation, "hi again")
    send(conversation)
    part = only(message)
    delivery.record(_account(), told(part, "delivered", sid=part.sid), now=timezone.now())
    conversation.refresh_from_db()
    assert conversation.unreachable_code is None


@pytest.mark.parametrize("code", [30003, 30008])
def test_an_undelivered_text_is_never_sent_again_by_itself(
    code: int, conversation: Conversation, twilio: PretendTwilio
) -> None:
    part = reported(conversation, code)
    send(conversation, rounds=3)
    assert (part.state, part.error_code, len(twilio.posts)) == (PartState.ACCEPTED, code, 1)


def test_a_reported_full_queue_pauses_the_number(conversation: Conversation, twilio: PretendTwilio) -> None:
    reported(conversation, 30001)
    assert [number.pause_code for number in pace.paused(timezone.now())] == [30001]


def test_content_fails_with_its_reason(conversation: Conversation, twilio: PretendTwilio) -> None:
    part = refused(conversation, twilio, 21617)
    assert (part.state, part.reason) == (PartState.FAILED, Reason.TWILIO_REFUSED)
    assert circuits.open_circuits() == []


def test_a_network_that_is_down_for_an_hour_costs_no_text(conversation: Conversation, twilio: PretendTwilio) -> None:
    twilio.fails_next(throttled(1), times=refusals.MOST_TRIES + 4)
    message = write(conversation, "hi")
    send(conversation, rounds=refusals.MOST_TRIES + 6)
    assert states(message) == [PartState.ACCEPTED]


def test_a_text_that_cannot_be_posted_for_half_a_day_is_given_up(
    conversation: Conversation, twilio: PretendTwilio
) -> None:
    twilio.fails_next(throttled(1), times=99)
    message = write(conversation, "hi")
    message.created_at -= timedelta(hours=13)
    message.save()
    send(conversation, rounds=refusals.MOST_TRIES + 6)
    assert states(message) == [PartState.FAILED]
    assert message.parts.get().reason == Reason.TRIES_EXHAUSTED
    assert len(twilio.posts) == refusals.MOST_TRIES


class TestBackOff:
    def test_has_full_jitter_under_a_doubling_ceiling(self) -> None:
        for attempt, ceiling in ((1, 2), (2, 4), (5, 32), (40, 300)):
            waits = [backoff.delay(attempt).total_seconds() for _ in range(400)]
            assert min(waits) < ceiling * 0.1
            assert max(waits) > ceiling * 0.9
            assert all(0.1 <= wait <= ceiling for wait in waits)

    def test_is_never_shorter_than_asked_for(self) -> None:
        assert all(backoff.delay(1, retry_after=timedelta(seconds=7)).total_seconds() >= 7 for _ in range(50))
