"""Wakes conversations at the moment their next part is due. The sweep is for what was forgotten; it is too coarse for
a pace of one text a second.
"""

import heapq
import threading
import time
from datetime import datetime

from django.utils import timezone

from openclaw_sms.messaging import queue

# Farther ahead the sweep is precise enough, and nothing needs to be remembered.
HORIZON = 120.0


class Alarm:
    """One thread a process. What it had in mind when the process dies is in the rows, and found by the sweep."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int]] = []
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._due.clear()
            self._changed.notify()

    def set(self, conversation_id: int, at: datetime) -> None:
        """Wake the conversation at `at`. Without a running alarm, and far ahead, that is left to the sweep."""
        seconds = (at - timezone.now()).total_seconds()
        with self._changed:
            if self._thread is None or self._stopping or seconds > HORIZON:
                return
            heapq.heappush(self._due, (time.monotonic() + max(seconds, 0.0), conversation_id))
            self._changed.notify()

    def _run(self) -> None:
        while (conversation_id := self._next()) is not None:
            queue.wake_outbox(conversation_id)

    def _next(self) -> int | None:
        """Wait for the next moment; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                if not self._due:
                    self._changed.wait()
                elif (seconds := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(seconds)
                else:
                    return heapq.heappop(self._due)[1]
        return None


alarm = Alarm()
