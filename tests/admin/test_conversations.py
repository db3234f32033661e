"""A conversation at the console: readable, explained, harmless, and with a box to reply."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.admin import thread
from openclaw_sms.admin.thread import Position
from openclaw_sms.messaging import media
from openclaw_sms.models import (
    FIXES,
    AuditEvent,
    Conversation,
    Delivery,
    InboundMessage,
    InboundState,
    MediaBytes,
    MediaItem,
    MediaState,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
)
from tests.admin.conftest import ALICE, BOB, MALLORY, received, sent, told
from tests.support.pictures import AMR, CARD, JPEG, PDF, png

LIST = "admin:openclaw_sms_conversation_changelist"


def page_of(conversation: Conversation) -> str:
    return reverse("admin:openclaw_sms_conversation_change", args=[conversation.pk])


def shown(console: Client, conversation: Conversation) -> str:
    return console.get(page_of(conversation)).content.decode()


def decision(name: str, row: InboundMessage | OutboundPart) -> str:
    return reverse(f"admin:openclaw_sms_{row._meta.model_name}_{name}", args=[row.pk])


def reply(conversation: Conversation) -> str:
    return reverse("admin:openclaw_sms_conversation_reply", args=[conversation.pk])


class TestTheList:
    def test_shows_the_last_text_of_either_side(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "How are you?", minutes_ago=5)
        assert "How are you?" in console.get(reverse(LIST)).content.decode()

        sent(alice, "Fine, thanks.", minutes_ago=1)
        page = console.get(reverse(LIST)).content.decode()
        assert "→ Fine, thanks." in page
        assert "How are you?" not in page

    def test_puts_what_needs_a_person_first(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "hello", InboundState.PARKED, Reason.AGENT_FAILED, minutes_ago=9)
        received(alice.account, ALICE, "hello again", InboundState.RECEIVED)

        assert "needs a decision" in console.get(reverse(LIST)).content.decode()

    def test_says_who_waits_for_approval(self, console: Client, bob: PairingRequest) -> None:
        assert "waits for approval" in console.get(reverse(LIST)).content.decode()

    def test_keeps_accounts_apart(self, console: Client, alice: Conversation) -> None:
        other = SmsAccount.objects.create(account_id="support")
        received(other, ALICE, "meant for support")

        assert "meant for support" not in console.get(reverse(LIST)).content.decode()


class TestTheThread:
    def test_is_in_the_order_of_time(self, console: Client, alice: Conversation) -> None:
        received(alice.account, ALICE, "FIRST", minutes_ago=40)
        sent(alice, "SECOND", minutes_ago=30)
        received(alice.account, ALICE, "THIRD", minutes_ago=20)
        sent(alice, "FOURTH", minutes_ago=10)

        page = shown(console, alice)

        places = [page.index(words) for words in ("FIRST", "SECOND", "THIRD", "FOURTH")]
        assert places == sorted(places)

    def test_shows_nobody_elses_texts(self, console: Client, alice: Conversation) -> None:
        received(alice.account, BOB, "BOBS SECRET")
        sent(Conversation.objects.create(account=alice.account, sender=BOB), "FOR BOB ONLY")

        page = shown(console, alice)

        assert "BOBS SECRET" not in page
        assert "FOR BOB ONLY" not in page

    @pytest.mark.parametrize("body", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
    def test_shows_words_as_words(self, console: Client, alice: Conversation, body: str) -> None:
        received(alice.account, ALICE, body)
        sent(alice, body)

        page = shown(console, alice)

        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert page.count(body.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")) == 2

    @pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
    def test_says_why_a_text_was_not_answered_and_what_to_do(
        self, console: Client, alice: Conversation, reason: Reason
    ) -> None:
        received(alice.account, ALICE, "hello", InboundState.PARKED, reason)

        page = shown(console, alice).replace("&#x27;", "'")

        assert reason.label in page
        assert FIXES[reason] in page

    def test_says_when_the_next_try_is(self, console: Client, alice: Conversation) -> None:
        text = received(alice.account, ALICE, "hello", InboundState.RECEIVED, Reason.AGENT_FAILED)
        InboundMessage.objects.filter(pk=text.pk).update(next_attempt_at=timezone.now() + timedelta(minutes=1))

        page = shown(console, alice)

        assert Reason.AGENT_FAILED.label in page
        assert "The next try is at" in page
        assert FIXES[Reason.AGENT_FAILED] not in page

    def test_shows_how_far_each_part_got(self, console: Client, alice: Conversation) -> None:
        sent(alice, "one", delivery=Delivery.DELIVERED)
        sent(alice, "two", delivery=Delivery.UNDELIVERED, error_code=30003)
        sent(alice, "three", PartState.QUEUED)

        page = shown(console, alice)

        assert "✓✓" in page
        assert "(Twilio error 30003)" in page
        assert "waiting" in page
        assert "1 segment, GSM-7" in page

    def test_offers_to_let_a_waiting_sender_in(self, console: Client, bob: PairingRequest) -> None:
        conversation = Conversation.objects.get(sender=BOB)

        page = shown(console, conversation)

        assert bob.code in page
        assert reverse("admin:openclaw_sms_pairingrequest_approve", args=[bob.pk]) in page

    def test_of_nobody_is_not_found(self, console: Client, db: None) -> None:
        assert console.get(reverse("admin:openclaw_sms_conversation_change", args=[4711])).status_code == 404
        assert console.get(reverse("admin:openclaw_sms_conversation_change", args=["x"])).status_code == 404


class TestAPage:
    @pytest.fixture(autouse=True)
    def five_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(thread, "SHOWN_AT_ONCE", 5)

    def test_leads_to_every_earlier_text_once(self, console: Client, alice: Conversation) -> None:
        """Also when all texts are of the same moment: nothing is lost or doubled at the seams."""
        moment = timezone.now()
        for number in range(7):
            received(alice.account, ALICE, f"in {number}")
            sent(alice, f"out {number}")
        InboundMessage.objects.update(received_at=moment)
        OutboundMessage.objects.update(created_at=moment)

        pages, before = [], None
        while True:
            page = thread.read(alice, before=before, may_answer=False, may_send=False)
            pages.append([bubble.anchor for bubble in page.bubbles])
            if page.earlier is None:
                break
            before = Position.parse(str(page.earlier))

        assert [len(page) for page in pages] == [5, 5, 4]
        everything = [anchor for page in reversed(pages) for anchor in page]
        texts = [f"in-{text.pk}" for text in InboundMessage.objects.order_by("pk")]
        assert everything == texts + [f"out-{message.pk}" for message in OutboundMessage.objects.order_by("pk")]

    def test_has_a_link_to_what_came_before(self, console: Client, alice: Conversation) -> None:
        for number in range(5):
            received(alice.account, ALICE, f"text {number}")
        assert "Earlier texts" not in shown(console, alice)

        received(alice.account, ALICE, "the oldest of all", minutes_ago=60)
        page = shown(console, alice)
        assert "Earlier texts" in page
        assert "the oldest of all" not in page

    @pytest.mark.parametrize("before", ["yesterday", "~~", "2026-01-01T00:00:00~0~1", "2026-99-99T00:00:00Z~0~1"])
    def test_begins_at_the_end_when_the_address_is_damaged(
        self, console: Client, alice: Conversation, before: str
    ) -> None:
        received(alice.account, ALICE, "still here")

        response = console.get(page_of(alice), {"before": before})

        assert "still here" in response.content.decode()

    @given(at=st.datetimes(timezones=st.just(timezone.get_default_timezone())), pk=st.integers(1, 2**63 - 1))
    def test_position_survives_its_own_writing(self, at: datetime, pk: int) -> None:
        place = Position(at, thread.SENT, pk)

        assert Position.parse(str(place)) == place


class TestAnsweringAfterAll:
    @pytest.mark.parametrize(
        "state", [InboundState.HELD, InboundState.PARKED, InboundState.REFUSED, InboundState.SILENT]
    )
    def test_hands_the_text_to_the_worker_on_the_record(
        self,
        console: Client,
        alice: Conversation,
        state: InboundState,
        hints: list[tuple[str, int]],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        text = received(alice.account, ALICE, "hello?", state, Reason.AGENT_FAILED)
        assert decision("answer", text) in shown(console, alice)

        with django_capture_on_commit_callbacks(execute=True):
            response = console.post(decision("answer", text), {"next": page_of(alice)}, follow=True)

        assert response.redirect_chain == [(page_of(alice), 302)]
        text.refresh_from_db()
        assert text.state == InboundState.RECEIVED
        assert hints == [("inbound", text.pk)]
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.subject) == ("text.answer_asked", "console:olga", ALICE)

    @pytest.mark.parametrize("state", [InboundState.ANSWERED, InboundState.RECEIVED, InboundState.PROCESSING])
    def test_is_not_possible_twice(
        self, console: Client, alice: Conversation, state: InboundState, hints: list[tuple[str, int]]
    ) -> None:
        text = received(alice.account, ALICE, "hello?", state)
        assert decision("answer", text) not in shown(console, alice)

        response = console.post(decision("answer", text), follow=True)

        assert told(response) == [f"That was already decided: the text is now “{state.label}”."]
        assert hints == []
        assert not AuditEvent.objects.exists()

    def test_is_not_offered_where_the_policy_would_refuse(self, console: Client, alice: Conversation) -> None:
        stranger = Conversation.objects.create(account=alice.account, sender=MALLORY)
        text = received(alice.account, MALLORY, "let me in", InboundState.HELD, Reason.AWAITING_APPROVAL)

        assert decision("answer", text) not in shown(console, stranger)


class TestAPartThatDidNotGoOut:
    def test_may_be_sent_again(self, console: Client, alice: Conversation) -> None:
        part = sent(alice, "hello", PartState.FAILED, reason=Reason.TWILIO_REFUSED)
        page = shown(console, alice)
        assert decision("send-again", part) in page
        assert decision("mark-sent", part) not in page

        console.post(decision("send-again", part), {"next": page_of(alice)})

        part.refresh_from_db()
        assert part.state == PartState.QUEUED
        assert AuditEvent.objects.get().action == "part.send_again"

    @pytest.mark.parametrize(("name", "state"), [("mark-sent", PartState.ACCEPTED), ("send-again", PartState.QUEUED)])
    def test_is_decided_by_the_operator_when_uncertain(
        self, console: Client, alice: Conversation, name: str, state: PartState
    ) -> None:
        part = sent(alice, "hello", PartState.UNCERTAIN, reason=Reason.UNCERTAIN)
        behind = OutboundPart.objects.create(
            message=part.message,
            conversation=alice,
            number=2,
            body="more",
            encoding="GSM-7",
            segments=1,
            state=PartState.BLOCKED,
        )
        assert decision(name, part) in shown(console, alice)

        console.post(decision(name, part))

        part.refresh_from_db()
        behind.refresh_from_db()
        assert (part.state, behind.state) == (state, PartState.QUEUED)

    @pytest.mark.parametrize("name", ["mark-sent", "send-again"])
    def test_is_decided_once(self, console: Client, alice: Conversation, name: str) -> None:
        part = sent(alice, "hello", PartState.ACCEPTED)

        response = console.post(decision(name, part), follow=True)

        assert told(response) == ["That was already decided: the part is now “accepted by Twilio”."]
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize("name", ["mark-sent", "send-again"])
    def test_is_not_decided_by_a_link_or_an_onlooker(
        self, console: Client, onlooker: Client, alice: Conversation, name: str
    ) -> None:
        part = sent(alice, "hello", PartState.UNCERTAIN)

        assert console.get(decision(name, part)).status_code == 405
        assert onlooker.post(decision(name, part)).status_code == 403
        assert decision(name, part) not in shown(onlooker, alice)
        part.refresh_from_db()
        assert part.state == PartState.UNCERTAIN


class TestReplyingByHand:
    def test_puts_the_words_into_the_outbox_as_typed(self, console: Client, alice: Conversation) -> None:
        response = console.post(reply(alice), {"words": "It is *here*:\r\n2*3*4"}, follow=True)

        assert response.redirect_chain == [(f"{page_of(alice)}#latest", 302)]
        message = OutboundMessage.objects.get()
        assert (message.text, message.author) == ("It is *here*:\n2*3*4", "console:olga")
        assert "It is *here*" in response.content.decode()

    def test_keeps_the_words_that_could_not_be_sent(self, console: Client, alice: Conversation) -> None:
        SmsAccount.objects.update(enabled=False)

        page = console.post(reply(alice), {"words": "do not lose <me>"}).content.decode()

        assert "Account default cannot send" in page
        assert "do not lose &lt;me&gt;</textarea>" in page
        assert not OutboundMessage.objects.exists()

    @pytest.mark.parametrize("words", ["", "  \r\n "])
    def test_sends_no_empty_text(self, console: Client, alice: Conversation, words: str) -> None:
        page = console.post(reply(alice), {"words": words}).content.decode()

        assert "There is nothing to send" in page
        assert not OutboundMessage.objects.exists()

    def test_is_not_possible_to_what_is_not_a_number(self, console: Client, account: SmsAccount) -> None:
        machine = Conversation.objects.create(account=account, sender="12345")
        assert "cannot be texted" in shown(console, machine)

        assert "cannot be texted" in console.post(reply(machine), {"words": "hi"}).content.decode()
        assert not OutboundMessage.objects.exists()

    def test_is_not_for_onlookers_links_or_other_sites(
        self, console: Client, onlooker: Client, alice: Conversation
    ) -> None:
        assert console.get(reply(alice)).status_code == 405
        assert onlooker.post(reply(alice), {"words": "hi"}).status_code == 403
        assert reply(alice) not in shown(onlooker, alice)
        assert not OutboundMessage.objects.exists()

    def test_takes_pictures_along(self, console: Client, alice: Conversation) -> None:
        files = [SimpleUploadedFile("a.txt", png()), SimpleUploadedFile("b.png", JPEG)]
        console.post(reply(alice), {"words": "look", "attached": files})

        part = OutboundPart.objects.get()
        assert (part.body, [item.content_type for item in part.media.all()]) == ("look", ["image/png", "image/jpeg"])

    def test_needs_no_words_beside_a_picture(self, console: Client, alice: Conversation) -> None:
        response = console.post(reply(alice), {"words": "", "attached": SimpleUploadedFile("a.png", png())})

        assert response.status_code == 302
        assert OutboundPart.objects.get().body == ""

    @pytest.mark.parametrize(
        ("data", "why"), [(b"<svg/>", "kind that cannot be sent"), (png() + bytes(5_000_000), "too large")]
    )
    def test_keeps_the_words_when_a_file_cannot_be_sent(
        self, data: bytes, why: str, console: Client, alice: Conversation
    ) -> None:
        files = {"words": "do not lose me", "attached": SimpleUploadedFile("a.png", data)}
        page = console.post(reply(alice), files).content.decode()

        assert why in page
        assert "do not lose me</textarea>" in page
        assert not OutboundMessage.objects.exists()

    def test_reaches_whatsapp_where_the_account_uses_it(self, console: Client, account: SmsAccount) -> None:
        there = Conversation.objects.create(account=account, sender=f"whatsapp:{ALICE}")
        assert "does not use WhatsApp" in console.post(reply(there), {"words": "hi"}).content.decode()

        SmsAccount.objects.update(whatsapp=True)
        assert console.post(reply(there), {"words": "hi"}).status_code == 302


class TestFilesInTheThread:
    def test_a_picture_is_seen_in_its_bubble(self, console: Client, alice: Conversation, account: SmsAccount) -> None:
        item = keep(received(account, ALICE, ""), "image/png", png())

        page = shown(console, alice)
        assert f'<img src="{file_at(item)}" alt="Picture 1"' in page
        assert "(no words)" not in page
        answer = console.get(file_at(item))
        assert (answer.content, answer["Content-Type"]) == (png(), "image/png")
        assert answer["Content-Disposition"].startswith("inline")

    @pytest.mark.parametrize(
        ("content_type", "data"),
        [("application/pdf", PDF), ("text/vcard", CARD), ("image/heic", b"heic"), ("audio/amr", AMR)],
    )
    def test_anything_else_is_only_to_save(
        self, content_type: str, data: bytes, console: Client, alice: Conversation, account: SmsAccount
    ) -> None:
        item = keep(received(account, ALICE, "see"), content_type, data)

        page = shown(console, alice)
        assert "<img src" not in page.split("sms-bubbles")[1]
        assert f'href="{file_at(item)}"' in page
        assert console.get(file_at(item))["Content-Disposition"].startswith("attachment")

    def test_nothing_in_it_runs_and_nobody_keeps_it(
        self, console: Client, alice: Conversation, account: SmsAccount
    ) -> None:
        answer = console.get(file_at(keep(received(account, ALICE, ""), "image/png", png())))

        assert "sandbox" in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer["Cache-Control"]

    def test_what_could_not_be_fetched_says_why(
        self, console: Client, alice: Conversation, account: SmsAccount
    ) -> None:
        text = received(account, ALICE, "")
        MediaItem.objects.create(
            inbound=text, position=0, state=MediaState.UNAVAILABLE, declared_type="image/png", why="too large"
        )
        MediaItem.objects.create(inbound=text, position=1, declared_type="audio/amr")

        page = shown(console, alice)
        assert "1 picture, unavailable: too large" in page
        assert "1 recording, not fetched yet" in page

    def test_ours_are_seen_too_and_elsewhere_is_a_link(self, console: Client, alice: Conversation) -> None:
        part = sent(alice, "look")
        kept = keep(part, "image/png", png())
        MediaItem.objects.create(part=part, position=1, state=MediaState.REMOTE, url="https://example.com/cat.png")

        page = shown(console, alice)
        assert f'<img src="{file_at(kept)}"' in page
        assert '<a class="sms-link" href="https://example.com/cat.png"' in page
        assert '<img src="https://' not in page

    def test_is_for_those_who_may_see_conversations(
        self, console: Client, onlooker: Client, alice: Conversation, account: SmsAccount
    ) -> None:
        item = keep(received(account, ALICE, ""), "image/png", png())

        assert onlooker.get(file_at(item)).status_code == 200
        User.objects.get(username="otto").user_permissions.clear()
        assert onlooker.get(file_at(item)).status_code == 403
        assert Client().get(file_at(item)).status_code == 302
        assert console.post(file_at(item)).status_code == 405

    def test_an_erased_one_is_gone(self, console: Client, alice: Conversation, account: SmsAccount) -> None:
        text = received(account, ALICE, "")
        item = keep(text, "image/png", png())
        media.erase([text.pk])

        assert console.get(file_at(item)).status_code == 404
        assert "1 picture, erased" in shown(console, alice)


def keep(of: InboundMessage | OutboundPart, content_type: str, data: bytes) -> MediaItem:
    whose = {"inbound": of} if isinstance(of, InboundMessage) else {"part": of}
    item = MediaItem.objects.create(
        **whose, position=0, state=MediaState.KEPT, content_type=content_type, size=len(data)
    )
    MediaBytes.objects.create(item=item, data=data)
    return item


def file_at(item: MediaItem) -> str:
    return reverse("admin:openclaw_sms_conversation_media", args=[item.pk])
