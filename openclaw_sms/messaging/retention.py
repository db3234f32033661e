"""The worker's quiet housekeeping: what is older than SMS_RETENTION_DAYS loses its words, a batch at a time."""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings

from openclaw_sms.messaging import erasure

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)


def limit(now: datetime, days: int | None = None) -> datetime | None:
    """Texts from before this moment are to be erased; None: all are kept. `days` instead of the setting."""
    kept = settings.SMS_RETENTION_DAYS if days is None else days
    return now - timedelta(days=kept) if kept else None


class Housekeeping:
    """Called at every sweep; works once an hour, and again at the next sweep while a batch was full."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def once(self, now: datetime) -> None:
        before = limit(now)
        if before is None or time.monotonic() < self._next:
            return
        erased = erasure.older_than(before, now=now)
        if erased:
            logger.info("retention.erased received=%s sent=%s", erased.received, erased.sent)
        if max(erased.received, erased.sent) < erasure.BATCH:
            self._next = time.monotonic() + EVERY.total_seconds()
