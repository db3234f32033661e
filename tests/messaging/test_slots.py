"""Agents that think for minutes hold up nobody who needs none, and nobody for ever."""

import threading
from collections.abc import Callable, Iterator

import pytest

from openclaw_sms.agents.base import Question, Reply
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import worker
from openclaw_sms.messaging.slots import Slots
from openclaw_sms.models import AllowedSender, InboundMessage, InboundState, SenderSource
from tests.messaging import agents
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

CAROL = "+15550003333"


class TestSlots:
    def test_are_as_many_as_there_are(self) -> None:
        slots = Slots(1)
        first, second = slots.visit(), slots.visit()
        assert first.take()
        assert first.take()
        assert not second.take()
        first.give_back()
        first.give_back()
        assert second.take()

    def test_nobody_waits_while_one_is_free(self) -> None:
        slots = Slots(1)
        assert not slots.wait((1, "a"), 1)

    def test_are_passed_on_to_whoever_waited_longest(self) -> None:
        slots = Slots(1)
        slot = slots.visit()
        slot.take()
        assert slots.wait((1, "a"), 10)
        assert slots.wait((1, "b"), 20)
        assert slots.wait((1, "a"), 11)
        assert slots.must_wait((1, "a"))
        assert slot.must_be_passed_on()
        assert slot.next_waiting() == ((1, "a"), 10)
        assert not slot.must_be_passed_on()  # the one it was passed on to comes first
        slot.take()
        assert slot.must_be_passed_on()
        assert slot.next_waiting() == ((1, "b"), 20)
        assert slot.next_waiting() is None
        assert slots.visit().take()

    def test_that_are_free_are_for_all(self) -> None:
        slots = Slots(1)
        slot = slots.visit()
        slot.take()
        slots.wait((1, "a"), 10)
        slot.give_back()
        assert not slots.must_wait((1, "a"))


@pytest.fixture
def one_slot(monkeypatch: pytest.MonkeyPatch) -> Slots:
    slots = Slots(1)
    monkeypatch.setattr(worker, "slots", slots)
    return slots


@pytest.fixture
def carol(account: Account) -> Phone:
    AllowedSender.objects.create(account_id=account.pk, number=CAROL, source=SenderSource.PAIRING)
    return Phone(CAROL, account)


@pytest.mark.django_db(transaction=True)
class TestAllAgentsThink:
    @pytest.fixture
    def taken(self, one_slot: Slots) -> Iterator[Callable[[], None]]:
        """The only slot is in use until the test frees it."""
        slot = one_slot.visit()
        assert slot.take()
        yield slot.give_back
        slot.give_back()

    def test_and_a_stranger_still_gets_a_code(
        self, bob: Phone, twilio: PretendTwilio, taken: Callable[[], None]
    ) -> None:
        text = bob.texts("hello")
        assert text.state == InboundState.HELD
        assert len(bob.heard()) == 1

    def test_and_an_approved_text_waits_uncounted(self, alice: Phone, taken: Callable[[], None]) -> None:
        text = alice.texts("hi")
        assert (text.state, text.attempts, text.failures, text.crashes) == (InboundState.RECEIVED, 0, 0, 0)
        assert agents.asked == []
        taken()
        worker.answer(text.pk)
        text.refresh_from_db()
        assert (text.state, text.attempts) == (InboundState.ANSWERED, 1)

    def test_and_looking_again_costs_one_question(
        self, alice: Phone, taken: Callable[[], None], django_assert_num_queries: Callable[[int], object]
    ) -> None:
        text = alice.texts("hi")
        with django_assert_num_queries(1):  # type: ignore[attr-defined]
            worker.answer(text.pk)


@pytest.mark.django_db(transaction=True)
def test_a_slot_goes_round_among_senders(
    alice: Phone, carol: Phone, one_slot: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice has three texts, Carol one: Carol is next after Alice's first."""
    for words in ("one", "two", "three"):
        alice.posts(words)
    carol.posts("mine")
    first, last = InboundMessage.objects.order_by("id").first(), InboundMessage.objects.order_by("id").last()
    assert first is not None
    assert last is not None
    scripted, began, go_on = agents.scripted, threading.Event(), threading.Event()

    def slowly(question: Question) -> str | Reply | None:
        began.set()
        go_on.wait(30)
        return scripted(question)

    monkeypatch.setattr(agents, "scripted", slowly)
    worker.agent.cache_clear()
    thread = threading.Thread(target=_in_a_thread, args=(first.pk,))
    thread.start()
    assert began.wait(30)
    worker.answer(last.pk)  # no slot is free: she waits
    go_on.set()
    thread.join(30)
    assert [question.text for question in agents.asked] == ["one", "mine", "two", "three"]


def _in_a_thread(pk: int) -> None:
    from django.db import connection

    worker.answer(pk)
    connection.close()


@pytest.mark.django_db(transaction=True)
class TestStopping:
    def test_hands_back_the_turn_that_does_not_end(self, alice: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
        """The agent answers after we gave the lane up: nothing is written, and the next worker takes it over."""
        began, go_on = threading.Event(), threading.Event()

        def slowly(question: object) -> str:
            began.set()
            go_on.wait(30)
            return "too late"

        scripted = agents.scripted
        monkeypatch.setattr(agents, "scripted", slowly)
        worker.agent.cache_clear()
        alice.posts("hi")
        text = InboundMessage.objects.get()
        thread = threading.Thread(target=_in_a_thread, args=(text.pk,))
        thread.start()
        assert began.wait(30)
        worker._hand_back_turns()
        text.refresh_from_db()
        assert (text.state, text.attempts, text.crashes) == (InboundState.RECEIVED, 1, 0)
        go_on.set()
        thread.join(30)
        text.refresh_from_db()
        assert text.state == InboundState.RECEIVED
        assert alice.heard() == []
        monkeypatch.setattr(agents, "scripted", scripted)
        worker.agent.cache_clear()
        worker.answer(text.pk)
        text.refresh_from_db()
        assert text.state == InboundState.ANSWERED
        assert agents.asked[0].attempt == 2
