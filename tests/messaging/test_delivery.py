"""Status reports in any order and any number end in the same state."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_sms.config import accounts
from openclaw_sms.messaging import delivery, outbox, worker
from openclaw_sms.models import Conversation, Delivery, DeliveryEvent, OutboundKind, OutboundPart, PartState
from openclaw_sms.twilio.payloads import StatusCallback
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

REPORTS = st.lists(st.sampled_from([state for state in Delivery if state is not Delivery.CONFLICTED]))


def end_of(reports: list[Delivery]) -> Delivery:
    state = Delivery.UNKNOWN
    for reported in reports:
        state = delivery.after(state, reported)
    return state


@given(REPORTS, st.randoms())
def test_order_and_repetition_do_not_matter(reports: list[Delivery], random: object) -> None:
    shuffled = [*reports, *reports[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert end_of(shuffled) == end_of(reports)


@given(REPORTS, REPORTS)
def test_an_ending_never_goes_back_to_a_beginning(before: list[Delivery], later: list[Delivery]) -> None:
    if end_of(before) in delivery.FINAL:
        assert end_of(before + later) not in delivery.RANK


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        (["sent", "delivered"], Delivery.DELIVERED),
        (["delivered", "sent"], Delivery.DELIVERED),
        (["delivered", "read"], Delivery.READ),
        (["read", "delivered"], Delivery.READ),
        (["delivered", "failed"], Delivery.CONFLICTED),
        (["undelivered", "delivered", "delivered"], Delivery.CONFLICTED),
        (["queued", "accepted"], Delivery.QUEUED),
    ],
)
def test_ends(reports: list[str], end: Delivery) -> None:
    assert end_of([Delivery(report) for report in reports]) is end


@pytest.fixture
def part(alice: Phone, db: None) -> OutboundPart:
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    message = outbox.write(
        conversation, "hi", kind=OutboundKind.MESSAGE, author="cli:anna", limit=99, now=timezone.now()
    )
    return message.parts.get()


def told(part: OutboundPart, status: str, *, sid: str = "SM1", code: int = 0, token: bool = True) -> StatusCallback:
    return StatusCallback(
        sid=sid,
        account_sid=cast.ACCOUNT_SID,
        status=status,
        error_code=code,
        done_date="",
        part=str(part.token) if token else "",
    )


@pytest.mark.django_db
class TestReports:
    @pytest.mark.parametrize("order", list(permutations(["queued", "sent", "delivered"])))
    def test_reach_the_part(self, order: tuple[str, ...], part: OutboundPart, twilio: PretendTwilio) -> None:
        worker.send(part.conversation_id)
        for message in twilio.messages_to(cast.ALICE):
            for status in order:
                delivery.record(_account(), told(part, status, sid=message.sid, token=False), now=timezone.now())
        part.refresh_from_db()
        assert (part.state, part.delivery) == (PartState.ACCEPTED, Delivery.DELIVERED)

    def test_keep_the_error(self, part: OutboundPart, twilio: PretendTwilio) -> None:
        worker.send(part.conversation_id)
        part.refresh_from_db()
        for report in (
            told(part, "undelivered", sid=part.sid, code=30003),
            told(part, "undelivered", sid=part.sid, code=30003),
            told(part, "sent", sid=part.sid),
        ):
            delivery.record(_account(), report, now=timezone.now())
        part.refresh_from_db()
        assert (part.delivery, part.error_code) == (Delivery.UNDELIVERED, 30003)
        assert DeliveryEvent.objects.count() == 2

    def test_settle_a_part_whose_answer_was_never_read(self, part: OutboundPart, twilio: PretendTwilio) -> None:
        part.move(PartState.SENDING, attempts=1, posted_at=timezone.now())
        delivery.record(_account(), told(part, "sent"), now=timezone.now())
        part.refresh_from_db()
        assert (part.state, part.sid, part.delivery) == (PartState.ACCEPTED, "SM1", Delivery.SENT)
        worker.send(part.conversation_id)
        assert twilio.messages_to(cast.ALICE) == []

    def test_that_come_before_the_sid_is_known_are_kept(self, part: OutboundPart) -> None:
        delivery.record(_account(), told(part, "delivered", token=False), now=timezone.now())
        part.move(PartState.SENDING)
        part.move(PartState.ACCEPTED, sid="SM1")
        delivery.join(part)
        part.refresh_from_db()
        assert part.delivery == Delivery.DELIVERED
        assert DeliveryEvent.objects.get().part == part

    def test_that_failed_half_way_are_taken_in_when_they_come_again(
        self, part: OutboundPart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report = delivery.report

        def fail_once(*words: Any, **options: Any) -> None:
            monkeypatch.setattr(delivery, "report", report)
            raise OperationalError

        monkeypatch.setattr(delivery, "report", fail_once)
        with pytest.raises(OperationalError):
            delivery.record(_account(), told(part, "delivered"), now=timezone.now())
        delivery.record(_account(), told(part, "delivered"), now=timezone.now())
        part.refresh_from_db()
        assert (part.state, part.delivery) == (PartState.ACCEPTED, Delivery.DELIVERED)

    def test_prove_that_a_part_given_up_was_sent_after_all(self, part: OutboundPart) -> None:
        part.move(PartState.FAILED)
        delivery.record(_account(), told(part, "delivered"), now=timezone.now())
        part.refresh_from_db()
        assert (part.state, part.delivery) == (PartState.ACCEPTED, Delivery.DELIVERED)

    def test_of_another_twilio_account_are_dropped(self, part: OutboundPart) -> None:
        foreign = StatusCallback("SM1", "AC" + "9" * 32, "delivered", None, "", str(part.token))
        delivery.record(_account(), foreign, now=timezone.now())
        assert not DeliveryEvent.objects.exists()

    @pytest.mark.parametrize("word", ["", "receiving", "made up"])
    def test_with_words_we_do_not_know_change_nothing(self, word: str, part: OutboundPart) -> None:
        delivery.record(_account(), told(part, word), now=timezone.now())
        part.refresh_from_db()
        assert part.delivery == Delivery.UNKNOWN


def _account() -> accounts.Account:
    return accounts.choose(None)


STATUSES = [
    "accepted",
    "queued",
    "sending",
    "sent",
    "delivered",
    "read",
    "undelivered",
    "failed",
    "canceled",
    "made_up",
]
CALLBACKS = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.sampled_from([0, 0, 30003, 30005, 30008]),
        st.sampled_from(["", "2611250101", "2611250102"]),
    ),
    max_size=12,
)


def ending(
    account: accounts.Account, reports: list[tuple[str, int, str]], *, early: int = 0
) -> tuple[str, int | None]:
    """What a new part ends with after these callbacks; `early`: so many come before we know its sid."""
    conversation, _ = Conversation.objects.get_or_create(account_id=account.pk, sender=cast.ALICE)
    message = outbox.write(
        conversation, "hi", kind=OutboundKind.MESSAGE, author="cli:anna", limit=99, now=timezone.now()
    )
    part = message.parts.get()
    sid = f"SM{part.pk}"
    part.move(PartState.SENDING, posted_at=timezone.now())
    for number, (status, code, done) in enumerate([*reports, ("", 0, "")]):
        if number == min(early, len(reports)):
            part.move(PartState.ACCEPTED, sid=sid, accepted_at=timezone.now())
            delivery.join(part)
        if status:
            callback = StatusCallback(sid, cast.ACCOUNT_SID, status, code or None, done, "")
            delivery.record(account, callback, now=timezone.now())
    part.refresh_from_db()
    assert not DeliveryEvent.objects.filter(part__isnull=True).exists()
    return part.delivery, part.error_code


@pytest.mark.django_db
class TestOnRows:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
    @given(CALLBACKS, st.randoms(), st.integers(0, 12))
    def test_any_order_and_any_number_of_callbacks_end_alike(
        self, account: accounts.Account, reports: list[tuple[str, int, str]], random: object, early: int
    ) -> None:
        shuffled = [*reports, *reports[:4]]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert ending(account, shuffled, early=early) == ending(account, reports)

    def test_the_error_code_is_the_latest_by_the_carriers_clock(self, account: accounts.Account) -> None:
        early, late = ("undelivered", 30008, "2611250101"), ("failed", 30003, "2611250102")
        assert ending(account, [early, late]) == ending(account, [late, early]) == (Delivery.CONFLICTED, 30003)

    def test_a_made_up_status_leaves_no_code_in_whatever_order(self, account: accounts.Account) -> None:
        made_up, taken = ("made_up", 30003, ""), ("accepted", 0, "")
        assert ending(account, [made_up, taken]) == ending(account, [taken, made_up]) == (Delivery.ACCEPTED, None)

    def test_the_same_status_again_fills_in_a_missing_code(self, account: accounts.Account) -> None:
        assert ending(account, [("failed", 0, ""), ("failed", 30005, "")]) == (Delivery.FAILED, 30005)

    def test_the_last_twenty_reports_of_a_text_are_kept(self, account: accounts.Account) -> None:
        many = [("sent", 0, f"26112501{number:02}") for number in range(30)]
        assert ending(account, [*many, ("delivered", 0, "")])[0] == Delivery.DELIVERED
        assert DeliveryEvent.objects.count() == delivery.MOST_REPORTS
        assert DeliveryEvent.objects.filter(status="delivered").exists()

    def test_conflicted_is_not_a_word_a_report_can_say(self, account: accounts.Account) -> None:
        assert ending(account, [("conflicted", 0, ""), ("delivered", 0, "")])[0] == Delivery.DELIVERED

    @pytest.mark.parametrize("sid", ["", " ", f" {cast.ACCOUNT_SID}", "AC" + "9" * 32])
    def test_an_account_sid_that_is_not_exactly_ours_is_dropped(self, sid: str, account: accounts.Account) -> None:
        delivery.record(account, StatusCallback("SM1", sid, "delivered", None, "", ""), now=timezone.now())
        assert not DeliveryEvent.objects.exists()

    def test_reports_that_are_nobodys_are_kept_for_a_while(
        self, account: accounts.Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = timezone.now()
        for number in range(4):
            callback = StatusCallback(f"SM{number}", cast.ACCOUNT_SID, "sent", None, "", "")
            delivery.record(account, callback, now=now - timedelta(days=number * 3))
        assert delivery.forget_orphans(now) == 1
        monkeypatch.setattr(delivery, "MOST_ORPHANS", 2)
        assert delivery.forget_orphans(now) == 1
        assert set(DeliveryEvent.objects.values_list("sid", flat=True)) == {"SM0", "SM1"}

    def test_a_report_stored_in_the_very_moment_its_part_appeared_is_joined_later(self, part: OutboundPart) -> None:
        delivery.record(_account(), told(part, "delivered", token=False), now=timezone.now())
        OutboundPart.objects.update(state=PartState.ACCEPTED, sid="SM1")
        assert delivery.join_early() == 1
        part.refresh_from_db()
        assert part.delivery == Delivery.DELIVERED

    def test_a_second_sid_of_one_part_does_not_change_its_state(
        self, part: OutboundPart, twilio: PretendTwilio
    ) -> None:
        worker.send(part.conversation_id)
        delivery.record(_account(), told(part, "failed", sid="SM9"), now=timezone.now())
        part.refresh_from_db()
        assert part.delivery == Delivery.QUEUED
