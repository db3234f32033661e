"""The thread that keeps referenced secrets fresh, so that no request has to look one up.

One a process. It looks up what accounts refer to, when that has gone stale; how fast requests come makes no
difference to it.
"""

import logging
import os
import threading
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

from openclaw_sms.config import accounts
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.sources import ConfigurationError

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=1)


class _Refresher:
    def __init__(self) -> None:
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._ends.clear()
            self._thread = threading.Thread(target=self._run, name="secrets", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask it to end. A program that it waits for is not waited for."""
        self._ends.set()
        self._thread = None

    def restart_in_child(self) -> None:
        """Threads do not survive a fork; servers that load the application first fork afterwards."""
        if self._thread is not None:
            self._ends, self._thread = threading.Event(), None  # the parent's belong to the parent
            self.start()

    def _run(self) -> None:
        ends = self._ends
        self._learn_references()
        while not ends.wait(LOOK_EVERY.total_seconds()):
            close_old_connections()
            try:
                resolver.refresh_due()
            except Exception as error:
                logger.warning("secrets.not_refreshed error=%s", type(error).__name__)
        connection.close()

    def _learn_references(self) -> None:
        try:
            accounts.load()
        except (DatabaseFailure, ConfigurationError, ImproperlyConfigured) as error:
            # The first request says so again, to whoever sent it; here nobody waits for an answer.
            logger.warning("secrets.not_refreshed error=%s", type(error).__name__)


_refresher = _Refresher()
os.register_at_fork(after_in_child=_refresher.restart_in_child)
start = _refresher.start
stop = _refresher.stop
