"""The queue: hints that somebody should look at a conversation. Rows are the truth; a hint may be lost or doubled.

Three engines, chosen by SMS_QUEUE_URL: `sqlite:///file` (no service), `redis://…`, `postgres://…`. A job carries row
ids and nothing else, so that no number and no text passes through the queue.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections
from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.storage import RedisStorage
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from openclaw_sms.messaging.lease import Lane

logger = logging.getLogger(__name__)

# A hint is given while Twilio waits for its 200, and the text is on the disk: a server that stalls is not waited for.
HINT_PATIENCE = timedelta(milliseconds=300)
# Nor is it asked again at once, or each request would wait as long: the sweep makes up for the hints not given.
AWAY_FOR = timedelta(seconds=1)
CONNECT_TIMEOUT = timedelta(seconds=5)


class _RedisStorage(RedisStorage):  # type: ignore[misc]  # huey has no types
    """Gives hints on connections of their own, with little patience; the threads that wait for hints need more."""

    def __init__(self, name: str, *, url: str, **options: Any) -> None:
        super().__init__(name, url=url, **options)
        patience = HINT_PATIENCE.total_seconds()
        self._hints = Redis.from_url(
            url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0)
        )

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        self._hints.lpush(self.queue_key, data)


class _RedisHuey(RedisHuey):  # type: ignore[misc]
    storage_class = _RedisStorage


def engine(url: str, name: str) -> Huey:
    """The queue called `name` behind `url`. Raises `ImproperlyConfigured`, which never shows the URL."""
    try:
        return _engine(url, name)
    except ValueError:
        raise ImproperlyConfigured("SMS_QUEUE_URL cannot be read: percent-encode its password.") from None


def refuse_unreachable() -> None:
    """Raises `ImproperlyConfigured` when the queue cannot be reached now."""
    try:
        turns.pending_count()
    except Exception as error:
        raise ImproperlyConfigured(
            f"The queue cannot be reached ({type(error).__name__}): start its server, or correct SMS_QUEUE_URL."
        ) from None


def _engine(url: str, name: str) -> Huey:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        filename = url.removeprefix("sqlite:///")
        return SqliteHuey(name, filename=filename, timeout=20, results=False, immediate=False)
    if scheme in ("redis", "rediss", "unix"):
        return _RedisHuey(name, url=url, results=False, immediate=False)
    if scheme in ("postgres", "postgresql"):
        limit = int(CONNECT_TIMEOUT.total_seconds())
        return PostgresHuey(name, dsn=url, connect_timeout=limit, results=False, immediate=False)
    raise ImproperlyConfigured("SMS_QUEUE_URL must begin with sqlite:///, redis:// or postgres://.")


# Two, so that agents that think for minutes never keep a finished reply, or a person's own message, from going out.
turns = engine(settings.SMS_QUEUE_URL, "openclaw-sms-turns")
sends = engine(settings.SMS_QUEUE_URL, "openclaw-sms-sends")


def _look_at_inbound(inbound_id: int) -> None:
    from openclaw_sms.messaging import worker

    close_old_connections()
    worker.answer(inbound_id)


def _look_at_outbox(conversation_id: int) -> None:
    from openclaw_sms.messaging import worker

    close_old_connections()
    worker.send(conversation_id)


look_at_inbound: Callable[[int], object] = turns.task(name="look_at_inbound")(_look_at_inbound)
look_at_outbox: Callable[[int], object] = sends.task(name="look_at_outbox")(_look_at_outbox)


def wake_inbound(inbound_id: int) -> bool:
    """Hint that the text in row `inbound_id` waits. Never raises; False when the queue did not take the hint.

    The sweep finds what a lost hint left.
    """
    return _hint(look_at_inbound, inbound_id)


def wake_outbox(conversation_id: int) -> bool:
    """Hint that parts of the conversation wait to be sent. As `wake_inbound`."""
    return _hint(look_at_outbox, conversation_id)


def pending(lane: Lane) -> int:
    """How many hints of the lane nobody has taken yet. Raises what the engine raises while it cannot be reached."""
    hints = turns if lane is Lane.TURN else sends
    return int(hints.pending_count())


_away_until = 0.0


def _hint(task: Callable[[int], object], row_id: int) -> bool:
    global _away_until
    if time.monotonic() < _away_until:
        return False
    try:
        task(row_id)
    except Exception as error:
        _away_until = time.monotonic() + AWAY_FOR.total_seconds()
        logger.warning("queue.hint_lost row=%s error=%s", row_id, type(error).__name__)
        return False
    return True
