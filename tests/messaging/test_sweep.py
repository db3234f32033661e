"""The sweep gives hints for what nobody works on, and for nothing else."""

import functools
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.messaging import lease, outbox, queue, worker
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.messaging.slots import Slots
from openclaw_sms.messaging.worker import HINT_AGAIN_AFTER, SWEEP_EVERY, Sweep
from openclaw_sms.models import Conversation, InboundMessage, InboundState, OutboundKind, OutboundPart
from tests.support import cast
from tests.support.phone import Phone

pytestmark = pytest.mark.django_db


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    given: list[tuple[str, int]] = []

    def note(lane: str, pk: int) -> bool:
        given.append((lane, pk))
        return True

    monkeypatch.setattr(queue, "wake_inbound", functools.partial(note, "turn"))
    monkeypatch.setattr(queue, "wake_outbox", functools.partial(note, "send"))
    return given


@pytest.fixture
def conversation(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


def waiting(conversation: Conversation, **values: object) -> InboundMessage:
    return InboundMessage.objects.create(
        account_id=conversation.account_id,
        sender=conversation.sender,
        sid=f"SM{InboundMessage.objects.count()}",
        form=b"",
        received_at=timezone.now(),
        **values,
    )


def sweep_once() -> int:
    return Sweep().once(timezone.now())


def test_the_oldest_text_of_a_sender_is_hinted_once(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    oldest = waiting(conversation)
    waiting(conversation)
    assert sweep_once() == 1
    assert hints == [("turn", oldest.pk)]


def test_a_text_that_a_dead_worker_left_is_found(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    text = waiting(conversation, state=InboundState.PROCESSING)
    sweep_once()
    assert hints == [("turn", text.pk)]


def test_a_sender_somebody_works_on_is_left_alone(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    waiting(conversation)
    assert lease.take(conversation.pk, Lane.TURN, timezone.now()) is not None
    assert sweep_once() == 0
    assert hints == []


def test_a_back_off_is_waited_for_and_then_ended(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    now = timezone.now()
    text = waiting(conversation, next_attempt_at=now + timedelta(seconds=30))
    sweep = Sweep()
    assert sweep.once(now) == 0
    assert sweep.once(now + timedelta(seconds=31)) == 1
    assert hints == [("turn", text.pk)]


def test_a_later_text_does_not_pass_one_that_backs_off(
    conversation: Conversation, hints: list[tuple[str, int]]
) -> None:
    waiting(conversation, next_attempt_at=timezone.now() + timedelta(seconds=30))
    waiting(conversation)
    assert sweep_once() == 0


def test_a_finished_text_needs_no_hint(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    waiting(conversation, state=InboundState.HELD)
    assert sweep_once() == 0


def test_unsent_parts_are_found(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    outbox.write(conversation, "a b c", kind=OutboundKind.MESSAGE, author="cli:anna", limit=2, now=timezone.now())
    assert sweep_once() == 1
    assert hints == [("send", conversation.pk)]
    assert lease.take(conversation.pk, Lane.SEND, timezone.now()) is not None
    assert sweep_once() == 0


def test_a_part_that_is_due_again_is_hinted_again_at_once(
    conversation: Conversation, hints: list[tuple[str, int]]
) -> None:
    outbox.write(conversation, "a", kind=OutboundKind.MESSAGE, author="cli:anna", limit=9, now=timezone.now())
    sweep, now = Sweep(), timezone.now()
    assert [sweep.once(now), sweep.once(now)] == [1, 0]
    OutboundPart.objects.update(next_attempt_at=now + timedelta(seconds=1))
    assert sweep.once(now + timedelta(seconds=2)) == 1


def test_a_hint_that_led_nowhere_is_given_again(
    conversation: Conversation, hints: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(conversation)
    sweep = Sweep()
    sweep.once(timezone.now())
    later = time.monotonic() + HINT_AGAIN_AFTER.total_seconds() + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert sweep.once(timezone.now()) == 1


@pytest.mark.parametrize(("in_the_queue", "given"), [(0, 1), (1, 0)], ids=["flushed", "still-there"])
def test_a_hint_is_given_again_soon_only_once_the_queue_is_empty(
    conversation: Conversation,
    hints: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    in_the_queue: int,
    given: int,
) -> None:
    waiting(conversation)
    monkeypatch.setattr(queue, "pending", lambda lane: in_the_queue)
    sweep = Sweep()
    sweep.once(timezone.now())
    later = time.monotonic() + SWEEP_EVERY.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert sweep.once(timezone.now()) == given


def test_a_sender_who_waits_for_an_agent_needs_no_hint(
    conversation: Conversation, hints: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = waiting(conversation)
    slots = Slots(0)
    monkeypatch.setattr(worker, "slots", slots)
    assert slots.wait((conversation.account_id, conversation.sender), text.pk)
    assert sweep_once() == 0


def test_an_idle_gateway_asks_little(django_assert_max_num_queries: object) -> None:
    sweep = Sweep()
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        assert sweep.once(timezone.now()) == 0


def test_a_hint_the_queue_did_not_take_is_given_again_at_once(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(conversation)
    sweep = Sweep()
    monkeypatch.setattr(queue, "wake_inbound", lambda pk: False)
    assert sweep.once(timezone.now()) == 0
    monkeypatch.setattr(queue, "wake_inbound", lambda pk: True)
    assert sweep.once(timezone.now()) == 1


def test_a_part_behind_one_that_waits_is_not_due(conversation: Conversation, hints: list[tuple[str, int]]) -> None:
    outbox.write(conversation, "a b", kind=OutboundKind.MESSAGE, author="cli:anna", limit=2, now=timezone.now())
    OutboundPart.objects.filter(number=1).update(next_attempt_at=timezone.now() + timedelta(minutes=5))
    assert sweep_once() == 0
