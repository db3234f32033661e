"""Texts whose webhook never came are found, marked, put in their place, and answered once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.messaging import backfill, circuits, lease, turn
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.models import BackFillMark, Conversation, InboundMessage, InboundState, Reason
from openclaw_sms.twilio import payloads
from openclaw_sms.twilio.errors import FAULTS
from tests.messaging import agents
from tests.messaging.test_delivery import _account
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def wired(alice: Phone) -> Phone:
    """Alice's phone, after a first text went the usual way."""
    alice.texts("hello")
    return alice


def compare(*, admit: bool = True) -> backfill.Result:
    now = timezone.now()
    return backfill.compare(_account(), since=now - HOUR, until=now - backfill.YOUNG, admit=admit)


def run_due(now: object = None) -> list[backfill.Result | None]:
    moment = now or timezone.now()
    return [backfill.catch_up(account, moment) for account in backfill.due_accounts(moment)]  # type: ignore[arg-type]


def test_a_missed_text_is_answered_once_and_marked(wired: Phone, twilio: PretendTwilio) -> None:
    sid = twilio.received_without_calling(cast.ALICE, "did you get this?")
    assert compare().missed == [sid]
    work()
    text = InboundMessage.objects.get(sid=sid)
    assert (text.state, text.backfilled, text.body) == (InboundState.ANSWERED, True, "did you get this?")
    assert timezone.now() - text.received_at > timedelta(minutes=4)
    assert compare().missed == []
    wired.posts("did you get this?", MessageSid=sid)  # the webhook comes after all
    work()
    assert [question.text for question in agents.asked] == ["hello", "did you get this?"]
    assert InboundMessage.objects.filter(sid=sid).count() == 1


def test_strangers_meet_the_same_policy(wired: Phone, twilio: PretendTwilio) -> None:
    sid = twilio.received_without_calling(cast.BOB, "let me in")
    compare()
    work()
    text = InboundMessage.objects.get(sid=sid)
    assert (text.state, text.reason) == (InboundState.HELD, Reason.AWAITING_APPROVAL)


def test_a_text_whose_webhook_may_be_on_its_way_is_left_to_it(wired: Phone, twilio: PretendTwilio) -> None:
    twilio.received_without_calling(cast.ALICE, "just now", ago=20)
    assert compare().listed == 0


def test_a_dry_run_takes_nothing_in(wired: Phone, twilio: PretendTwilio) -> None:
    sid = twilio.received_without_calling(cast.ALICE, "missed")
    assert compare(admit=False).missed == [sid]
    assert not InboundMessage.objects.filter(sid=sid).exists()


def test_pictures_come_as_the_webhook_would_have_brought_them(wired: Phone, twilio: PretendTwilio) -> None:
    sid = twilio.received_without_calling(cast.ALICE, "look", media=["image/jpeg", "image/png"])
    compare()
    form = payloads.parse_form(bytes(InboundMessage.objects.get(sid=sid).form))
    text = payloads.classify(form)
    assert isinstance(text, payloads.InboundText)
    assert [media.content_type for media in text.media] == ["image/jpeg", "image/png"]
    assert f"/Accounts/{cast.ACCOUNT_SID}/Messages/{sid}/Media/ME" in text.media[0].url
    assert not text.media[0].url.endswith(".json")
    assert payloads.identity_mismatch(text, _account().expected) is None


def test_older_texts_go_before_a_newer_one_that_waits(wired: Phone, twilio: PretendTwilio) -> None:
    wired.posts("third")
    twilio.received_without_calling(cast.ALICE, "second", ago=200)
    twilio.received_without_calling(cast.ALICE, "first", ago=300)
    compare()
    wired.posts("fourth")
    conversation = Conversation.objects.get()
    order = []
    while (text := turn.oldest_waiting(conversation)) is not None:
        order.append(text.body)
        InboundMessage.objects.filter(pk=text.pk).update(state=InboundState.ANSWERED)
    assert order == ["first", "second", "third", "fourth"]


def test_one_found_later_still_takes_its_place(wired: Phone, twilio: PretendTwilio) -> None:
    wired.posts("third")
    twilio.received_without_calling(cast.ALICE, "second", ago=200)
    compare()
    twilio.received_without_calling(cast.ALICE, "first", ago=300)
    compare()
    conversation = Conversation.objects.get()
    held = lease.take(conversation.pk, Lane.TURN, timezone.now())
    assert held is not None
    text = turn.claim_next(conversation, held, now=timezone.now())
    assert text is not None
    assert text.body == "first"


class TestByItself:
    def test_begins_with_the_first_text_by_webhook(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.received_without_calling(cast.ALICE, "meant for the program before us")
        assert run_due() == []
        alice.texts("hello")
        assert run_due() == []
        for minutes in (2, 4):
            (result,) = run_due(timezone.now() + timedelta(minutes=minutes))
            assert result is not None
            assert result.missed == []

    def test_goes_on_where_it_ended(self, wired: Phone, twilio: PretendTwilio) -> None:
        run_due()
        long_ago = timezone.now() - timedelta(hours=5)
        BackFillMark.objects.update(begun_at=long_ago, seen_until=long_ago, next_run_at=timezone.now())
        sid = twilio.received_without_calling(cast.ALICE, "in the outage", ago=4 * 3600)
        (result,) = run_due()
        assert result is not None
        assert result.missed == [sid]
        assert BackFillMark.objects.get().seen_until == result.until

    def test_trouble_leaves_the_mark_where_it_is(self, wired: Phone, twilio: PretendTwilio) -> None:
        run_due()
        before = timezone.now() - HOUR
        BackFillMark.objects.update(seen_until=before, next_run_at=timezone.now())
        twilio.locks_out()
        assert run_due() == [None]
        assert BackFillMark.objects.get().seen_until == before

    def test_is_done_by_one_machine(self, wired: Phone, twilio: PretendTwilio) -> None:
        run_due()
        now = timezone.now() + timedelta(minutes=2)
        assert [len(backfill.due_accounts(now)) for _ in range(2)] == [1, 0]

    def test_never_while_the_circuit_is_open(self, wired: Phone, twilio: PretendTwilio) -> None:
        run_due()
        circuits.trip(wired.account.pk, FAULTS[20003], reported=False, now=timezone.now())
        assert backfill.due_accounts(timezone.now() + HOUR) == []

    def test_more_than_one_look_can_hold_is_taken_in_pieces(
        self, wired: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backfill, "AT_ONCE", 4)
        sids = [twilio.received_without_calling(cast.ALICE, f"text {n}", ago=3000 - 100 * n) for n in range(12)]
        found: list[str] = []
        now = timezone.now()
        backfill.compare_all(
            _account(),
            since=now - HOUR,
            until=now - backfill.YOUNG,
            admit=True,
            each=lambda result: found.extend(result.missed),
        )
        assert found == sids
