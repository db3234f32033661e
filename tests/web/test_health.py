"""/healthz, /readyz and /metrics."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import counters
from openclaw_sms.models import Counter, InboundMessage
from tests.diagnostics.conftest import *  # noqa: F403 - its fixtures
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db
Dial = Callable[[str], Phone]


def metrics(**headers: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values."""
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name.removeprefix("openclaw_sms_"), *map(str, sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


class TestReady:
    def test_yes(self, account: Account, worker_lives: None) -> None:
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "ready": True,
                "checks": {"database": "ok", "migrations": "ok", "worker": "ok", "queue": "ok"},
                "reasons": [],
            },
        )

    def test_not_without_a_worker(self, account: Account) -> None:
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["worker"]) == (503, "failed")
        (reason,) = answer.json()["reasons"]
        assert (reason["code"], reason["help"]) == ("worker-missing", "docs/troubleshooting.md#worker-missing")

    def test_not_while_texts_wait_too_long(self, account: Account, worker_lives: None) -> None:
        old = timezone.now() - timedelta(minutes=5)
        InboundMessage.objects.create(account_id=account.pk, sid="SM1", sender=cast.BOB, form=b"", received_at=old)
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["reasons"][0]["code"]) == (503, "texts-wait")

    def test_a_text_that_waits_for_its_next_try_is_no_reason(self, account: Account, worker_lives: None) -> None:
        now = timezone.now()
        InboundMessage.objects.create(
            account_id=account.pk,
            sid="SM1",
            sender=cast.BOB,
            form=b"",
            received_at=now - timedelta(minutes=5),
            next_attempt_at=now + timedelta(minutes=1),
        )
        assert Client().get("/readyz").status_code == 200

    def test_not_without_a_database(self, worker_lives: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> Any:
            raise OSError

        monkeypatch.setattr("openclaw_sms.diagnostics.machine.connection.cursor", away)
        answer = Client().get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (503, {"database": "failed"})


class TestMetrics:
    def test_tell_what_happened(self, phone: Dial, twilio: PretendTwilio) -> None:
        bob = phone(cast.BOB)
        bob.texts("hello", MessageSid="SM1")
        bob.posts("hello", MessageSid="SM1")
        bob.posts("hello", token="forged")
        bob.posts("hello", MessageSid="")
        found = metrics()
        expected = {
            ("texts_accepted_total", "default"): 1,
            ("texts_repeated_total", "default"): 1,
            ("posts_refused_total", "default", "signature"): 1,
            ("posts_refused_total", "default", "no_message_sid"): 1,
            ("sends_total", "accepted"): 1,
        }
        assert {name: found.get(name) for name in expected} == expected

    def test_tell_how_turns_ended_and_how_long_the_agent_took(
        self, account: Account, twilio: PretendTwilio, phone: Dial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SMS_ALLOWED_USERS", cast.ALICE)
        with_capture_on_commit(lambda: phone(cast.ALICE).texts("hello"))
        found = metrics()
        assert found["turns_total", "answered", ""] == 1
        assert found["agent_seconds_count",] == 1
        assert found["agent_seconds_bucket", "600"] == found["agent_seconds_bucket", "+Inf"] == 1

    def test_tell_what_is(self, account: Account, twilio: PretendTwilio, phone: Dial, worker_lives: None) -> None:
        twilio.fails_next(Refusal(400, 21610))
        phone(cast.BOB).texts("hello")
        phone(cast.BOB).posts("and another")
        found = metrics()
        assert found["parts", "failed"] == 1
        assert found["parts", "queued"] == 0
        assert found["queue_depth", "texts"] == 1
        assert found["queue_oldest_seconds", "texts"] >= 0
        assert found["leases", "turn"] == 0
        assert found["dead_letters",] == 0
        assert found["workers",] == 1
        assert found["sends_total", "opted_out"] == 1

    def test_hold_no_number(self, phone: Dial, twilio: PretendTwilio) -> None:
        phone(cast.BOB).texts("hello")
        said = Client().get("/metrics").content.decode()
        assert cast.BOB[1:] not in said
        assert cast.OUR_NUMBER[1:] not in said

    def test_are_summed_over_processes(self, db: None) -> None:
        Counter.objects.create(name="texts_accepted", labels="account=default", value=41)
        counters.count(counters.TEXTS_ACCEPTED, account="default")
        assert metrics()["texts_accepted_total", "default"] == 42

    def test_scrapes_read_rows_by_index_and_never_a_whole_table(
        self, account: Account, django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(12):
            metrics()

    @pytest.mark.parametrize(
        ("given", "status"),
        [("", 401), ("Bearer wrong", 401), ("Basic the-token", 401), ("Bearer the-token", 200), ("Bearer é", 401)],
    )
    def test_are_for_those_who_know_the_token(self, given: str, status: int, db: None, settings: Settings) -> None:
        settings.SMS_METRICS_TOKEN = "the-token"
        headers = {"Authorization": given.encode().decode("latin-1")} if given else {}
        assert Client().get("/metrics", headers=headers).status_code == status


def with_capture_on_commit(act: Callable[[], object]) -> None:
    """Turns are counted when they are committed, which a test's transaction never is by itself."""
    from django.test import TestCase

    with TestCase.captureOnCommitCallbacks(execute=True):
        act()
