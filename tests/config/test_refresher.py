"""The thread that keeps referenced secrets fresh, whatever comes in or does not."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from openclaw_sms.config import accounts, providers, refresher
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef, Source

REF = SecretRef(Source.ENV, "default", "MY_TOKEN")


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Started where the database is still away, which must not end it."""

    def away() -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(accounts, "load", away)
    monkeypatch.setattr(providers, "stored", dict)
    refresher.start()
    yield
    refresher.stop()


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def known() -> str:
    try:
        return resolver.peek(REF)
    except SecretUnavailable as error:
        return str(error)


def test_it_looks_up_what_was_only_peeked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not been looked up yet" in known()
    assert soon(lambda: "is not set" in known())
    monkeypatch.setenv("MY_TOKEN", "now it is")
    resolver._entries[REF].due_at = 0.0
    assert soon(lambda: known() == "now it is")


def test_it_survives_what_it_did_not_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def breaks() -> None:
        calls.append(1)
        raise RuntimeError("unexpected")

    monkeypatch.setattr(resolver, "refresh_due", breaks)
    assert soon(lambda: len(calls) >= 2)


def test_it_is_one_thread_however_often_it_is_started() -> None:
    thread = refresher._refresher._thread
    refresher.start()
    assert refresher._refresher._thread is thread


def test_it_starts_again_in_a_forked_child() -> None:
    child = os.fork()
    if child == 0:
        thread = refresher._refresher._thread
        os._exit(0 if thread is not None and thread.is_alive() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
