"""What keeps texts from going out is seen where the operator looks, and an operator's word about a text is taken."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.admin import hindrances
from openclaw_sms.config import accounts
from openclaw_sms.messaging import circuits, pace
from openclaw_sms.models import (
    Circuit,
    Conversation,
    Delivery,
    InboundMessage,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.twilio.errors import FAULTS
from tests.admin.conftest import ALICE, received, sent, told

SID = "SM" + "a" * 32
PARTS = "admin:openclaw_sms_outboundpart"


def thread_of(console: Client, conversation: Conversation) -> str:
    return console.get(reverse("admin:openclaw_sms_conversation_change", args=[conversation.pk])).content.decode()


@pytest.fixture
def circuit(alice: Conversation) -> Circuit:
    return circuits.trip(alice.account_id, FAULTS[20003], reported=False, now=timezone.now())


class TestAnOpenCircuit:
    def test_is_red_in_the_list_on_the_page_and_in_the_thread(
        self, circuit: Circuit, console: Client, alice: Conversation
    ) -> None:
        waiting = sent(alice, "hi", PartState.QUEUED, reason=Reason.CIRCUIT_OPEN)
        listed = console.get(reverse("admin:openclaw_sms_smsaccount_changelist")).content.decode()
        page = console.get(reverse("admin:openclaw_sms_smsaccount_change", args=[alice.account_id])).content.decode()
        thread = thread_of(console, alice)

        assert "sending stopped" in listed
        for shown in (page, thread):
            assert "Sending is stopped since" in shown
            assert "Twilio error 20003" in shown
        assert "sms-panel sms-bad" in thread
        assert Reason.CIRCUIT_OPEN.label.split(";")[0] in thread.replace("&#x27;", "'")
        assert waiting.state == PartState.QUEUED

    def test_is_tried_at_once_when_the_account_is_saved(
        self, circuit: Circuit, console: Client, alice: Conversation, django_capture_on_commit_callbacks: object
    ) -> None:
        page = reverse("admin:openclaw_sms_smsaccount_change", args=[alice.account_id])
        form = console.get(page).context["adminform"].form
        values = {name: form.initial.get(name) or "" for name in form.fields}
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            answer = console.post(page, {**values, "enabled": "on", "name": "Front desk, mended"})
        assert answer.status_code == 302
        circuit.refresh_from_db()
        assert circuit.next_probe_at <= timezone.now()

    def test_gone_leaves_no_trace_on_the_pages(self, circuit: Circuit, console: Client, alice: Conversation) -> None:
        circuits.close(alice.account_id, timezone.now())
        assert "Sending is stopped" not in thread_of(console, alice)


def test_a_pause_says_until_when_and_why(console: Client, alice: Conversation) -> None:
    accounts.forget()
    now = timezone.now()
    pace.pause("+15550009999", code=21611, daily=False, retry_after=None, now=now)
    pace.pause("+15550008888", code=21611, daily=False, retry_after=None, now=now)
    (pause,) = hindrances.of_account(alice.account_id, now)
    assert pause.tone == "busy"
    assert FAULTS[21611].sentence in pause.sentence
    assert "The sending number pauses until" in thread_of(console, alice)


def test_a_number_that_cannot_be_texted_is_flagged(console: Client, alice: Conversation) -> None:
    Conversation.objects.filter(pk=alice.pk).update(unreachable_code=21614)
    assert "Twilio error 21614" in thread_of(console, alice)


def test_a_waiting_part_says_when_it_goes(console: Client, alice: Conversation) -> None:
    part = sent(alice, "hi", PartState.QUEUED)
    OutboundPart.objects.filter(pk=part.pk).update(next_attempt_at=timezone.now() + timedelta(seconds=9))
    assert "The next try is at" in thread_of(console, alice)


def test_a_text_that_was_fetched_says_so(console: Client, alice: Conversation) -> None:
    text = received(alice.account, ALICE, "missed")
    assert "fetched from Twilio" not in thread_of(console, alice)
    InboundMessage.objects.filter(pk=text.pk).update(backfilled=True)
    assert "fetched from Twilio" in thread_of(console, alice)


class TestAnUncertainPart:
    @pytest.fixture
    def part(self, alice: Conversation) -> OutboundPart:
        part = sent(alice, "hi", PartState.UNCERTAIN, reason=Reason.UNCERTAIN)
        OutboundPart.objects.filter(pk=part.pk).update(candidates=[SID])
        return part

    def test_offers_both_buttons_and_the_sids_twilio_showed(
        self, part: OutboundPart, console: Client, alice: Conversation
    ) -> None:
        thread = thread_of(console, alice)
        for name in ("mark-sent", "send-again"):
            assert reverse(f"{PARTS}_{name}", args=[part.pk]) in thread
        assert f'<option value="{SID}">' in thread

    def test_is_marked_as_sent_with_the_sid(self, part: OutboundPart, console: Client) -> None:
        console.post(reverse(f"{PARTS}_mark-sent", args=[part.pk]), {"sid": SID})
        part.refresh_from_db()
        assert (part.state, part.sid) == (PartState.ACCEPTED, SID)

    def test_is_not_marked_with_words_that_are_no_sid(self, part: OutboundPart, console: Client) -> None:
        answer = console.post(reverse(f"{PARTS}_mark-sent", args=[part.pk]), {"sid": "the first one"}, follow=True)
        part.refresh_from_db()
        assert part.state == PartState.UNCERTAIN
        assert any("MessageSid" in sentence for sentence in told(answer))

    def test_is_not_an_onlookers_to_decide(self, part: OutboundPart, onlooker: Client, operator: User) -> None:
        assert onlooker.post(reverse(f"{PARTS}_mark-sent", args=[part.pk]), {"sid": SID}).status_code == 403


def test_an_undelivered_text_can_be_sent_again(console: Client, alice: Conversation) -> None:
    part = sent(alice, "hi", delivery=Delivery.UNDELIVERED, error_code=30003)
    address = reverse(f"{PARTS}_send-again", args=[part.pk])
    assert address in thread_of(console, alice)
    console.post(address)
    assert list(OutboundMessage.objects.order_by("id").values_list("text", flat=True)) == ["hi", "hi"]
    assert address not in thread_of(console, alice)
