"""A text's way through identity, policy, agent and reply, over the real view and the real worker."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.messaging import admission, decisions, history, lease, outbox, turn, worker
from openclaw_sms.messaging.decisions import AlreadyDecided
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PartState,
    Reason,
    SenderSource,
    SmsAccount,
)
from tests.messaging import agents
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db
ANNA = Actor("cli:anna")


def outcome(text: InboundMessage) -> tuple[str, str]:
    text.refresh_from_db()
    return text.state, text.reason


def due_now() -> None:
    """Let every back-off be over."""
    InboundMessage.objects.update(next_attempt_at=None)
    OutboundPart.objects.update(next_attempt_at=None)


class TestAStranger:
    def test_gets_one_code_and_the_agent_hears_nothing(self, bob: Phone, twilio: PretendTwilio) -> None:
        text = bob.texts("hello")
        code = PairingRequest.objects.get().code
        assert outcome(text) == (InboundState.HELD, Reason.AWAITING_APPROVAL)
        assert [message.body for message in twilio.messages_to(cast.BOB)] == bob.heard()
        assert code in bob.heard()[0]
        assert agents.asked == []

    def test_gets_no_second_reply_for_a_second_text(self, bob: Phone) -> None:
        bob.texts("hello")
        bob.texts("hello?")
        assert len(bob.heard()) == 1
        assert PairingRequest.objects.count() == 1

    def test_gets_the_reply_again_when_the_first_one_failed(self, bob: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21408), to=cast.BOB)
        bob.texts("hello")
        assert OutboundPart.objects.get().state == PartState.FAILED
        bob.texts("hello?")
        assert len(set(bob.heard())) == 1
        assert len(twilio.messages_to(cast.BOB)) == 1

    def test_gets_a_new_code_after_the_hour(self, bob: Phone) -> None:
        bob.texts("hello")
        PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        bob.texts("hello again")
        assert len(set(bob.heard())) == 2

    def test_beyond_the_third_costs_nothing(self, bob: Phone, twilio: PretendTwilio) -> None:
        for last_digit in range(3):
            Phone(f"+1555000333{last_digit}", bob.account).texts("hi")
        assert outcome(bob.texts("hello")) == (InboundState.REFUSED, Reason.PAIRING_FULL)
        assert twilio.messages_to(cast.BOB) == []

    def test_once_approved_is_answered_but_not_for_the_first_text(self, bob: Phone) -> None:
        first = bob.texts("hello")
        admission.approve(PairingRequest.objects.get().code, actor=ANNA, now=timezone.now())
        second = bob.texts("and now?")
        assert outcome(first) == (InboundState.HELD, Reason.AWAITING_APPROVAL)
        assert outcome(second) == (InboundState.ANSWERED, Reason.NONE)
        assert [question.text for question in agents.asked] == ["and now?"]

    def test_first_text_is_answered_when_the_owner_asks_for_it(self, bob: Phone) -> None:
        first = bob.texts("hello")
        admission.approve(PairingRequest.objects.get().code, actor=ANNA, now=timezone.now())
        first.refresh_from_db()
        decisions.answer_now(first, actor=ANNA, now=timezone.now())
        work()
        assert outcome(first) == (InboundState.ANSWERED, Reason.NONE)
        assert "You said hello" in bob.heard()

    def test_is_told_of_the_approval_when_the_owner_wants_it(self, bob: Phone, twilio: PretendTwilio) -> None:
        bob.texts("hello")
        code = PairingRequest.objects.get().code
        done = admission.approve(code, actor=ANNA, now=timezone.now(), notify=True)
        work()
        assert done.warning == ""
        assert "approved" in twilio.messages_to(cast.BOB)[-1].body


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("12345", Reason.SHORT_CODE),
        ("ACME", Reason.ALPHANUMERIC),
        ("whatsapp:+15550001111", Reason.WHATSAPP_DISABLED),
    ],
)
def test_what_cannot_be_answered_is_stored_and_never_answered(number: str, reason: Reason, bob: Phone) -> None:
    text = Phone(number, bob.account).texts("your code is 1234")
    assert outcome(text) == (InboundState.REFUSED, reason)
    assert not OutboundMessage.objects.exists()
    assert not PairingRequest.objects.exists()


class TestAnApprovedSender:
    def test_is_answered_in_plain_text(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.texts("hi")
        assert outcome(text) == (InboundState.ANSWERED, Reason.NONE)
        assert [message.body for message in twilio.messages_to(cast.ALICE)] == ["You said hi"]
        question = agents.asked[0]
        assert (question.sender, question.account, question.message_sid) == (cast.ALICE, "default", text.sid)

    def test_is_not_answered_twice_for_a_repeated_sid(self, alice: Phone) -> None:
        alice.texts("hi", MessageSid="SM1")
        alice.texts("hi", MessageSid="SM1")
        assert len(agents.asked) == 1
        assert len(alice.heard()) == 1

    @pytest.mark.parametrize("reply", ["NO_REPLY", "", None, "<think>hm</think>", "---"])
    def test_hears_nothing_when_the_agent_wants_it_so(self, reply: str | None, alice: Phone) -> None:
        agents.answers.append(reply)
        assert outcome(alice.texts("hi")) == (InboundState.SILENT, Reason.AGENT_DECLINED)
        assert alice.heard() == []

    def test_is_shut_out_when_the_owner_changes_their_mind_in_the_last_moment(self, alice: Phone) -> None:
        accounts.current()  # what the first check still believes
        SmsAccount.objects.update(dm_policy="allowlist")
        text = alice.texts("hi")
        assert outcome(text) == (InboundState.REFUSED, Reason.NOT_LISTED)
        assert agents.asked == []

    def test_gets_long_replies_in_parts_that_rejoin(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append("word " * 900)
        alice.texts("tell me more")
        bodies = [message.body for message in twilio.messages_to(cast.ALICE)]
        assert len(bodies) > 2
        assert "".join(bodies) == alice.heard()[0] == ("word " * 900).strip()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"AccountSid": "AC" + "9" * 32}, Reason.WRONG_ACCOUNT_SID),
        ({"AccountSid": ""}, Reason.WRONG_ACCOUNT_SID),
        ({"To": "+15550007777"}, Reason.WRONG_NUMBER),
    ],
)
def test_a_text_for_somebody_else_is_parked_with_the_reason(
    fields: dict[str, str], reason: Reason, alice: Phone
) -> None:
    assert outcome(alice.texts("hi", **fields)) == (InboundState.PARKED, reason)
    assert agents.asked == []


class TestAFailingAgent:
    def test_is_asked_again_until_it_answers(self, alice: Phone) -> None:
        agents.answers += [agents.busy(), agents.busy()]
        text = alice.texts("hi")
        assert outcome(text) == (InboundState.RECEIVED, Reason.AGENT_FAILED)
        assert text.next_attempt_at is not None
        for _ in range(2):
            due_now()
            work()
        assert outcome(text) == (InboundState.ANSWERED, Reason.NONE)
        assert [question.attempt for question in agents.asked] == [1, 2, 3]
        assert alice.heard() == ["You said hi"]

    def test_is_left_alone_as_long_as_it_asks(self, alice: Phone) -> None:
        agents.answers.append(agents.busy(timedelta(minutes=9)))
        text = alice.texts("hi")
        assert text.next_attempt_at is not None
        assert text.next_attempt_at > timezone.now() + timedelta(minutes=8)

    def test_keeps_later_texts_of_the_sender_waiting(self, alice: Phone) -> None:
        agents.answers.append(agents.busy())
        alice.texts("first")
        second = alice.texts("second")
        assert outcome(second)[0] == InboundState.RECEIVED
        due_now()
        work()
        assert [question.text for question in agents.asked] == ["first", "first", "second"]

    def test_costs_one_apology_when_the_tries_are_out(self, alice: Phone, settings: Settings) -> None:
        settings.SMS_AGENT_TRIES = 2
        agents.answers += [agents.busy(), agents.busy()]
        text = alice.texts("hi")
        due_now()
        work()
        assert outcome(text) == (InboundState.PARKED, Reason.AGENT_FAILED)
        assert text.detail == "The agent is busy: wait."
        assert len(alice.heard()) == 1
        assert OutboundMessage.objects.get().kind == OutboundKind.APOLOGY

    def test_is_not_asked_again_when_that_is_useless(self, alice: Phone) -> None:
        agents.answers += [agents.broken()]
        assert outcome(alice.texts("hi")) == (InboundState.PARKED, Reason.AGENT_FAILED)
        assert len(agents.asked) == 1

    def test_may_answer_a_parked_text_later_without_a_second_apology(self, alice: Phone) -> None:
        agents.answers += [agents.broken(), agents.broken()]
        text = alice.texts("hi")
        for expected in (InboundState.PARKED, InboundState.ANSWERED):
            decisions.answer_now(InboundMessage.objects.get(pk=text.pk), actor=ANNA, now=timezone.now())
            work()
            assert outcome(text)[0] == expected
        assert [message.kind for message in OutboundMessage.objects.order_by("id")] == ["apology", "reply"]


def test_answering_again_twice_is_answering_again_once(alice: Phone) -> None:
    agents.answers += [agents.broken()]
    text = alice.texts("hi")
    twins = [InboundMessage.objects.get(pk=text.pk) for _ in range(2)]
    decisions.answer_now(twins[0], actor=ANNA, now=timezone.now())
    with pytest.raises(AlreadyDecided, match="the text is now “waiting”"):
        decisions.answer_now(twins[1], actor=ANNA, now=timezone.now())


def test_a_text_that_kills_its_worker_every_time_is_parked(alice: Phone) -> None:
    text = alice.texts("hi")
    InboundMessage.objects.filter(pk=text.pk).update(state=InboundState.PROCESSING, crashes=turn.SURVIVED_CRASHES)
    due_now()
    worker.answer(text.pk)
    due_now()
    worker.answer(text.pk)
    assert outcome(text) == (InboundState.PARKED, Reason.CRASHED)
    assert [message.kind for message in OutboundMessage.objects.order_by("id")] == ["reply", "apology"]


def test_a_text_left_by_a_dead_worker_is_taken_up_at_once_the_first_time_and_then_after_a_pause(
    alice: Phone,
) -> None:
    alice.posts("hi")
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    ours = lease.take(conversation.pk, Lane.TURN, timezone.now())
    assert ours is not None
    claims = [turn.claim_next(conversation, ours, now=timezone.now()) for _ in range(3)]
    assert [text is not None for text in claims] == [True, True, False]
    text = InboundMessage.objects.get()
    assert (text.crashes, text.attempts, text.failures) == (2, 0, 0)
    assert outcome(text) == (InboundState.RECEIVED, Reason.CRASHED)
    assert text.next_attempt_at is not None


def test_a_crash_does_not_use_up_the_agents_tries(alice: Phone, settings: Settings) -> None:
    """The agent was asked, the worker died: it is asked again, is told so, and may still fail as often as ever."""
    settings.SMS_AGENT_TRIES = 2
    agents.answers += [agents.busy()]
    alice.posts("hi")
    text = InboundMessage.objects.get()
    InboundMessage.objects.update(state=InboundState.PROCESSING, attempts=1)
    work()
    assert (outcome(text), agents.asked[0].attempt) == ((InboundState.RECEIVED, Reason.AGENT_FAILED), 2)
    due_now()
    work()
    text.refresh_from_db()
    assert (text.state, text.attempts, text.failures, text.crashes) == (InboundState.ANSWERED, 3, 1, 1)


def test_a_failure_of_our_own_hands_the_text_back(alice: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(reply: str) -> str:
        raise ZeroDivisionError("with +15550001111 in it")

    monkeypatch.setattr(turn, "sendable_text", fail)
    text = alice.texts("hi")
    assert outcome(text) == (InboundState.RECEIVED, Reason.CRASHED)
    assert text.detail.endswith("(ZeroDivisionError)")
    assert text.next_attempt_at is not None


def test_the_disabled_policy_answers_nobody(alice: Phone) -> None:
    SmsAccount.objects.update(dm_policy="disabled")
    accounts.forget()
    assert outcome(alice.texts("hi")) == (InboundState.REFUSED, Reason.CHANNEL_DISABLED)


def test_earlier_turns_are_sent_to_agents_that_keep_none(alice: Phone) -> None:
    alice.texts("one")
    alice.texts("two")
    last = alice.texts("three")
    earlier = history.before(last, turns=1)
    assert [(spoken.role.value, spoken.text) for spoken in earlier] == [("user", "two"), ("agent", "You said two")]
    assert len(history.before(last, turns=9)) == 4
    assert history.before(last, turns=0) == ()


def test_a_text_that_a_worker_has_cannot_be_taken_from_it(alice: Phone) -> None:
    text = alice.texts("hi")
    InboundMessage.objects.filter(pk=text.pk).update(state=InboundState.PROCESSING)
    text.refresh_from_db()
    with pytest.raises(AlreadyDecided):
        decisions.answer_now(text, actor=ANNA, now=timezone.now())
    assert not AuditEvent.objects.exists()


class TestAfterTheAgentHasAnswered:
    """It may have acted on the text, so trouble of our own must not make it act again."""

    @pytest.fixture(autouse=True)
    def without_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(turn, "WRITE_PAUSES", [timedelta(0)] * 3)

    def test_a_database_that_is_away_for_a_moment_costs_nothing(
        self, alice: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, failures = outbox.write, [OperationalError("gone"), OperationalError("gone")]

        def fail_twice(*words: Any, **options: Any) -> OutboundMessage:
            if failures:
                raise failures.pop()
            return write(*words, **options)

        monkeypatch.setattr(outbox, "write", fail_twice)
        assert outcome(alice.texts("hi")) == (InboundState.ANSWERED, Reason.NONE)
        assert len(agents.asked) == 1
        assert alice.heard() == ["You said hi"]

    def test_a_reply_that_is_a_book_is_parked_with_an_apology(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append("word " * 10_000)
        assert outcome(alice.texts("hi")) == (InboundState.PARKED, Reason.REPLY_TOO_LONG)
        assert [message.kind for message in OutboundMessage.objects.all()] == [OutboundKind.APOLOGY]
        assert len(twilio.messages_to(cast.ALICE)) == 1


def test_an_approval_in_the_very_moment_of_the_challenge_wins(bob: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = pairing.lock

    def approved_just_before(account_pk: int) -> None:
        AllowedSender.objects.create(account_id=account_pk, number=cast.BOB, source=SenderSource.PAIRING)
        monkeypatch.setattr(pairing, "lock", lock)
        lock(account_pk)

    monkeypatch.setattr(pairing, "lock", approved_just_before)
    assert outcome(bob.texts("hello")) == (InboundState.ANSWERED, Reason.NONE)
    assert not PairingRequest.objects.exists()


def test_a_held_text_that_is_looked_at_again_draws_the_new_code(bob: Phone) -> None:
    text = bob.texts("hello")
    PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    text.refresh_from_db()
    decisions.answer_now(text, actor=ANNA, now=timezone.now())
    work()
    assert outcome(text) == (InboundState.HELD, Reason.AWAITING_APPROVAL)
    assert len(set(bob.heard())) == 2
