"""The queue: hints that somebody should look at a conversation. Rows are the truth; a hint may be lost or doubled.

Three engines, chosen by SMS_QUEUE_URL: `sqlite:///file` (no service), `redis://…`, `postgres://…`. A job carries row
ids and nothing else, so that no number and no text passes through the queue.
"""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections
from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey

logger = logging.getLogger(__name__)

NAME = "openclaw-sms"


def engine(url: str) -> Huey:
    """The queue behind `url`. Raises `ImproperlyConfigured` for a scheme it does not know."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        filename = url.removeprefix("sqlite:///")
        return SqliteHuey(NAME, filename=filename, timeout=20, results=False, immediate=False)
    if scheme in ("redis", "rediss", "unix"):
        return RedisHuey(NAME, url=url, results=False, immediate=False)
    if scheme in ("postgres", "postgresql"):
        return PostgresHuey(NAME, dsn=url, results=False, immediate=False)
    raise ImproperlyConfigured("SMS_QUEUE_URL must begin with sqlite:///, redis:// or postgres://.")


huey = engine(settings.SMS_QUEUE_URL)


def _look_at_inbound(inbound_id: int) -> None:
    from openclaw_sms.messaging import worker

    close_old_connections()
    worker.answer(inbound_id)


def _look_at_outbox(conversation_id: int) -> None:
    from openclaw_sms.messaging import worker

    close_old_connections()
    worker.send(conversation_id)


look_at_inbound: Callable[[int], object] = huey.task(name="look_at_inbound")(_look_at_inbound)
look_at_outbox: Callable[[int], object] = huey.task(name="look_at_outbox")(_look_at_outbox)


def wake_inbound(inbound_id: int) -> None:
    """Hint that the text in row `inbound_id` waits. Never raises: the sweep finds what a lost hint left."""
    _hint(look_at_inbound, inbound_id)


def wake_outbox(conversation_id: int) -> None:
    """Hint that parts of the conversation wait to be sent. Never raises."""
    _hint(look_at_outbox, conversation_id)


def _hint(task: Callable[[int], object], row_id: int) -> None:
    try:
        task(row_id)
    except Exception as error:
        logger.warning("queue.hint_lost row=%s error=%s", row_id, type(error).__name__)
