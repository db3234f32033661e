"""Hints: given without waiting for a server that stalls."""

import time
from datetime import timedelta

import pytest

from openclaw_sms.messaging import queue


class Stalled:
    """A queue that takes nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, row_id: int) -> None:
        self.asked += 1
        raise ConnectionError


def test_a_server_that_stalls_is_asked_once_and_then_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Stalled()
    monkeypatch.setattr(queue, "look_at_inbound", stalled)
    assert [queue.wake_inbound(1) for _ in range(5)] == [False] * 5
    assert stalled.asked == 1
    later = time.monotonic() + queue.AWAY_FOR.total_seconds() + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not queue.wake_inbound(1)
    assert stalled.asked == 2


def test_hints_to_redis_have_little_patience_and_the_threads_that_wait_for_them_more() -> None:
    storage = queue.engine("redis://127.0.0.1:6379/0", "test").storage
    patience = storage._hints.connection_pool.connection_kwargs["socket_timeout"]
    assert timedelta(seconds=patience) == queue.HINT_PATIENCE < timedelta(seconds=storage.read_timeout)
