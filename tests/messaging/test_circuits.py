"""While Twilio refuses every text, texts wait; when that is mended they go out, once and in order."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.messaging import circuits, delivery, housekeeping
from openclaw_sms.models import Circuit, Conversation, OutboundPart, PartState, ProbeKind, Reason
from openclaw_sms.twilio.errors import FAULTS
from tests.messaging.outgoing import only, send, states, write
from tests.messaging.test_delivery import _account, told
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


@pytest.fixture
def other(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.BOB)


def later(circuit: Circuit) -> None:
    """Until its next probe is due."""
    Circuit.objects.filter(pk=circuit.pk).update(next_probe_at=timezone.now())


def bodies(twilio: PretendTwilio) -> list[str]:
    return [message.body for message in twilio.messages]


class TestAWrongToken:
    @pytest.fixture
    def locked_out(self, conversation: Conversation, other: Conversation, twilio: PretendTwilio) -> Circuit:
        twilio.locks_out()
        for words in ("one", "two", "three"):
            write(conversation, words)
        write(other, "four")
        send(conversation, other, rounds=3)
        return circuits.open_circuits()[0]

    def test_opens_the_circuit_and_no_text_fails(self, locked_out: Circuit, twilio: PretendTwilio) -> None:
        assert (locked_out.code, locked_out.probe) == (20003, ProbeKind.QUESTION)
        assert set(OutboundPart.objects.values_list("state", flat=True)) == {PartState.QUEUED}
        assert OutboundPart.objects.filter(reason=Reason.CIRCUIT_OPEN).count() == 2
        assert [request.method for request in twilio.requests] == ["POST"]

    def test_is_asked_about_and_stays_open_while_it_is_wrong(
        self, locked_out: Circuit, twilio: PretendTwilio
    ) -> None:
        later(locked_out)
        housekeeping.probe_circuits(timezone.now())
        assert circuits.open_circuits() == [locked_out]
        assert [request.method for request in twilio.requests].count("GET") == 1
        housekeeping.probe_circuits(timezone.now())
        assert [request.method for request in twilio.requests].count("GET") == 1

    def test_mended_lets_everything_out_once_and_in_order(
        self, locked_out: Circuit, conversation: Conversation, other: Conversation, twilio: PretendTwilio
    ) -> None:
        twilio.lets_in()
        later(locked_out)
        housekeeping.probe_circuits(timezone.now())
        assert circuits.open_circuits() == []
        send(conversation, other)
        assert bodies(twilio) == ["one", "two", "three", "four"]

    def test_probes_grow_apart(self, locked_out: Circuit) -> None:
        gaps, now = [], locked_out.next_probe_at
        for _ in range(6):
            circuit = Circuit.objects.get()
            assert circuits.claim_probe(circuit, now)
            gaps.append((circuit.next_probe_at - now).total_seconds())
            now = circuit.next_probe_at
        assert gaps == [10, 20, 40, 60, 60, 60]

    def test_is_probed_by_one_machine(self, locked_out: Circuit) -> None:
        later(locked_out)
        seen = [Circuit.objects.get() for _ in range(2)]
        assert [circuits.claim_probe(circuit, timezone.now()) for circuit in seen] == [True, False]


class TestAWrongNumber:
    @pytest.fixture
    def refused(self, conversation: Conversation, other: Conversation, twilio: PretendTwilio) -> Circuit:
        twilio.fails_next(Refusal(400, 21606), times=2)
        write(conversation, "one")
        write(other, "two")
        send(conversation, other)
        return circuits.open_circuits()[0]

    def test_is_tried_with_one_waiting_text(
        self, refused: Circuit, conversation: Conversation, other: Conversation, twilio: PretendTwilio
    ) -> None:
        assert refused.probe == ProbeKind.POST
        assert len(twilio.posts) == 1
        later(refused)
        send(conversation, other, rounds=2)
        assert len(twilio.posts) == 2
        assert len(circuits.open_circuits()) == 1

    def test_mended_is_seen_by_the_text_that_goes_through(
        self, refused: Circuit, conversation: Conversation, other: Conversation, twilio: PretendTwilio
    ) -> None:
        twilio.behaves()
        later(refused)
        send(conversation, other, rounds=2)
        assert circuits.open_circuits() == []
        assert sorted(bodies(twilio)) == ["one", "two"]

    def test_what_the_operator_saves_is_tried_at_once(self, refused: Circuit, conversation: Conversation) -> None:
        circuits.probe_soon(refused.account_id)
        refused.refresh_from_db()
        assert refused.next_probe_at <= timezone.now()
        assert not OutboundPart.objects.filter(reason=Reason.CIRCUIT_OPEN, next_attempt_at__isnull=False).exists()


@pytest.mark.parametrize("code", [21408, 21608, 14111, 30018, 30024])
def test_an_error_about_one_recipient_stops_nobody_else(
    code: int, conversation: Conversation, other: Conversation, twilio: PretendTwilio
) -> None:
    twilio.fails_next(Refusal(400, code), to=cast.BOB)
    stranger, friend = write(other, "no"), write(conversation, "yes")
    send(other, conversation)
    assert circuits.open_circuits() == []
    assert (states(stranger), states(friend)) == ([PartState.FAILED], [PartState.ACCEPTED])


class TestARefusalThatIsReported:
    @pytest.fixture
    def part(self, conversation: Conversation, twilio: PretendTwilio) -> OutboundPart:
        message = write(conversation, "one")
        send(conversation)
        return only(message)

    @pytest.fixture
    def circuit(self, part: OutboundPart) -> Circuit:
        report = told(part, "undelivered", sid=part.sid, code=30034)
        delivery.record(_account(), report, now=timezone.now())
        return circuits.open_circuits()[0]

    def test_opens_the_circuit(self, circuit: Circuit, conversation: Conversation, twilio: PretendTwilio) -> None:
        assert (circuit.code, circuit.probe) == (30034, ProbeKind.REPORT)
        write(conversation, "two")
        send(conversation)
        assert bodies(twilio) == ["one"]

    def test_a_text_that_twilio_takes_does_not_close_it_but_one_that_arrives_does(
        self, circuit: Circuit, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        later(circuit)
        message = write(conversation, "two")
        send(conversation)
        trial = only(message)
        assert (trial.state, len(circuits.open_circuits())) == (PartState.ACCEPTED, 1)
        delivery.record(_account(), told(trial, "delivered", sid=trial.sid), now=timezone.now())
        assert circuits.open_circuits() == []

    def test_of_a_text_from_before_it_was_mended_is_no_news(self, circuit: Circuit, part: OutboundPart) -> None:
        circuits.close(circuit.account_id, timezone.now())
        report = told(part, "failed", sid=part.sid, code=30034)
        delivery.record(_account(), report, now=timezone.now())
        assert circuits.open_circuits() == []


def test_a_circuit_survives_in_the_rows_and_is_one(account: object, alice: Phone) -> None:
    now = timezone.now()
    first = circuits.trip(alice.account.pk, FAULTS[20003], reported=False, now=now)
    again = circuits.trip(alice.account.pk, FAULTS[21606], reported=False, now=now + timedelta(seconds=1))
    assert first.pk == again.pk
    assert Circuit.objects.get().code == 21606
    assert circuits.close(alice.account.pk, now)
    assert not circuits.close(alice.account.pk, now)
