"""The MessageSid that log lines carry while a text is worked on, from the webhook to the delivery.

Whoever works on a text says so with `following`; every line written meanwhile, by whatever module, then names the
text. `sid=` of a line is the text the line is about, `in_reply_to=` the one that it all began with.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from openclaw_sms.twilio.payloads import SID

_text: ContextVar[str] = ContextVar("text", default="")


@contextmanager
def following(sid: str | None) -> Iterator[None]:
    """Lines in this block belong to the received text `sid`; "" and None are nobody's."""
    token = _text.set(sid if sid and SID.fullmatch(sid) else "")
    try:
        yield
    finally:
        _text.reset(token)


class Trail(logging.Filter):
    """Gives each record the sid it belongs to, as `in_reply_to`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.in_reply_to = _text.get()
        return True
