"""Texts and parts at the console: to be found, read and never rewritten."""

import pytest
from django.test import Client
from django.urls import reverse

from openclaw_sms.models import Conversation, InboundMessage, InboundState, OutboundPart, PartState, Reason
from tests.admin.conftest import ALICE, BOB, received, sent

RECEIVED = "admin:openclaw_sms_inboundmessage"
SENT = "admin:openclaw_sms_outboundmessage"
PARTS = "admin:openclaw_sms_outboundpart"


def listed(console: Client, model: str, **wanted: str) -> str:
    return console.get(reverse(f"{model}_changelist"), wanted).content.decode()


class TestTextsReceived:
    @pytest.fixture(autouse=True)
    def texts(self, alice: Conversation) -> tuple[InboundMessage, InboundMessage]:
        return (
            received(alice.account, ALICE, "from alice"),
            received(alice.account, BOB, "from bob", InboundState.PARKED, Reason.AGENT_FAILED),
        )

    @pytest.mark.parametrize("wanted", [ALICE, "sms:+1 555-000-1111", f"SM{1:032x}"])
    def test_are_found_by_number_and_by_sid(self, console: Client, wanted: str) -> None:
        page = listed(console, RECEIVED, q=wanted)

        assert "from alice" in page
        assert "from bob" not in page

    def test_are_not_found_by_half_a_number(self, console: Client) -> None:
        assert "from alice" not in listed(console, RECEIVED, q="+1555000")

    def test_are_filtered_by_state(self, console: Client) -> None:
        page = listed(console, RECEIVED, state__exact="parked")

        assert "from bob" in page
        assert "from alice" not in page

    def test_show_the_raw_form_harmlessly(self, console: Client, alice: Conversation) -> None:
        text = received(alice.account, ALICE, "raw")
        InboundMessage.objects.filter(pk=text.pk).update(form=b"Body=<script>alert(1)</script>&x=\xff")

        page = console.get(reverse(f"{RECEIVED}_change", args=[text.pk])).content.decode()

        assert "Body=&lt;script&gt;alert(1)&lt;/script&gt;&amp;x=\N{REPLACEMENT CHARACTER}" in page
        assert "<script>alert(1)" not in page

    def test_offer_the_answer_on_their_own_page(self, console: Client, alice: Conversation) -> None:
        text = received(alice.account, ALICE, "hello", InboundState.PARKED, Reason.AGENT_FAILED)

        page = console.get(reverse(f"{RECEIVED}_change", args=[text.pk])).content.decode()

        assert reverse(f"{RECEIVED}_answer", args=[text.pk]) in page


def marked(console: Client, address: str) -> list[str]:
    """The places of the sidebar that say "you are here"."""
    page = console.get(address)
    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    return [item["title"] for item in items if item["active"]]


class TestDeadLetters:
    @pytest.fixture
    def letter(self, alice: Conversation) -> InboundMessage:
        return received(alice.account, ALICE, "please", InboundState.PARKED, Reason.AGENT_FAILED)

    def test_are_counted_in_the_sidebar_and_listed_with_the_reason(
        self, console: Client, letter: InboundMessage
    ) -> None:
        page = console.get(reverse("admin:index"))
        items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
        (place,) = [item for item in items if item["title"] == "Dead letters"]

        assert place["badge"] == "1"
        assert marked(console, place["link"]) == ["Dead letters"]
        assert marked(console, reverse(f"{RECEIVED}_changelist")) == ["Texts received"]
        assert marked(console, reverse(f"{RECEIVED}_change", args=[letter.pk])) == ["Texts received"]
        assert Reason.AGENT_FAILED.label in console.get(place["link"]).content.decode()

    def test_are_resubmitted_from_the_list_and_the_second_time_is_told(
        self, console: Client, letter: InboundMessage, hints: list[tuple[str, int]]
    ) -> None:
        address = reverse(f"{RECEIVED}_answer", args=[letter.pk])
        assert address in listed(console, RECEIVED, state__exact="parked")

        console.post(address)
        again = console.post(address, follow=True).content.decode()

        letter.refresh_from_db()
        assert letter.state == InboundState.RECEIVED
        assert "already decided" in again

    def test_are_decided_by_those_who_may(self, onlooker: Client, letter: InboundMessage) -> None:
        address = reverse(f"{RECEIVED}_answer", args=[letter.pk])

        assert address not in listed(onlooker, RECEIVED, state__exact="parked")
        assert onlooker.post(address).status_code == 403


class TestTextsSent:
    @pytest.fixture(autouse=True)
    def parts(self, alice: Conversation) -> tuple[OutboundPart, OutboundPart]:
        bob = Conversation.objects.create(account=alice.account, sender=BOB)
        return sent(alice, "to alice"), sent(bob, "to bob", PartState.FAILED, reason=Reason.TWILIO_REFUSED)

    @pytest.mark.parametrize("model", [SENT, PARTS])
    def test_are_found_by_number_and_by_sid(
        self, console: Client, parts: tuple[OutboundPart, OutboundPart], model: str
    ) -> None:
        for wanted in ("+1 (555) 000-1111", parts[0].sid):
            page = listed(console, model, q=wanted)
            assert page.count("to alice") == 1
            assert "to bob" not in page

    def test_of_many_parts_are_found_once(self, console: Client, parts: tuple[OutboundPart, OutboundPart]) -> None:
        part = parts[0]
        OutboundPart.objects.create(
            message=part.message, conversation=part.conversation, number=2, body="more", encoding="GSM-7", segments=1
        )

        assert listed(console, SENT, q=ALICE).count("to alice") == 1

    def test_are_filtered_by_the_state_of_their_parts(self, console: Client) -> None:
        for page in (
            listed(console, SENT, parts__state__exact="failed"),
            listed(console, PARTS, state__exact="failed"),
        ):
            assert "to bob" in page
            assert "to alice" not in page

    def test_lead_to_their_parts(self, console: Client, parts: tuple[OutboundPart, OutboundPart]) -> None:
        page = listed(console, PARTS, message__id__exact=str(parts[0].message_id))

        assert "to alice" in page
        assert "to bob" not in page


@pytest.mark.parametrize("model", [RECEIVED, SENT, PARTS])
def test_nothing_is_rewritten_by_hand(console: Client, alice: Conversation, model: str) -> None:
    received(alice.account, ALICE, "hello")
    sent(alice, "hello")

    assert console.get(reverse(f"{model}_add")).status_code == 403
    for name in ("change", "delete"):
        assert console.post(reverse(f"{model}_{name}", args=[1]), {"post": "yes"}).status_code == 403
