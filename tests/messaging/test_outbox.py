"""Parts go out once, in order, whatever Twilio does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import decisions, outbox, reconcile, refusals, worker
from openclaw_sms.messaging.decisions import AlreadyDecided
from openclaw_sms.models import (
    Conversation,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
    SmsAccount,
)
from openclaw_sms.twilio.client import TwilioClient
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import (
    ACCEPT_THEN_DROP,
    DROP,
    PretendTwilio,
    Refusal,
    throttled,
)

pytestmark = pytest.mark.django_db
ANNA = Actor("cli:anna")


@pytest.fixture(autouse=True)
def twilio_is_never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test sends was taken or not by the time it looks."""
    monkeypatch.setattr(reconcile, "TAKEN_LATE", timedelta(0))


THREE_PARTS = "one " * 5 + "two " * 5 + "six " * 5


@pytest.fixture
def conversation(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


def write(conversation: Conversation, text: str = THREE_PARTS) -> OutboundMessage:
    return outbox.write(
        conversation, text, kind=OutboundKind.MESSAGE, author="cli:anna", limit=20, now=timezone.now()
    )


def send(conversation: Conversation, *, rounds: int = 1) -> None:
    """Let the worker send; each further round finds every back-off over."""
    for _ in range(rounds):
        worker.send(conversation.pk)
        OutboundPart.objects.update(next_attempt_at=None)


def states(message: OutboundMessage) -> list[str]:
    return list(message.parts.order_by("number").values_list("state", flat=True))


def bodies(twilio: PretendTwilio) -> list[str]:
    return [message.body for message in twilio.messages_to(cast.ALICE)]


def test_parts_go_out_in_order_and_rejoin(conversation: Conversation, twilio: PretendTwilio) -> None:
    message = write(conversation)
    send(conversation)
    assert states(message) == [PartState.ACCEPTED] * 3
    assert "".join(bodies(twilio)) == THREE_PARTS
    sids = set(message.parts.values_list("sid", flat=True))
    assert sids == {sent.sid for sent in twilio.messages_to(cast.ALICE)}


def test_the_callback_address_names_the_part(conversation: Conversation, twilio: PretendTwilio) -> None:
    message = write(conversation, "hi")
    send(conversation)
    token = message.parts.get().token
    assert f"part={token}" in (twilio.messages_to(cast.ALICE)[0].status_callback or "")


def test_the_marker_is_committed_before_the_post(
    conversation: Conversation, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        """As if the process ended in the middle of the call."""

    def die(client: object, outgoing: object) -> None:
        raise Died

    message = write(conversation, "hi")
    monkeypatch.setattr(TwilioClient, "send", die)
    with pytest.raises(Died):
        worker.send(conversation.pk)
    assert states(message) == [PartState.SENDING]


class TestWhenTheProcessDiedInTheMiddle:
    @pytest.fixture
    def orphan(self, conversation: Conversation) -> OutboundPart:
        """A part that a dead worker left "being sent"."""
        part = write(conversation, "hi").parts.get()
        part.move(PartState.SENDING, attempts=1, posted_at=timezone.now() - timedelta(seconds=40))
        return part

    def test_a_part_twilio_has_is_not_sent_again(
        self, orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio, alice: Phone
    ) -> None:
        already = outbox.carrier(alice.account).send(outbox._outgoing(orphan, alice.account))
        send(conversation)
        orphan.refresh_from_db()
        assert (orphan.state, orphan.sid) == (PartState.ACCEPTED, already.sid)
        assert bodies(twilio) == ["hi"]

    def test_a_part_twilio_has_not_is_sent(
        self, orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        send(conversation, rounds=6)
        orphan.refresh_from_db()
        assert orphan.state == PartState.ACCEPTED
        assert bodies(twilio) == ["hi"]

    def test_a_trial_accounts_prefix_does_not_hide_it(
        self, orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio, alice: Phone
    ) -> None:
        prefixed = replace(outbox._outgoing(orphan, alice.account), body=f"{reconcile.TRIAL_PREFIX}hi")
        outbox.carrier(alice.account).send(prefixed)
        send(conversation)
        orphan.refresh_from_db()
        assert orphan.state == PartState.ACCEPTED

    def test_other_words_at_twilio_that_could_be_ours_are_left_to_the_operator(
        self, orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio, alice: Phone
    ) -> None:
        """Smart encoding changes quotation marks, for one."""
        changed = replace(outbox._outgoing(orphan, alice.account), body="'hi'")
        outbox.carrier(alice.account).send(changed)
        send(conversation, rounds=6)
        orphan.refresh_from_db()
        assert (orphan.state, orphan.reason) == (PartState.UNCERTAIN, Reason.UNCERTAIN)
        assert len(bodies(twilio)) == 1

    def test_the_same_words_sent_before_are_not_mistaken_for_it(
        self, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        write(conversation, "hi")
        send(conversation)
        orphan = write(conversation, "hi").parts.get()
        orphan.move(PartState.SENDING, attempts=1, posted_at=timezone.now())
        send(conversation, rounds=6)
        assert bodies(twilio) == ["hi", "hi"]
        assert OutboundPart.objects.filter(state=PartState.ACCEPTED).count() == 2


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (ACCEPT_THEN_DROP, 1),
        (DROP, 1),
        (DROP, 3),
        (Refusal(500, 20500), 2),
        (throttled(1), 3),
    ],
    ids=["accepted, then dropped", "dropped", "dropped thrice", "500", "429"],
)
def test_a_fault_costs_time_but_no_text_and_no_double(
    fault: object, times: int, conversation: Conversation, twilio: PretendTwilio
) -> None:
    twilio.fails_next(fault, times=times)  # type: ignore[arg-type]
    message = write(conversation)
    send(conversation, rounds=30)
    assert states(message) == [PartState.ACCEPTED] * 3
    assert "".join(bodies(twilio)) == THREE_PARTS


def test_throttling_waits_as_long_as_twilio_says(conversation: Conversation, twilio: PretendTwilio) -> None:
    twilio.fails_next(throttled(90))
    part = write(conversation, "hi").parts.get()
    worker.send(conversation.pk)
    part.refresh_from_db()
    assert part.state == PartState.QUEUED
    assert part.next_attempt_at is not None
    assert part.next_attempt_at > timezone.now() + timedelta(seconds=80)


def test_later_messages_wait_for_a_part_that_is_tried_again(
    conversation: Conversation, twilio: PretendTwilio
) -> None:
    twilio.fails_next(throttled(90))
    write(conversation, "first")
    write(conversation, "second")
    worker.send(conversation.pk)
    assert bodies(twilio) == []
    send(conversation, rounds=2)
    assert bodies(twilio) == ["first", "second"]


def test_a_post_that_ran_into_the_time_limit_is_not_repeated_before_twilio_must_have_taken_it(
    conversation: Conversation, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "TAKEN_LATE", timedelta(minutes=2))
    monkeypatch.setattr(refusals, "WAITED_IN_VAIN", timedelta(0))
    twilio.fails_next(DROP)
    part = write(conversation, "hi").parts.get()
    send(conversation, rounds=6)
    part.refresh_from_db()
    assert (part.state, bodies(twilio)) == (PartState.CHECKING, [])
    OutboundPart.objects.update(posted_at=timezone.now() - timedelta(seconds=121))
    send(conversation, rounds=2)
    assert bodies(twilio) == ["hi"]


def test_a_process_that_stood_still_after_its_marker_does_not_post(
    conversation: Conversation, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MARKER_IS_STALE_AFTER", timedelta(0))
    message = write(conversation, "hi")
    worker.send(conversation.pk)
    assert (states(message), bodies(twilio)) == ([PartState.SENDING], [])


class TestARefusedPart:
    @pytest.fixture
    def message(self, conversation: Conversation, twilio: PretendTwilio) -> OutboundMessage:
        """Three parts, of which Twilio refuses the second."""
        twilio.fails_next(Refusal(400, 30007), after=1)
        message = write(conversation)
        send(conversation)
        return message

    def test_holds_back_the_parts_behind_it(self, message: OutboundMessage, twilio: PretendTwilio) -> None:
        assert states(message) == [PartState.ACCEPTED, PartState.FAILED, PartState.BLOCKED]
        assert len(bodies(twilio)) == 1

    def test_says_why_without_the_number(self, message: OutboundMessage) -> None:
        failed = message.parts.get(number=2)
        assert (failed.reason, failed.error_code) == (Reason.TWILIO_REFUSED, 30007)
        assert cast.ALICE not in failed.detail
        assert failed.detail

    def test_lets_other_messages_pass(
        self, message: OutboundMessage, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        write(conversation, "next")
        send(conversation)
        assert bodies(twilio)[-1] == "next"

    def test_goes_on_from_where_it_stopped(
        self, message: OutboundMessage, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        decisions.send_again(message.parts.get(number=2), actor=ANNA, now=timezone.now())
        send(conversation)
        assert states(message) == [PartState.ACCEPTED] * 3
        assert "".join(bodies(twilio)) == THREE_PARTS

    def test_is_sent_again_once_however_often_the_button_is_pressed(self, message: OutboundMessage) -> None:
        twins = [message.parts.get(number=2) for _ in range(2)]
        decisions.send_again(twins[0], actor=ANNA, now=timezone.now())
        with pytest.raises(AlreadyDecided, match="the part is now “waiting”"):
            decisions.send_again(twins[1], actor=ANNA, now=timezone.now())


class TestAnUncertainPart:
    @pytest.fixture
    def message(self, conversation: Conversation) -> OutboundMessage:
        """Three parts; Twilio could not be asked about the first for too long."""
        message = write(conversation)
        first = message.parts.get(number=1)
        first.move(PartState.SENDING, attempts=1, posted_at=timezone.now())
        first.move(PartState.CHECKING)
        first.move(PartState.UNCERTAIN, reason=Reason.UNCERTAIN)
        first.block_rest()
        return message

    def test_is_left_alone(self, message: OutboundMessage, conversation: Conversation, twilio: PretendTwilio) -> None:
        send(conversation, rounds=3)
        assert states(message) == [PartState.UNCERTAIN, PartState.BLOCKED, PartState.BLOCKED]
        assert bodies(twilio) == []

    def test_goes_on_when_the_operator_saw_it_at_twilio(
        self, message: OutboundMessage, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        decisions.mark_sent(message.parts.get(number=1), actor=ANNA, now=timezone.now())
        send(conversation)
        assert states(message) == [PartState.ACCEPTED] * 3
        assert len(bodies(twilio)) == 2


def test_twilio_that_cannot_be_asked_leaves_the_part_to_the_operator(
    conversation: Conversation, twilio: PretendTwilio, settings: object
) -> None:
    part = write(conversation, "hi").parts.get()
    part.move(PartState.SENDING, attempts=1, posted_at=timezone.now() - timedelta(minutes=20))
    settings.TWILIO_API_BASE_URL = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    send(conversation, rounds=2)
    part.refresh_from_db()
    assert (part.state, part.reason) == (PartState.UNCERTAIN, Reason.UNCERTAIN)


def test_an_account_that_is_switched_off_sends_nothing(conversation: Conversation, twilio: PretendTwilio) -> None:
    message = write(conversation)
    SmsAccount.objects.update(enabled=False)
    from openclaw_sms.config import accounts

    accounts.forget()
    send(conversation)
    assert states(message) == [PartState.FAILED, PartState.BLOCKED, PartState.BLOCKED]
    assert message.parts.get(number=1).reason == Reason.ACCOUNT_UNAVAILABLE
    assert bodies(twilio) == []
