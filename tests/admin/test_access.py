"""Letting people in at the console: by a button, once, and on the record."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from openclaw_sms.access import pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    OutboundMessage,
    PairingRequest,
    PairingState,
    SenderSource,
    SmsAccount,
)
from tests.admin.conftest import ALICE, BOB, MALLORY, asked, received, told

REQUESTS = "admin:openclaw_sms_pairingrequest_changelist"
SENDERS = "admin:openclaw_sms_allowedsender_changelist"
DECISIONS = ["approve", "approve-and-notify", "dismiss"]


def decide(name: str, request: PairingRequest) -> str:
    return reverse(f"admin:openclaw_sms_pairingrequest_{name}", args=[request.pk])


def page_of(request: PairingRequest) -> str:
    return reverse("admin:openclaw_sms_pairingrequest_change", args=[request.pk])


class TestTheListOfRequests:
    def test_shows_who_waits_with_what_they_said(self, console: Client, bob: PairingRequest) -> None:
        page = console.get(reverse(REQUESTS)).content.decode()

        assert bob.code in page
        assert BOB in page
        assert "Bob here, from the bakery" in page

    def test_has_the_buttons_in_each_row(self, console: Client, bob: PairingRequest) -> None:
        page = console.get(reverse(REQUESTS)).content.decode()

        assert f'formaction="{decide("approve", bob)}"' in page
        assert f'formaction="{decide("dismiss", bob)}"' in page
        assert f'href="{decide("approve", bob)}"' not in page

    def test_hides_what_is_decided_until_it_is_asked_for(self, console: Client, bob: PairingRequest) -> None:
        PairingRequest.objects.update(state=PairingState.DISMISSED)

        assert bob.code not in console.get(reverse(REQUESTS)).content.decode()
        for state in ("dismissed", "any"):
            assert bob.code in console.get(reverse(REQUESTS), {"state": state}).content.decode()

    def test_no_longer_offers_a_request_whose_hour_is_over(self, console: Client, bob: PairingRequest) -> None:
        PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        assert bob.code not in console.get(reverse(REQUESTS)).content.decode()
        bob.refresh_from_db()
        assert bob.state == PairingState.EXPIRED

    def test_finds_a_number_in_any_spelling(self, console: Client, bob: PairingRequest, account: SmsAccount) -> None:
        asked(account, MALLORY, "WXYZ6789", received(account, MALLORY, "me too"))

        page = console.get(reverse(REQUESTS), {"q": "+1 (555) 000-2222"}).content.decode()

        assert bob.code in page
        assert "WXYZ6789" not in page

    def test_can_be_neither_added_to_nor_edited_nor_deleted(self, console: Client, bob: PairingRequest) -> None:
        delete = reverse("admin:openclaw_sms_pairingrequest_delete", args=[bob.pk])

        assert console.get(reverse("admin:openclaw_sms_pairingrequest_add")).status_code == 403
        assert console.post(page_of(bob), {"code": "AAAAAAAA"}).status_code == 403
        assert console.post(delete, {"post": "yes"}).status_code == 403
        bob.refresh_from_db()
        assert bob.code == "ABCD2345"


class TestApproving:
    def test_lets_the_sender_in_and_writes_down_who_did(self, console: Client, bob: PairingRequest) -> None:
        response = console.post(decide("approve", bob), {"next": reverse(REQUESTS)}, follow=True)

        assert response.redirect_chain == [(reverse(REQUESTS), 302)]
        assert told(response) == [f"{BOB} may talk from now on."]
        assert pairing.is_paired(bob.account_id, BOB)
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.subject) == ("pairing.approved", "console:olga", BOB)
        assert event.user is not None

    def test_texts_nobody_unless_asked_to(self, console: Client, bob: PairingRequest) -> None:
        console.post(decide("approve", bob))

        assert not OutboundMessage.objects.exists()

    def test_texts_the_sender_when_asked_to(self, console: Client, bob: PairingRequest) -> None:
        response = console.post(decide("approve-and-notify", bob), follow=True)

        assert told(response) == [f"{BOB} may talk from now on and is told so."]
        notice = OutboundMessage.objects.get()
        assert (notice.conversation.sender, notice.author) == (BOB, "console:olga")

    def test_says_when_the_sender_cannot_be_told(
        self, console: Client, bob: PairingRequest, account: SmsAccount
    ) -> None:
        SmsAccount.objects.update(auth_token=None)

        response = console.post(decide("approve-and-notify", bob), follow=True)

        assert told(response)[1] == "They could not be told: the account cannot send texts."
        assert pairing.is_paired(bob.account_id, BOB)

    def test_tells_the_operator_of_a_broken_setting(
        self, console: Client, bob: PairingRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SMS_TEXT_CHUNK_LIMIT", "many")

        response = console.post(decide("approve-and-notify", bob), follow=True)

        assert "SMS_TEXT_CHUNK_LIMIT must be a whole number" in told(response)[0]
        assert not pairing.is_paired(bob.account_id, BOB)

    def test_tells_the_operator_who_was_second(self, console: Client, bob: PairingRequest) -> None:
        pairing.approve(bob.code, actor=Actor("cli:root"), now=timezone.now())

        response = console.post(decide("approve", bob), follow=True)

        assert response.status_code == 200
        assert told(response) == ["That request was already approved by cli:root."]
        assert AllowedSender.objects.count() == 1

    def test_leads_nowhere_but_back_into_the_console(self, console: Client, bob: PairingRequest) -> None:
        response = console.post(decide("approve", bob), {"next": "https://mallory.example/"})

        assert response["Location"] == page_of(bob)


class TestDismissing:
    def test_drops_the_request_and_blocks_nobody(self, console: Client, bob: PairingRequest) -> None:
        response = console.post(decide("dismiss", bob), follow=True)

        bob.refresh_from_db()
        assert bob.state == PairingState.DISMISSED
        assert "not blocked" in told(response)[0]
        assert AuditEvent.objects.get().action == "pairing.dismissed"


@pytest.mark.parametrize("name", DECISIONS)
class TestADecision:
    def test_is_not_made_by_following_a_link(self, console: Client, bob: PairingRequest, name: str) -> None:
        for method in (console.get, console.head):
            assert method(decide(name, bob)).status_code == 405

        bob.refresh_from_db()
        assert bob.state == PairingState.PENDING

    def test_is_not_made_by_another_site(self, operator: User, bob: PairingRequest, name: str) -> None:
        forged = Client(enforce_csrf_checks=True)
        forged.force_login(operator)

        assert forged.post(decide(name, bob)).status_code == 403
        bob.refresh_from_db()
        assert bob.state == PairingState.PENDING

    def test_is_not_made_by_nobody(self, client: Client, bob: PairingRequest, name: str) -> None:
        assert client.post(decide(name, bob)).status_code == 302
        bob.refresh_from_db()
        assert bob.state == PairingState.PENDING

    def test_is_not_made_by_an_onlooker(self, onlooker: Client, bob: PairingRequest, name: str) -> None:
        assert onlooker.post(decide(name, bob)).status_code == 403
        bob.refresh_from_db()
        assert bob.state == PairingState.PENDING

    def test_is_not_offered_to_an_onlooker(self, onlooker: Client, bob: PairingRequest, name: str) -> None:
        for address in (reverse(REQUESTS), page_of(bob)):
            page = onlooker.get(address)
            assert page.status_code == 200
            assert decide(name, bob) not in page.content.decode()


class TestTheFirstText:
    def test_is_shown_whole_and_harmless(self, console: Client, bob: PairingRequest) -> None:
        InboundMessage.objects.update(body="<script>alert(1)</script>" + "so " * 100 + "END")

        page = console.get(page_of(bob)).content.decode()

        assert "END" in page
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page

    def test_is_answered_only_when_the_owner_asks(
        self,
        console: Client,
        bob: PairingRequest,
        hints: list[tuple[str, int]],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        assert bob.first_text is not None
        answer = reverse("admin:openclaw_sms_inboundmessage_answer", args=[bob.first_text.pk])
        assert answer not in console.get(page_of(bob)).content.decode()

        console.post(decide("approve", bob))
        bob.first_text.refresh_from_db()
        assert bob.first_text.state == InboundState.HELD
        page = console.get(page_of(bob)).content.decode()
        assert "Answer their first text now" in page
        assert answer in page

        with django_capture_on_commit_callbacks(execute=True):
            console.post(answer, {"next": page_of(bob)})
        bob.first_text.refresh_from_db()
        assert bob.first_text.state == InboundState.RECEIVED
        assert ("inbound", bob.first_text.pk) in hints


class TestAllowedSenders:
    add = "admin:openclaw_sms_allowedsender_add"

    def test_are_added_in_any_spelling_and_kept_as_e164(self, console: Client, account: SmsAccount) -> None:
        entered = {"account": account.pk, "number": " sms:+1 (555) 000-1111 ", "note": "My sister"}

        console.post(reverse(self.add), entered)

        sender = AllowedSender.objects.get()
        assert (sender.number, sender.source, sender.added_by) == (ALICE, "console", "console:olga")
        event = AuditEvent.objects.get()
        assert (event.action, event.subject, event.account) == ("sender.added", ALICE, account)

    def test_take_effect_in_this_process_at_once(
        self, console: Client, account: SmsAccount, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
    ) -> None:
        assert accounts.current().by_id["default"].allow_from == frozenset()
        with django_capture_on_commit_callbacks(execute=True):
            console.post(reverse(self.add), {"account": account.pk, "number": ALICE})

        assert accounts.current().by_id["default"].allow_from == {ALICE}

    @pytest.mark.parametrize("entered", ["*", "call me", "5550001111", "+1 555 000 1111 ext 5", ""])
    def test_are_numbers_and_nothing_else(self, console: Client, account: SmsAccount, entered: str) -> None:
        response = console.post(reverse(self.add), {"account": account.pk, "number": entered})

        assert "number" in response.context["adminform"].form.errors
        assert not AllowedSender.objects.exists()

    def test_are_listed_once(self, console: Client, account: SmsAccount) -> None:
        for number in (ALICE, "+1 555 000 1111"):
            response = console.post(reverse(self.add), {"account": account.pk, "number": number})

        assert "already on that account&#x27;s list" in response.content.decode()
        assert AllowedSender.objects.count() == 1

    @pytest.mark.parametrize("source", [SenderSource.CONSOLE, SenderSource.PAIRING])
    def test_are_removed_on_the_record(self, console: Client, account: SmsAccount, source: SenderSource) -> None:
        sender = AllowedSender.objects.create(account=account, number=ALICE, source=source)

        console.post(reverse("admin:openclaw_sms_allowedsender_delete", args=[sender.pk]), {"post": "yes"})

        assert not AllowedSender.objects.exists()
        event = AuditEvent.objects.get()
        assert (event.action, event.subject, event.detail) == ("sender.removed", ALICE, {"source": source.value})

    def test_are_found_by_number(self, console: Client, alice: Conversation) -> None:
        assert ALICE in console.get(reverse(SENDERS), {"q": "+1-555-000-1111"}).content.decode()
        assert ALICE not in console.get(reverse(SENDERS), {"q": BOB}).content.decode()


class TestTheAuditTrail:
    def test_can_only_be_read(self, console: Client, bob: PairingRequest) -> None:
        console.post(decide("approve", bob))
        event = AuditEvent.objects.get()

        page = console.get(reverse("admin:openclaw_sms_auditevent_changelist")).content.decode()
        assert "pairing.approved" in page
        assert "console:olga" in page
        for name in ("change", "delete"):
            address = reverse(f"admin:openclaw_sms_auditevent_{name}", args=[event.pk])
            assert console.post(address, {"post": "yes", "action": "x"}).status_code == 403
        assert console.get(reverse("admin:openclaw_sms_auditevent_add")).status_code == 403
        assert AuditEvent.objects.get().action == "pairing.approved"
