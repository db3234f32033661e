"""Decisions about a person at the console: opt out, bring back, clear the flag, hand over, erase."""

import csv
import io
import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.models import (
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    OptOut,
    OptOutSource,
    OutboundPart,
    OwnerNotice,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
)
from tests.admin.conftest import ALICE, MALLORY, received, sent, told


def page_of(conversation: Conversation) -> str:
    return reverse("admin:openclaw_sms_conversation_change", args=[conversation.pk])


def post(console: Client, name: str, conversation: Conversation, **form: str) -> list[str]:
    """What the console says after the decision."""
    address = reverse(f"admin:openclaw_sms_conversation_{name}", args=[conversation.pk])
    return told(console.post(address, form, follow=True))


@pytest.fixture
def gone(alice: Conversation) -> Conversation:
    """Alice, after her STOP."""
    opt_out.suppress(alice.account_id, ALICE, source=OptOutSource.KEYWORD, at=timezone.now(), sid="SM1")
    return alice


class TestTheThread:
    def test_says_that_they_are_out_and_offers_no_box(self, console: Client, gone: Conversation) -> None:
        page = console.get(page_of(gone)).content.decode()
        assert "This account texts them no more; they can text START." in page
        assert "opted out by a word they texted" in page
        assert "Reply by hand" not in page
        assert "They have opted out and cannot be texted." in page

    def test_says_so_on_whatsapp_too(self, console: Client, gone: Conversation) -> None:
        there = Conversation.objects.create(
            account=gone.account, sender=f"whatsapp:{ALICE}", last_activity_at=timezone.now()
        )
        assert "This account texts them no more; they can text START." in console.get(page_of(there)).content.decode()
        listed = console.get(reverse("admin:openclaw_sms_conversation_changelist")).content.decode()
        assert listed.count("opted out</span>") == 2

    def test_offers_no_answer_to_the_texts_of_who_is_out(self, console: Client, gone: Conversation) -> None:
        received(gone.account, ALICE, "hm", InboundState.REFUSED, Reason.OPTED_OUT)
        page = console.get(page_of(gone)).content.decode()
        assert Reason.OPTED_OUT.label in page
        assert "Answer now</button>" not in page

    def test_offers_no_answer_to_a_keyword(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "START", InboundState.SILENT, Reason.START_WORD)
        page = console.get(page_of(alice)).content.decode()
        assert "asked with this text to be texted again" in page
        assert "Answer now</button>" not in page

    def test_shows_when_a_text_goes_out_that_waits_for_the_morning(
        self, console: Client, alice: Conversation
    ) -> None:
        part = sent(alice, "your report", PartState.QUEUED, reason=Reason.QUIET_HOURS)
        OutboundPart.objects.filter(pk=part.pk).update(next_attempt_at=timezone.now())
        page = console.get(page_of(alice)).content.decode()
        assert "the text waits for their end" in page
        assert "It goes out at" in page

    def test_shows_erased_texts_as_such(self, console: Client, alice: Conversation) -> None:
        text = received(alice.account, ALICE, "", InboundState.PARKED, Reason.AGENT_FAILED)
        part = sent(alice, "", PartState.FAILED, reason=Reason.TWILIO_REFUSED)
        InboundMessage.objects.filter(pk=text.pk).update(erased_at=timezone.now())
        part.message.erased_at = timezone.now()
        part.message.save()
        page = console.get(page_of(alice)).content.decode()
        assert page.count("(erased)") == 2
        assert "Answer now</button>" not in page
        assert "Send again</button>" not in page

    def test_offers_an_onlooker_nothing(self, onlooker: Client, gone: Conversation) -> None:
        Conversation.objects.update(flag="words", flagged_at=timezone.now())
        page = onlooker.get(page_of(gone)).content.decode()
        assert "texts them no more" in page
        for button in ("Bring back", "Clear the flag", "Opt them out", "Export", "Erase"):
            assert f"{button}</button>" not in page


class TestOptingOutByHand:
    def test_needs_a_reason(self, console: Client, alice: Conversation) -> None:
        assert post(console, "opt-out", alice, reason="  ") == ["Nothing was changed: say why, for the audit trail."]
        assert not OptOut.objects.exists()

    def test_is_recorded_and_cancels_what_waits(self, console: Client, alice: Conversation) -> None:
        part = sent(alice, "soon", PartState.QUEUED)
        [said] = post(console, "opt-out", alice, reason="She called.")
        assert said == f"{ALICE} is opted out: this account texts them no more, and what was waiting is cancelled."
        row = OptOut.objects.get()
        assert (row.source, row.actor, row.reason) == ("operator", "console:olga", "She called.")
        part.refresh_from_db()
        assert (part.state, part.reason) == (PartState.CANCELLED, Reason.OPTED_OUT)

    def test_is_undone_with_a_reason(self, console: Client, gone: Conversation) -> None:
        assert post(console, "bring-back", gone, reason="") == ["Nothing was changed: say why, for the audit trail."]
        [said] = post(console, "bring-back", gone, reason="She wrote a letter.")
        assert said.startswith(f"{ALICE} may be texted again.")
        assert post(console, "bring-back", gone, reason="Again.") == [f"{ALICE} is not opted out."]
        page = console.get(page_of(gone)).content.decode()
        assert "brought back by console:olga: She wrote a letter." in page
        assert "Reply by hand" in page

    @pytest.mark.parametrize("name", ["opt-out", "bring-back", "clear-flag", "hand-over", "erase"])
    def test_is_nothing_for_onlookers_and_no_link(
        self, onlooker: Client, console: Client, gone: Conversation, name: str
    ) -> None:
        address = reverse(f"admin:openclaw_sms_conversation_{name}", args=[gone.pk])
        assert onlooker.post(address, {"reason": "x", "sure": "yes"}).status_code == 403
        assert console.get(address).status_code == 405
        assert opt_out.is_out(gone.account_id, ALICE)


class TestTheFlag:
    @pytest.fixture(autouse=True)
    def flagged(self, alice: Conversation) -> None:
        Conversation.objects.update(flag="agent", flagged_at=timezone.now(), flag_sid="SM1")

    def test_is_seen_in_list_and_thread(self, console: Client, alice: Conversation) -> None:
        assert "asked to stop?" in console.get(reverse("admin:openclaw_sms_conversation_changelist")).content.decode()
        assert "the agent says so" in console.get(page_of(alice)).content.decode()

    def test_is_taken_down(self, console: Client, alice: Conversation) -> None:
        assert "The flag is cleared." in post(console, "clear-flag", alice)[0]
        assert post(console, "clear-flag", alice) == ["There is no flag any more."]
        assert AuditEvent.objects.get().action == "flag.cleared"

    def test_goes_with_an_opt_out(self, console: Client, alice: Conversation) -> None:
        post(console, "opt-out", alice, reason="They asked to stop, in their own words.")
        alice.refresh_from_db()
        assert alice.flag == ""
        assert opt_out.is_out(alice.account_id, ALICE)


class TestStoredData:
    def test_is_handed_over_as_a_file(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "my secret")
        address = reverse("admin:openclaw_sms_conversation_hand-over", args=[alice.pk])
        answer = console.post(address)
        assert "attachment" in answer["Content-Disposition"]
        assert "no-store" in answer["Cache-Control"]
        assert json.loads(answer.content)["texts_received"][0]["body"] == "my secret"
        assert AuditEvent.objects.get().action == "sender.exported"

    def test_is_erased_with_a_tick_and_not_without(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "my secret")
        assert post(console, "erase", alice) == ["Nothing was erased: tick the box first."]
        [said] = post(console, "erase", alice, sure="yes")
        assert said == "Erased: 1 texts received, 0 sent, and the number itself."
        page = console.get(page_of(alice)).content.decode()
        assert "my secret" not in page
        assert ALICE not in page

    def test_is_kept_while_a_text_is_being_answered(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "wait", InboundState.PROCESSING)
        assert "try again when that is done" in post(console, "erase", alice, sure="yes")[0]


class TestTheList:
    LIST = "admin:openclaw_sms_optout_changelist"

    def test_shows_who_is_out_and_since_when(self, console: Client, gone: Conversation) -> None:
        page = console.get(reverse(self.LIST)).content.decode()
        assert ALICE in page
        assert "a word they texted" in page

    def test_is_exported_by_a_button(self, console: Client, gone: Conversation) -> None:
        answer = console.post(reverse("admin:openclaw_sms_optout_export"))
        table = list(csv.reader(io.StringIO(answer.content.decode())))
        assert table[0] == list(opt_out.CSV_HEADER)
        assert table[1][:3] == ["default", ALICE, "opted out"]
        assert AuditEvent.objects.filter(action="opt_out.exported").count() == 1

    def test_is_not_exported_by_an_onlooker(self, onlooker: Client, gone: Conversation) -> None:
        assert onlooker.post(reverse("admin:openclaw_sms_optout_export")).status_code == 403
        assert "Export as CSV" not in onlooker.get(reverse(self.LIST)).content.decode()

    def test_takes_a_number_that_asked_in_another_way(self, console: Client, account: SmsAccount) -> None:
        form = {"account": account.pk, "number": "+1 555 000 3333", "reason": "By mail."}
        console.post(reverse("admin:openclaw_sms_optout_add"), form)
        row = OptOut.objects.get()
        assert (row.number, row.out, row.source, row.actor) == (MALLORY, True, "operator", "console:olga")
        again = console.post(reverse("admin:openclaw_sms_optout_add"), form).content.decode()
        assert "This number has already opted out." in again

    def test_takes_a_number_again_that_had_come_back(self, console: Client, gone: Conversation) -> None:
        post(console, "bring-back", gone, reason="She wrote.")
        form = {"account": gone.account_id, "number": ALICE, "reason": "And now not."}
        console.post(reverse("admin:openclaw_sms_optout_add"), form)
        assert OptOut.objects.get().out

    def test_brings_back_who_never_talked(self, console: Client, account: SmsAccount) -> None:
        opt_out.suppress(account.pk, MALLORY, source=OptOutSource.KEYWORD, at=timezone.now())
        row = OptOut.objects.get()
        page = console.get(reverse("admin:openclaw_sms_optout_change", args=[row.pk])).content.decode()
        assert "They never talked with this account." in page
        address = reverse("admin:openclaw_sms_optout_bring-back", args=[row.pk])
        assert told(console.post(address, {"reason": "By mail."}, follow=True))[0].startswith(MALLORY)
        assert not opt_out.is_out(account.pk, MALLORY)


def test_approving_who_is_out_says_so(console: Client, bob: PairingRequest) -> None:
    opt_out.suppress(bob.account_id, bob.sender, source=OptOutSource.KEYWORD, at=timezone.now())
    address = reverse("admin:openclaw_sms_pairingrequest_approve", args=[bob.pk])
    said = told(console.post(address, follow=True))
    assert said[1] == "They have opted out: they are not answered or texted until they text START."


def test_allowing_who_is_out_says_so(console: Client, gone: Conversation) -> None:
    form = {"account": gone.account_id, "number": ALICE, "note": ""}
    said = told(console.post(reverse("admin:openclaw_sms_allowedsender_add"), form, follow=True))
    assert any("has opted out" in sentence for sentence in said)


def test_what_the_owner_was_told_is_listed(console: Client, account: SmsAccount) -> None:
    OwnerNotice.objects.create(account=account, key="k", sentence="All places are taken.", at=timezone.now())
    page = console.get(reverse("admin:openclaw_sms_ownernotice_changelist")).content.decode()
    assert "All places are taken." in page
    assert "no owner&#x27;s number" in page
