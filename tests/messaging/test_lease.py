"""One worker at a time, and a fence against the one that comes too late."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import instance, lease
from openclaw_sms.messaging.lease import Lane, LeaseLost
from openclaw_sms.models import Conversation
from tests.support.cast import ALICE

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LAPSED = NOW + lease.LENGTH + timedelta(seconds=1)


@pytest.fixture
def conversation(account: Account) -> Conversation:
    return Conversation.objects.create(account_id=account.pk, sender=ALICE)


def test_is_held_by_one(conversation: Conversation) -> None:
    assert lease.take(conversation.pk, Lane.TURN, NOW) is not None
    assert lease.take(conversation.pk, Lane.TURN, NOW) is None


def test_lanes_do_not_wait_for_each_other(conversation: Conversation) -> None:
    assert lease.take(conversation.pk, Lane.TURN, NOW) is not None
    assert lease.take(conversation.pk, Lane.SEND, NOW) is not None


def test_is_free_after_release_and_after_it_lapsed(conversation: Conversation) -> None:
    first = lease.take(conversation.pk, Lane.TURN, NOW)
    assert first is not None
    first.release()
    assert lease.take(conversation.pk, Lane.TURN, NOW) is not None
    assert lease.take(conversation.pk, Lane.TURN, LAPSED) is not None


def test_renewing_keeps_it(conversation: Conversation) -> None:
    first = lease.take(conversation.pk, Lane.TURN, NOW)
    assert first is not None
    assert first.renew(NOW + lease.LENGTH)
    assert lease.take(conversation.pk, Lane.TURN, LAPSED) is None


def test_a_worker_that_stalled_cannot_write(conversation: Conversation) -> None:
    stalled = lease.take(conversation.pk, Lane.TURN, NOW)
    successor = lease.take(conversation.pk, Lane.TURN, LAPSED)
    assert stalled is not None
    assert successor is not None
    assert not stalled.renew(LAPSED)
    with pytest.raises(LeaseLost), transaction.atomic():
        stalled.confirm(LAPSED)
    stalled.release()
    with transaction.atomic():
        successor.confirm(LAPSED)


@pytest.mark.django_db(transaction=True)
def test_the_fence_stands_only_inside_a_transaction(conversation: Conversation) -> None:
    mine = lease.take(conversation.pk, Lane.TURN, NOW)
    assert mine is not None
    with pytest.raises(RuntimeError, match="inside the transaction"):
        mine.confirm(NOW)


def test_the_block_lets_go_whatever_happens(conversation: Conversation) -> None:
    with pytest.raises(ZeroDivisionError), lease.held(conversation.pk, Lane.TURN):
        raise ZeroDivisionError
    conversation.refresh_from_db()
    assert conversation.turn_lease == ""


def test_a_lease_the_database_did_not_let_go_of_is_released_by_the_sweep(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = lease.Lease.release

    def fail(self: lease.Lease) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("openclaw_sms.messaging.lease.connection.close", lambda: None)
    with lease.held(conversation.pk, Lane.TURN):
        monkeypatch.setattr(lease.Lease, "release", fail)
    assert lease.take(conversation.pk, Lane.TURN, timezone.now()) is None
    monkeypatch.setattr(lease.Lease, "release", release)
    assert lease.release_left_behind() == 1
    assert lease.release_left_behind() == 0
    assert lease.take(conversation.pk, Lane.TURN, timezone.now()) is not None


def test_a_dead_process_of_this_machine_loses_its_leases_at_once(conversation: Conversation) -> None:
    """A real process takes an identity and is killed; its lease is free before it lapses."""
    dead = _identity_of_a_killed_process()
    Conversation.objects.filter(pk=conversation.pk).update(
        turn_lease=f"{dead}/1", turn_lease_until=timezone.now() + lease.LENGTH
    )
    assert lease.take(conversation.pk, Lane.TURN, timezone.now()) is None
    assert lease.release_left_behind() == 1
    assert lease.take(conversation.pk, Lane.TURN, timezone.now()) is not None


def test_the_living_keep_theirs(conversation: Conversation) -> None:
    assert lease.take(conversation.pk, Lane.TURN, NOW) is not None
    assert lease.release_left_behind() == 0
    assert instance.current().id not in set(instance.take_dead())


def _identity_of_a_killed_process() -> str:
    program = (
        "import django, os, signal; django.setup();"
        "from openclaw_sms.messaging import instance;"
        "print(instance.current().id, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SMS_DATA_DIR": str(settings.DATA_DIR),
        },
        cwd=Path(settings.BASE_DIR),
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9
    return killed.stdout.strip()
