"""Reading through the API: conversations, threads, texts received, and the status of the gateway."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import (
    Conversation,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    Reason,
)
from tests.support import cast
from tests.web.api.conftest import Enter

pytestmark = pytest.mark.django_db
NOON = timezone.now().replace(microsecond=123456)


@pytest.fixture
def talk(account: Account) -> Conversation:
    """Three texts and their replies, a reply in the moment of its text."""
    conversation = Conversation.objects.create(account_id=account.pk, sender=cast.ALICE, last_activity_at=NOON)
    for minute in range(3):
        at = NOON + timedelta(minutes=minute)
        text = InboundMessage.objects.create(
            account_id=account.pk,
            sid=f"SM{minute}",
            sender=cast.ALICE,
            body=f"question {minute}",
            form=b"",
            state=InboundState.ANSWERED,
            received_at=at,
        )
        reply = OutboundMessage.objects.create(
            conversation=conversation,
            kind=OutboundKind.REPLY,
            in_reply_to=text,
            text=f"answer {minute}",
            author="agent",
            created_at=at,
        )
        OutboundPart.objects.create(
            message=reply, conversation=conversation, number=1, body=reply.text, encoding="GSM-7", segments=1
        )
    return conversation


def words(item: dict[str, dict[str, str]]) -> str:
    return (item.get("received") or item["sent"])["text"]


class TestAThread:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7])
    def test_is_read_newest_first_in_pages_of_any_size(self, program: Enter, talk: Conversation, size: int) -> None:
        reader, seen = program("read"), list[str]()
        cursor: str | None = ""
        while cursor is not None:
            page = reader.get(f"conversations/{talk.pk}/messages", limit=str(size), cursor=cursor).body
            assert len(page["items"]) <= size
            seen += [words(item) for item in page["items"]]
            cursor = page["next"]
        assert seen == [f"{kind} {minute}" for minute in (2, 1, 0) for kind in ("answer", "question")]

    def test_says_what_each_text_was(self, program: Enter, talk: Conversation) -> None:
        items = program("read").get(f"conversations/{talk.pk}/messages", limit="2").body["items"]
        assert [item["direction"] for item in items] == ["out", "in"]
        assert items[0]["sent"]["inReplyTo"] == items[1]["received"]["sid"] == "SM2"
        assert items[1]["received"]["from"] == cast.ALICE

    def test_costs_the_same_whatever_its_length(self, program: Enter, talk: Conversation) -> None:
        reader = program("read")

        def queries(limit: int) -> int:
            with CaptureQueriesContext(connection) as captured:
                reader.get(f"conversations/{talk.pk}/messages", limit=str(limit))
            return len(captured)

        queries(1)  # the first request of a minute opens the token's window
        assert queries(1) == queries(6)


class TestConversations:
    def test_are_paged_the_latest_first(self, program: Enter, account: Account) -> None:
        for number in range(5):
            # Two in the same moment, so that the moment alone does not order them.
            at = NOON + timedelta(minutes=number // 2)
            Conversation.objects.create(account_id=account.pk, sender=f"+1555000{number:04}", last_activity_at=at)
        reader, seen = program("read"), list[str]()
        cursor: str | None = ""
        while cursor is not None:
            page = reader.get("conversations", limit="2", cursor=cursor).body
            seen += [item["number"] for item in page["items"]]
            cursor = page["next"]
        assert seen == [f"+1555000{number:04}" for number in (4, 3, 2, 1, 0)]

    def test_can_be_looked_up_by_number(self, program: Enter, talk: Conversation) -> None:
        reader = program("read")
        assert [item["id"] for item in reader.get("conversations", number=cast.ALICE).body["items"]] == [talk.pk]
        assert reader.get("conversations", number=cast.BOB).body["items"] == []

    def test_say_who_has_opted_out(self, program: Enter, talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
        reader = program("read")
        assert reader.get(f"conversations/{talk.pk}").body["optedOut"] is False
        monkeypatch.setattr(opt_out, "is_out", lambda account_pk, number: number == cast.ALICE)
        assert reader.get(f"conversations/{talk.pk}").body["optedOut"] is True


class TestATextReceived:
    def test_says_why_it_was_not_answered(self, program: Enter, talk: Conversation) -> None:
        InboundMessage.objects.filter(sid="SM0").update(
            state=InboundState.PARKED, reason=Reason.AGENT_FAILED, detail="The agent is away: start it."
        )
        told = program("read").get("received/SM0").body
        assert (told["state"], told["reason"]) == ("parked", "agent_failed")
        assert told["detail"] == "The agent is away: start it."

    def test_is_answered_after_all_when_an_admin_says_so(self, program: Enter, talk: Conversation) -> None:
        admin = program("admin")
        assert admin.post("received/SM0/answer").error["code"] == "already_decided"
        InboundMessage.objects.filter(sid="SM0").update(state=InboundState.PARKED)
        assert admin.post("received/SM0/answer").body["state"] == "received"


class TestStatus:
    def test_tells_what_each_account_can_do_and_no_secret(self, program: Enter, second: Account) -> None:
        told = program("read").get("status")
        facts = {account["id"]: account for account in told.body["accounts"]}
        assert facts["default"]["configured"] is True
        assert facts["default"]["servesWebhook"] is True
        assert facts["second"]["servesWebhook"] is False
        assert facts["second"]["webhookPath"] == "/webhooks/second"
        for secret in (cast.AUTH_TOKEN, "another token"):
            assert secret not in str(told.body)
