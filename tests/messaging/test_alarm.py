"""Conversations are woken on time, not at the next sweep."""

import queue as queues
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.messaging import queue
from openclaw_sms.messaging.alarm import Alarm

Woken = queues.SimpleQueue[int]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> Woken:
    given: Woken = queues.SimpleQueue()
    monkeypatch.setattr(queue, "wake_outbox", given.put)
    return given


@pytest.fixture
def alarm(woken: Woken) -> Iterator[Alarm]:
    running = Alarm()
    running.start()
    yield running
    running.stop()


def test_the_earliest_is_woken_first(alarm: Alarm, woken: Woken) -> None:
    now = timezone.now()
    alarm.set(1, now + timedelta(milliseconds=300))
    alarm.set(2, now + timedelta(milliseconds=100))
    assert [woken.get(timeout=10) for _ in range(2)] == [2, 1]


def test_what_is_overdue_is_woken_at_once(alarm: Alarm, woken: Woken) -> None:
    alarm.set(3, timezone.now() - timedelta(seconds=5))
    assert woken.get(timeout=10) == 3


def test_what_is_far_ahead_is_left_to_the_sweep(alarm: Alarm) -> None:
    alarm.set(1, timezone.now() + timedelta(hours=1))
    assert alarm._due == []


def test_without_a_worker_nothing_is_remembered() -> None:
    idle = Alarm()
    idle.set(1, timezone.now())
    assert idle._due == []


def test_a_stopped_alarm_ends_its_thread_and_wakes_nobody(woken: Woken) -> None:
    stopped = Alarm()
    stopped.start()
    stopped.set(1, timezone.now() + timedelta(seconds=30))
    stopped.stop()
    assert stopped._thread is not None
    stopped._thread.join(10)
    assert not stopped._thread.is_alive()
    assert woken.empty()
