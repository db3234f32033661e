"""The tools under a token: what each scope sees, what a call does, and what it must not reach."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import tokens
from openclaw_sms.access.audit import GATEWAY
from openclaw_sms.config.accounts import Account
from openclaw_sms.management.mcp import tools
from openclaw_sms.management.mcp.protocol import ToolFailed
from openclaw_sms.management.mcp.tools import Toolbox
from openclaw_sms.messaging import queue
from openclaw_sms.models import (
    AllowedSender,
    ApiToken,
    Conversation,
    InboundMessage,
    OutboundMessage,
    SenderSource,
    SmsAccount,
)
from tests.support import cast

pytestmark = pytest.mark.django_db
Holding = Callable[..., Toolbox]


@pytest.fixture(autouse=True)
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "close_old_connections", lambda: None)
    monkeypatch.setattr(queue, "look_at_outbox", lambda pk: None)


@pytest.fixture
def holding(account: Account) -> Holding:
    def make(*scopes: str, account_pk: int | None = None) -> Toolbox:
        name = f"agent-{ApiToken.objects.count()}"
        return Toolbox(
            tokens.create(name, set(scopes), actor=GATEWAY, now=timezone.now(), account_pk=account_pk).plain
        )

    return make


@pytest.fixture
def thread(account: Account) -> Conversation:
    AllowedSender.objects.create(account_id=account.pk, number=cast.ALICE, source=SenderSource.PAIRING)
    now = timezone.now()
    InboundMessage.objects.create(
        account_id=account.pk, sid="SM1", sender=cast.ALICE, body="are you there", form=b"", received_at=now
    )
    return Conversation.objects.create(account_id=account.pk, sender=cast.ALICE, last_activity_at=now)


def call(box: Toolbox, name: str, **arguments: object) -> Any:
    tool = next(tool for tool in box.tools() if tool.name == name)
    return tool.run(arguments)


@pytest.mark.parametrize(
    ("scopes", "names"),
    [
        (["send"], ["send_sms"]),
        (["read"], ["list_threads", "read_thread"]),
        (["pair"], []),
        (["admin"], ["send_sms", "list_threads", "read_thread"]),
    ],
)
def test_are_those_of_the_tokens_scopes(holding: Holding, scopes: list[str], names: list[str]) -> None:
    assert [tool.name for tool in holding(*scopes).tools()] == names


def test_send_a_text_once_for_a_repeated_call(holding: Holding, thread: Conversation) -> None:
    box = holding("send", "read")
    asked = {"text": "**On** my way", "to": cast.ALICE, "idempotency_key": "1"}
    told = [call(box, "send_sms", **asked) for _ in range(2)]
    assert told[0] == told[1]
    assert (told[0]["text"], told[0]["author"]) == ("On my way", "api:agent-0")
    assert OutboundMessage.objects.count() == 1


def test_list_and_read_threads(holding: Holding, thread: Conversation) -> None:
    box = holding("read")
    [item] = call(box, "list_threads")["items"]
    assert (item["id"], item["number"]) == (thread.pk, cast.ALICE)
    [said] = call(box, "read_thread", thread=item["id"])["items"]
    assert said["received"]["text"] == "are you there"


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("send_sms", {"text": "hi", "to": cast.BOB}, "may not be texted first"),
        ("send_sms", {"text": "hi"}, "Give a recipient"),
        ("send_sms", {"text": "hi", "to": "12"}, "country code"),
        ("send_sms", {"text": 1}, "text must be a string"),
        ("send_sms", {"to": cast.ALICE}, "empty"),
        ("send_sms", {"text": "hi", "in_reply_to": "SM\x00"}, "No text received"),
        ("send_sms", {"text": "hi", "account": "nobody"}, "no account"),
        ("list_threads", {"limit": 0}, "limit must be"),
        ("list_threads", {"limit": True}, "limit must be"),
        ("list_threads", {"cursor": "x"}, "cursor"),
        ("read_thread", {}, "thread must be"),
        ("read_thread", {"thread": 999}, "no such thread"),
        ("read_thread", {"thread": 10**30}, "thread must be"),
    ],
)
def test_refuse_in_one_sentence(
    holding: Holding, thread: Conversation, name: str, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ToolFailed, match=sentence):
        call(holding("admin"), name, **arguments)
    assert OutboundMessage.objects.count() == 0


def test_see_nothing_of_another_account(holding: Holding, thread: Conversation) -> None:
    other = SmsAccount.objects.create(account_id="second", account_sid="AC2", auth_token="x", from_number=cast.BOB)
    box = holding("admin", account_pk=other.pk)
    assert call(box, "list_threads")["items"] == []
    for name, arguments in (
        ("read_thread", {"thread": thread.pk}),
        ("list_threads", {"account": "default"}),
        ("send_sms", {"text": "hi", "in_reply_to": "SM1"}),
    ):
        with pytest.raises(ToolFailed, match=r"no such|No text"):
            call(box, name, **arguments)


def test_end_with_the_token_and_keep_its_limit(holding: Holding, thread: Conversation, settings: Settings) -> None:
    box = holding("read")
    known = list(box.tools())
    settings.SMS_API_PER_MINUTE = 1
    assert known[0].run({})["items"]
    with pytest.raises(ToolFailed, match="Too many"):
        known[0].run({})
    ApiToken.objects.update(revoked_at=timezone.now())
    with pytest.raises(ToolFailed, match="not valid any more"):
        known[0].run({})
    assert list(box.tools()) == []
