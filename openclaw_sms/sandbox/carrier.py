"""The pretend carrier: texts to phones are sent and delivered within a second, and Twilio's callbacks say so.

The store is the truth, the thread only looks at it: a text that a stopped gateway left behind goes on with the next
one, and of two gateways on one store each step is done by one.
"""

import functools
import logging
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

from openclaw_sms.sandbox import state, store
from openclaw_sms.sandbox.posting import fetch, is_on_this_machine, post_signed
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import MediaState, Status, Store, Text

logger = logging.getLogger(__name__)

API_VERSION = "2010-04-01"
# Slow enough to watch the ticks, quick enough for "within a second".
_STEPS = {
    Status.QUEUED: (Status.SENT, timedelta(milliseconds=250)),
    Status.SENT: (Status.DELIVERED, timedelta(milliseconds=700)),
}
_LOOK_EVERY = timedelta(milliseconds=50)
_LOOK_AGAIN_AFTER_TROUBLE = timedelta(seconds=5)


class Carrier:
    def __init__(self, texts: Store, sandbox: Sandbox) -> None:
        self._texts = texts
        self._sandbox = sandbox
        self._work = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There may be something to carry. Returns at once."""
        self._work.set()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sandbox-carrier", daemon=True)
                self._thread.start()

    def carry(self, now: datetime) -> bool:
        """Move every text whose time has come one step. False when there is nothing left to move."""
        moving = self._texts.moving()
        for text in moving:
            status, after = _STEPS[text.status]
            if now >= text.created + after:
                if text.status == Status.QUEUED:
                    self._load_files(text)
                self._move(text, status, now)
        return bool(moving)

    def _load_files(self, text: Text) -> None:
        """Fetch what goes with a text from where the product serves it; nothing is asked of another machine."""
        for media in self._texts.media_of([text.sid]).get(text.sid, ()):
            if media.state != MediaState.AWAITED:
                continue
            found = fetch(media.source) if is_on_this_machine(media.source) else None
            if found is None:
                logger.warning("sandbox.media_missing sid=%s", text.sid)
            content_type, data = found or ("", None)
            self._texts.settle(media, content_type=content_type, data=data)

    def _move(self, text: Text, status: str, now: datetime) -> None:
        moved = self._texts.move(text, status, sent=now)
        if moved is None or not is_on_this_machine(moved.status_callback):
            return
        answer = post_signed(moved.status_callback, self._report(moved), auth_token=self._sandbox.auth_token)
        if answer is None or answer >= 300:
            logger.warning("sandbox.callback_refused sid=%s status=%s answer=%s", text.sid, status, answer)

    def _report(self, text: Text) -> dict[str, str]:
        return {
            "ApiVersion": API_VERSION,
            "AccountSid": self._sandbox.account_sid,
            "MessageSid": text.sid,
            "SmsSid": text.sid,
            "MessageStatus": text.status,
            "SmsStatus": text.status,
            "To": text.recipient,
            "From": text.sender,
        }

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            self._carry_all()

    def _carry_all(self) -> None:
        try:
            while self.carry(datetime.now(UTC)):
                time.sleep(_LOOK_EVERY.total_seconds())
        except sqlite3.Error as error:
            logger.error("sandbox.store_trouble error=%s", type(error).__name__)
            time.sleep(_LOOK_AGAIN_AFTER_TROUBLE.total_seconds())
            self._work.set()


@functools.cache
def _carrier(texts: Store, sandbox: Sandbox) -> Carrier:
    return Carrier(texts, sandbox)


def wake() -> None:
    """Wake this process's carrier."""
    _carrier(store.current(), state.current()).wake()
