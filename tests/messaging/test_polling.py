"""What nobody reports is asked for: a bounded number of times, and of texts at a time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.messaging import circuits, polling
from openclaw_sms.models import Conversation, Delivery, OutboundPart
from openclaw_sms.twilio.errors import FAULTS
from tests.messaging.outgoing import only, send, write
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db


@pytest.fixture
def part(alice: Phone, twilio: PretendTwilio) -> OutboundPart:
    """Accepted, and then silence."""
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    message = write(conversation, "hi")
    send(conversation)
    return only(message)


def after(part: OutboundPart, wait: timedelta) -> int:
    return polling.poll_due(timezone.now() + wait)


LONG = timedelta(minutes=11)


def test_a_text_is_asked_about_after_a_while(part: OutboundPart, twilio: PretendTwilio) -> None:
    twilio.ends(twilio.messages[0], "delivered")
    assert after(part, timedelta(minutes=9)) == 0
    assert after(part, LONG) == 1
    part.refresh_from_db()
    assert (part.delivery, part.next_poll_at) == (Delivery.DELIVERED, None)


def test_an_error_that_is_learned_so_is_acted_upon(part: OutboundPart, twilio: PretendTwilio) -> None:
    twilio.ends(twilio.messages[0], "undelivered", 21610)
    after(part, LONG)
    part.refresh_from_db()
    assert (part.delivery, part.error_code) == (Delivery.UNDELIVERED, 21610)
    assert opt_out.is_out(part.conversation.account_id, cast.ALICE)


def test_a_text_that_never_ends_is_asked_about_for_two_days_at_growing_intervals(
    part: OutboundPart, twilio: PretendTwilio
) -> None:
    twilio.ends(twilio.messages[0], "sent")
    asked, now = [], timezone.now()
    while True:
        part.refresh_from_db()
        if part.next_poll_at is None:
            break
        asked.append(part.next_poll_at - now)
        polling.poll_due(part.next_poll_at)
    assert len(asked) == 6
    assert asked == sorted(asked)
    assert timedelta(days=2) < asked[-1] < timedelta(days=2, hours=2)
    assert polling.poll_due(now + timedelta(days=9)) == 0


def test_two_workers_ask_once(part: OutboundPart, twilio: PretendTwilio) -> None:
    now = timezone.now() + LONG
    seen = [OutboundPart.objects.get(pk=part.pk) for _ in range(2)]
    assert [polling._claim(each, now) for each in seen] == [True, False]


def test_a_text_deleted_at_twilio_is_not_asked_about_again(part: OutboundPart, twilio: PretendTwilio) -> None:
    twilio.messages.clear()
    assert after(part, LONG) == 0
    part.refresh_from_db()
    assert part.next_poll_at is None


def test_trouble_ends_the_round(part: OutboundPart, twilio: PretendTwilio) -> None:
    twilio.locks_out()
    assert after(part, LONG) == 0
    part.refresh_from_db()
    assert part.next_poll_at is not None


def test_nobody_is_asked_while_the_circuit_is_open(part: OutboundPart, twilio: PretendTwilio) -> None:
    circuits.trip(part.conversation.account_id, FAULTS[20003], reported=False, now=timezone.now())
    asked = len(twilio.requests)
    assert after(part, LONG) == 0
    assert len(twilio.requests) == asked


class TestACircuitThatWaitsForAReport:
    @pytest.fixture
    def trial(self, part: OutboundPart) -> OutboundPart:
        """The text that shows whether all is well again, and no callback reaches us."""
        circuits.trip(part.conversation.account_id, FAULTS[30034], reported=True, now=timezone.now())
        OutboundPart.objects.filter(pk=part.pk).update(accepted_at=timezone.now())
        return part

    @pytest.mark.parametrize("status", ["delivered", "sent"])
    def test_is_closed_by_what_is_asked_for(self, trial: OutboundPart, twilio: PretendTwilio, status: str) -> None:
        twilio.ends(twilio.messages[0], status)
        assert after(trial, LONG) == 1
        assert circuits.open_circuits() == []

    def test_stays_open_while_the_text_is_refused(self, trial: OutboundPart, twilio: PretendTwilio) -> None:
        twilio.ends(twilio.messages[0], "undelivered", 30034)
        assert after(trial, LONG) == 1
        assert len(circuits.open_circuits()) == 1
