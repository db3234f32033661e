"""A thread that reads the accounts where nobody asks for them, so that a change is told when it takes effect."""

import threading

from django.db import close_old_connections

from openclaw_sms.config import accounts


def start() -> threading.Thread:
    """Begin, for as long as the process lives. `accounts.current()` must have succeeded once."""
    thread = threading.Thread(target=_run, name="accounts", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    rest = threading.Event()
    while not rest.wait(accounts.FRESH_FOR.total_seconds()):
        close_old_connections()
        accounts.current()
