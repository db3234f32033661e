"""Sending through the API: to whom, once, what it answers, and what it never does."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.gate import Refusal, Withheld
from openclaw_sms.models import (
    Delivery,
    IdempotencyKey,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PartState,
    Reason,
    SmsAccount,
)
from tests.support import cast
from tests.web.api.conftest import DAVE, Enter, Program, Told

pytestmark = pytest.mark.django_db


def send(program: Program, text: str = "**Dinner** is ready", *, key: str = "", **fields: object) -> Told:
    headers = {"Idempotency-Key": key} if key else {}
    return program.post("messages", {"text": text, **fields}, **headers)


def received(
    account: Account, sender: str, state: InboundState = InboundState.AWAITING, sid: str = "SM1"
) -> InboundMessage:
    return InboundMessage.objects.create(
        account_id=account.pk, sid=sid, sender=sender, body="hi", form=b"", state=state, received_at=timezone.now()
    )


class TestSends:
    def test_as_plain_text_and_says_where_to_look(self, program: Enter, alice: str) -> None:
        owner = program("send", "read", name="planner")
        told = send(owner, to=alice)

        message = OutboundMessage.objects.get()
        assert told.status == 202
        assert told.headers["Location"] == f"/api/v1/messages/{message.pk}"
        assert told.body == {
            "id": message.pk,
            "account": "default",
            "conversation": message.conversation_id,
            "to": alice,
            "kind": "automation",
            "author": "api:planner",
            "text": "Dinner is ready",
            "inReplyTo": None,
            "createdAt": told.body["createdAt"],
            "parts": [{"number": 1, "body": "Dinner is ready", "encoding": "GSM-7", "segments": 1}],
        }

    def test_to_the_accounts_default_recipient(self, program: Enter, second: Account) -> None:
        assert send(program("send"), account="second").status == 202
        assert OutboundMessage.objects.get().conversation.sender == DAVE

    def test_with_pictures_by_their_addresses(self, program: Enter, alice: str) -> None:
        cat = "https://example.com/cat.jpg"
        assert send(program("send"), "", to=alice, media=[cat]).status == 202
        part = OutboundPart.objects.get()
        assert (part.body, [item.url for item in part.media.all()]) == ("", [cat])

    def test_as_it_is_when_that_is_asked_for(self, program: Enter, alice: str) -> None:
        assert send(program("send", "read"), "**2*3**", to=alice, plain=True).body["text"] == "**2*3**"

    @pytest.mark.parametrize(
        "widened",
        [
            {"initiate_to": [cast.BOB]},
            {"initiate_to": ["*"]},
            {"owner_numbers": [cast.BOB]},
            {"default_to": cast.BOB},
        ],
    )
    def test_to_whom_the_account_allows(self, program: Enter, account: Account, widened: dict[str, Any]) -> None:
        SmsAccount.objects.update(**widened)
        assert send(program("send"), to=cast.BOB).status == 202

    def test_without_showing_number_or_words_to_who_may_not_read(self, program: Enter, second: Account) -> None:
        sender = program("send", account=second)
        told = send(sender)
        shown = sender.get(f"messages/{told.body['id']}")

        assert told.body["to"] == shown.body["to"] == "+1555***4444"
        assert shown.body["state"] == "queued"
        for body in (told.body, shown.body):
            assert DAVE not in str(body)
            assert "Dinner" not in str(body)


class TestRefuses:
    @pytest.mark.parametrize(
        ("body", "status", "code", "field"),
        [
            ({}, 400, "invalid", "text"),
            ({"text": "x" * 40_001}, 400, "invalid", "text"),
            ({"text": "a\x00b"}, 400, "invalid", "text"),
            ({"text": "hi", "acount": "second"}, 400, "invalid", "acount"),
            ({"text": "hi", "media": ["https://example.com/1.jpg"] * 11}, 400, "invalid", "media"),
            ({"text": "hi", "to": cast.ALICE, "media": ["/etc/passwd"]}, 400, "unsendable_media", "media"),
            ({"text": "hi", "to": cast.ALICE, "media": ["https://10.0.0.1/1.jpg"]}, 400, "unsendable_media", "media"),
            ({"text": "", "to": cast.ALICE}, 400, "nothing_to_send", "text"),
            ({"text": "hi", "to": "12345"}, 400, "no_country_code", "to"),
            ({"text": " \n ", "to": cast.ALICE}, 400, "nothing_to_send", "text"),
            ({"text": "hi"}, 409, "no_recipient", "to"),
            ({"text": "hi", "to": cast.BOB}, 409, "recipient_not_allowed", "to"),
            ({"text": "hi", "account": "nobody"}, 404, "no_account", "account"),
            ({"text": "hi", "inReplyTo": "SM9"}, 404, "no_such_text", "inReplyTo"),
        ],
    )
    def test_with_a_code_the_field_and_a_sentence(
        self, program: Enter, alice: str, body: object, status: int, code: str, field: str
    ) -> None:
        told = program("send").post("messages", body)

        assert told.status == status
        assert (told.error["code"], told.error["field"]) == (code, field)
        assert told.error["message"].endswith(".")
        assert OutboundMessage.objects.count() == 0

    def test_a_stranger_even_where_anybody_may_talk(self, program: Enter, account: Account) -> None:
        SmsAccount.objects.update(dm_policy="open", allow_from=["*"])
        assert send(program("send"), to=cast.BOB).error["code"] == "recipient_not_allowed"

    def test_an_account_that_cannot_send(self, program: Enter, alice: str) -> None:
        SmsAccount.objects.update(enabled=False)
        assert send(program("send"), to=alice).error["code"] == "account_not_configured"

    def test_whom_the_gate_is_closed_for_without_their_number(
        self, program: Enter, alice: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def closed(*args: object, **kwargs: object) -> OutboundMessage:
            assert kwargs["kind"] == OutboundKind.AUTOMATION
            raise Withheld(Refusal(Reason.ACCOUNT_UNAVAILABLE, "+1555***1111 has opted out."))

        monkeypatch.setattr(outbox, "write", closed)
        told = send(program("send"), to=alice, key="k")
        assert (told.status, told.error["code"]) == (409, "account_unavailable")
        assert alice not in str(told.body)
        assert not IdempotencyKey.objects.exists()


class TestTheIdempotencyKey:
    def test_makes_a_repetition_the_same_answer_and_no_second_text(self, program: Enter, alice: str) -> None:
        sender = program("send", "read")
        first = send(sender, to=alice, key="order-1")
        OutboundPart.objects.update(state=PartState.ACCEPTED, sid="SM5", delivery=Delivery.DELIVERED)
        again = send(sender, to=alice, key="order-1")

        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert OutboundMessage.objects.count() == 1

    def test_belongs_to_one_request(self, program: Enter, alice: str) -> None:
        sender = program("send")
        send(sender, to=alice, key="order-1")
        told = send(sender, "another", to=alice, key="order-1")
        assert (told.status, told.error["code"]) == (422, "idempotency_key_reused")
        assert OutboundMessage.objects.count() == 1

    def test_belongs_to_one_token(self, program: Enter, alice: str) -> None:
        for _ in range(2):
            assert send(program("send"), to=alice, key="order-1").status == 202
        assert OutboundMessage.objects.count() == 2

    def test_is_not_used_up_by_a_refusal(self, program: Enter, alice: str) -> None:
        sender = program("send")
        assert send(sender, to=cast.BOB, key="order-1").status == 409
        assert send(sender, to=alice, key="order-1").status == 202

    def test_is_forgotten_after_a_day(self, program: Enter, alice: str) -> None:
        sender = program("send")
        send(sender, to=alice, key="order-1")
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
        send(sender, to=alice, key="order-1")
        assert OutboundMessage.objects.count() == 2

    def test_is_not_a_way_to_text_again_once_the_text_is_erased(self, program: Enter, alice: str) -> None:
        sender = program("send")
        send(sender, to=alice, key="order-1")
        OutboundMessage.objects.all().delete()
        assert send(sender, to=alice, key="order-1").status == 422

    @pytest.mark.parametrize("key", ["x" * 256, "two words", "é"])
    def test_is_visible_ascii(self, program: Enter, alice: str, key: str) -> None:
        assert send(program("send"), to=alice, key=key).error["code"] == "idempotency_key_invalid"

    @pytest.mark.django_db(transaction=True)
    def test_holds_for_requests_at_the_same_time(self, program: Enter, alice: str) -> None:
        sender = program("send", "read")
        answers = at_once(4, lambda: send(sender, to=alice, key="order-1"))
        assert {answer.status for answer in answers} == {202}
        assert len({answer.body["id"] for answer in answers}) == 1
        assert OutboundMessage.objects.count() == 1


class TestAnAnswerToAText:
    @pytest.mark.parametrize(
        "state", [InboundState.PROCESSING, InboundState.AWAITING, InboundState.SILENT, InboundState.PARKED]
    )
    def test_goes_to_its_sender_and_marks_it_answered(
        self, program: Enter, account: Account, alice: str, state: InboundState
    ) -> None:
        text = received(account, alice, state)
        told = send(program("send", "read"), inReplyTo="SM1")

        text.refresh_from_db()
        assert (told.status, told.body["to"], told.body["kind"]) == (202, alice, "reply")
        assert told.body["inReplyTo"] == "SM1"
        assert (text.state, text.reason) == (InboundState.ANSWERED, "")

    @pytest.mark.parametrize(
        "state", [InboundState.RECEIVED, InboundState.ANSWERED, InboundState.HELD, InboundState.REFUSED]
    )
    def test_is_refused_when_it_is_not_the_programs_to_answer(
        self, program: Enter, account: Account, alice: str, state: InboundState
    ) -> None:
        received(account, alice, state)
        assert send(program("send"), inReplyTo="SM1").error["code"] == "not_answerable"
        assert OutboundMessage.objects.count() == 0

    def test_is_given_once(self, program: Enter, account: Account, alice: str) -> None:
        received(account, alice)
        sender = program("send")
        assert [send(sender, inReplyTo="SM1").status for _ in range(2)] == [202, 409]

    def test_is_refused_to_whom_the_owner_has_shut_out(self, program: Enter, account: Account) -> None:
        received(account, cast.MALLORY)
        assert send(program("send"), inReplyTo="SM1").error["code"] == "sender_not_allowed"

    def test_goes_to_nobody_else(self, program: Enter, account: Account, alice: str) -> None:
        received(account, alice)
        assert send(program("send"), inReplyTo="SM1", to=cast.BOB).error["code"] == "wrong_recipient"

    def test_loses_its_reasoning_like_any_agents(self, program: Enter, account: Account, alice: str) -> None:
        received(account, alice)
        told = send(program("send", "read"), "<think>hm</think>Yes", inReplyTo="SM1")
        assert told.body["text"] == "Yes"


class TestWhatBecameOfIt:
    @pytest.mark.parametrize(
        ("states", "deliveries", "word"),
        [
            (["queued"], [""], "queued"),
            (["accepted", "queued"], ["delivered", ""], "queued"),
            (["accepted", "accepted"], ["delivered", "sent"], "sent"),
            (["accepted", "accepted"], ["delivered", "read"], "delivered"),
            (["accepted", "accepted"], ["delivered", "undelivered"], "failed"),
            (["failed", "blocked"], ["", ""], "failed"),
            (["uncertain", "blocked"], ["", ""], "failed"),
            (["uncertain"], [""], "uncertain"),
            (["cancelled"], [""], "cancelled"),
        ],
    )
    def test_is_one_word_for_all_parts(
        self, program: Enter, alice: str, states: list[str], deliveries: list[str], word: str
    ) -> None:
        reader = program("send", "read")
        told = send(reader, to=alice)
        first = OutboundPart.objects.get()
        OutboundPart.objects.all().delete()
        for number, (state, delivery) in enumerate(zip(states, deliveries, strict=True), start=1):
            first.pk, first.token = None, uuid.uuid4()
            first.number, first.state, first.delivery = number, state, delivery
            first.save(force_insert=True)

        assert reader.get(f"messages/{told.body['id']}").body["state"] == word

    def test_is_told_to_a_sender_only_of_its_own(self, program: Enter, alice: str) -> None:
        mine = send(program("send"), to=alice).body["id"]
        assert program("send").get(f"messages/{mine}").status == 404

    def test_is_decided_by_an_admin(self, program: Enter, alice: str) -> None:
        admin = program("admin")
        pk = send(admin, to=alice).body["id"]
        assert admin.post(f"messages/{pk}/send-again").error["code"] == "nothing_to_decide"
        OutboundPart.objects.update(state=PartState.UNCERTAIN)
        assert admin.post(f"messages/{pk}/mark-sent").body["state"] == "sent"
        OutboundPart.objects.update(state=PartState.FAILED, delivery="")
        assert admin.post(f"messages/{pk}/send-again").body["parts"][0]["state"] == "queued"


class TestTheList:
    def test_is_paged_without_gaps_and_repetitions(self, program: Enter, alice: str) -> None:
        reader = program("send", "read")
        sent = [send(reader, f"text {number}", to=alice).body["id"] for number in range(5)]
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = reader.get("messages", limit="2", cursor=cursor).body
            seen += [item["id"] for item in page["items"]]
            cursor = page["next"]
        assert seen == sent[::-1]

    def test_can_be_of_one_number(self, program: Enter, second: Account, alice: str) -> None:
        reader = program("send", "read")
        send(reader, to=alice)
        send(reader, account="second")
        assert [item["to"] for item in reader.get("messages", number=DAVE).body["items"]] == [DAVE]

    @pytest.mark.parametrize("cursor", ["nonsense", "W10", "WzFd.", "eyJhIjoxfQ", "WyIiXQ", "Wy0xXQ", "WzFlOTldCg"])
    def test_takes_no_made_up_cursor(self, program: Enter, cursor: str) -> None:
        reader = program("read")
        for path in ("messages", "conversations"):
            told = reader.get(path, cursor=cursor)
            assert (told.status, told.error["field"]) == (400, "cursor")

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "ten"])
    def test_has_pages_of_1_to_100(self, program: Enter, limit: str) -> None:
        assert program("read").get("messages", limit=limit).error["field"] == "limit"


def at_once(count: int, ask: Callable[[], Told]) -> list[Told]:
    """The answers of `count` threads that ask in the same moment."""
    barrier, answers = threading.Barrier(count), list[Told]()

    def run() -> None:
        barrier.wait()
        try:
            answers.append(ask())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
