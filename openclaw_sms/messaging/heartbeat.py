"""Saying that this worker is alive, and asking whether any is."""

import socket
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from openclaw_sms.messaging import instance
from openclaw_sms.models import WorkerHeartbeat

# Often enough to notice within a minute, seldom enough to be nothing to a disk.
BEAT_EVERY = timedelta(seconds=10)
ALIVE_FOR = timedelta(seconds=45)
# Rows of the killed are of no use to anybody after that.
KEPT_FOR = timedelta(days=1)
# Where people start a gateway when they say nothing else.
USUAL_ADDRESS = "127.0.0.1:8000"

# Where this process serves web pages too; "" for a worker alone.
_served_at = ""


def serves(host: str, port: int) -> None:
    """This process is a gateway, at this address."""
    global _served_at
    _served_at = f"{host}:{port}"


def serving_address() -> str:
    """Where a gateway was last seen to serve, for commands that must name it."""
    rows = WorkerHeartbeat.objects.exclude(address="").order_by("-seen_at")
    return rows.values_list("address", flat=True).first() or USUAL_ADDRESS


class Heartbeat:
    """This process's row. `beat` is for the sweep, which calls it far more often than it needs to write."""

    def __init__(self) -> None:
        self._next = 0.0
        self._started_at: datetime | None = None

    def beat(self, now: datetime) -> None:
        if time.monotonic() < self._next:
            return
        self._started_at = self._started_at or now
        WorkerHeartbeat.objects.update_or_create(
            instance=instance.current().id,
            defaults={
                "host": socket.gethostname()[:100],
                "address": _served_at,
                "threads": settings.SMS_WORKER_THREADS,
                "started_at": self._started_at,
                "seen_at": now,
            },
        )
        WorkerHeartbeat.objects.filter(seen_at__lt=now - KEPT_FOR).delete()
        self._next = time.monotonic() + BEAT_EVERY.total_seconds()

    def end(self) -> None:
        """The worker stops in good order: nobody need wait for its silence."""
        WorkerHeartbeat.objects.filter(instance=instance.current().id).delete()


def alive(now: datetime) -> QuerySet[WorkerHeartbeat]:
    return WorkerHeartbeat.objects.filter(seen_at__gte=now - ALIVE_FOR)


def last_seen() -> datetime | None:
    """When any worker, dead or alive, last said something."""
    return WorkerHeartbeat.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()
