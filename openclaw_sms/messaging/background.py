"""Small work that must cost no request anything: a thread that does it every few seconds, while there is some."""

import atexit
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)


class Background:
    """Calls `work` every `every`, from the first `wake` on until `work` says that nothing is left, and at exit.

    `work` returns whether there may be more to do. What it raises is logged by its type, and tried again. While
    SMS_BACKGROUND is off, which only tests do, nothing runs by itself.
    """

    def __init__(self, name: str, work: Callable[[], bool], every: timedelta) -> None:
        self._name = name
        self._work = work
        self._every = every
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._registered = False

    def wake(self) -> None:
        """There is something to do. Cheap, and safe after a fork."""
        if not settings.SMS_BACKGROUND or (self._thread is not None and self._thread.is_alive()):
            return
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            if not self._registered:
                atexit.register(self._once)
                self._registered = True
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._every.total_seconds())
            if not self._once():
                break
        with self._lock:
            self._thread = None
        self._once()  # what came between the last look and here

    def _once(self) -> bool:
        try:
            close_old_connections()
            return self._work()
        except Exception as error:
            logger.warning("background.failed work=%s error=%s", self._name, type(error).__name__)
            return True
        finally:
            connection.close()
