"""Chores take their turns; one that fails keeps no other from it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.messaging import housekeeping, retention
from openclaw_sms.models import InboundMessage
from tests.support.phone import Phone


@pytest.fixture(autouse=True)
def nothing_done_yet() -> Iterator[None]:
    housekeeping._next.clear()
    yield
    housekeeping._next.clear()


def chores(monkeypatch: pytest.MonkeyPatch, *given: Callable[[datetime], None]) -> None:
    monkeypatch.setattr(housekeeping, "CHORES", tuple((chore, timedelta(hours=1)) for chore in given))


def test_each_is_done_once_in_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[datetime] = []
    chores(monkeypatch, done.append)
    for _ in range(3):
        housekeeping.once(timezone.now())
    assert len(done) == 1


def test_a_failure_is_one_line_in_the_log_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[datetime] = []

    def broken(now: datetime) -> None:
        raise RuntimeError("with a number: +15550001111")

    chores(monkeypatch, broken, done.append)
    housekeeping.once(timezone.now())
    assert len(done) == 1
    assert "housekeeping.failed chore=broken error=RuntimeError" in caplog.text
    assert "1111" not in caplog.text


@pytest.mark.django_db
def test_all_are_silent_when_there_is_nothing(caplog: pytest.LogCaptureFixture) -> None:
    housekeeping.once(timezone.now())
    assert caplog.text == ""


@pytest.mark.django_db
def test_old_words_are_erased(alice: Phone, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_retention", retention.Housekeeping())
    settings.SMS_RETENTION_DAYS = 30
    text = alice.texts("hi")
    InboundMessage.objects.update(received_at=timezone.now() - timedelta(days=31))
    housekeeping.once(timezone.now())
    text.refresh_from_db()
    assert (text.body, bytes(text.form), text.erased_at is None) == ("", b"", False)
