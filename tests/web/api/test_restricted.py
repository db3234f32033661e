"""A token of one account: what belongs to another is not there, whatever is asked and however."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import (
    AllowedSender,
    Conversation,
    EventState,
    EventType,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    OutgoingEvent,
    PairingRequest,
    PartState,
)
from tests.support import cast
from tests.web.api.conftest import DAVE, Enter, Program

pytestmark = pytest.mark.django_db
SECRET_WORDS = "words of the second account"


@pytest.fixture
def theirs(second: Account) -> dict[str, object]:
    """One of everything on the second account: what a path or a body could name."""
    now = timezone.now()
    conversation = Conversation.objects.create(account_id=second.pk, sender=DAVE, last_activity_at=now)
    InboundMessage.objects.create(
        account_id=second.pk,
        sid="SM2",
        sender=DAVE,
        body=SECRET_WORDS,
        form=b"",
        state=InboundState.PARKED,
        received_at=now,
    )
    message = OutboundMessage.objects.create(
        conversation=conversation, kind=OutboundKind.MESSAGE, text=SECRET_WORDS, author="api:one", created_at=now
    )
    OutboundPart.objects.create(
        message=message,
        conversation=conversation,
        number=1,
        body=SECRET_WORDS,
        encoding="GSM-7",
        segments=1,
        state=PartState.UNCERTAIN,
    )
    PairingRequest.objects.create(
        account_id=second.pk,
        sender="+15550005555",
        code="SECD2345",
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
    )
    OutgoingEvent.objects.create(
        event_id="evt_2",
        type=EventType.TEXT_RECEIVED,
        account_id=second.pk,
        receiver="x",
        payload=SECRET_WORDS,
        state=EventState.DEAD,
        next_attempt_at=now,
        created_at=now,
    )
    return {
        "message": message.pk,
        "conversation": conversation.pk,
        "sender": AllowedSender.objects.get(account_id=second.pk).pk,
    }


@pytest.fixture(params=["admin", "send", "read", "pair"])
def restricted(request: pytest.FixtureRequest, program: Enter, account: Account, alice: str) -> Program:
    """A token of the first account, of each role."""
    return program(request.param, account=account, name="one")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "messages/{message}", None),
        ("POST", "messages/{message}/send-again", None),
        ("POST", "messages/{message}/mark-sent", None),
        ("GET", "received/SM2", None),
        ("POST", "received/SM2/answer", None),
        ("GET", "conversations/{conversation}", None),
        ("GET", "conversations/{conversation}/messages", None),
        ("DELETE", "allowed-senders/{sender}", None),
        ("POST", "events/evt_2/send-again", None),
        ("POST", "pairing/approve", {"code": "SECD2345"}),
        ("POST", "pairing/dismiss", {"code": "SECD2345"}),
        ("POST", "messages", {"text": "hi", "account": "second"}),
        ("POST", "messages", {"text": "hi", "inReplyTo": "SM2"}),
        ("POST", "messages", {"text": "hi", "inReplyTo": "SM2", "account": "second"}),
        ("POST", "allowed-senders", {"number": cast.MALLORY, "account": "second"}),
        ("POST", "pairing/approve", {"code": "SECD2345", "account": "second"}),
    ],
)
def test_names_something_that_is_not_there(
    restricted: Program, theirs: dict[str, object], method: str, path: str, body: dict[str, str] | None
) -> None:
    before = state_of_everything()
    told = restricted.asks(method, path.format(**theirs), body=body)

    assert told.status in (403, 404)
    if told.status == 403:
        assert told.error["code"] == "scope_missing"
    assert SECRET_WORDS not in str(told.body)
    assert state_of_everything() == before


@pytest.mark.parametrize("path", ["messages", "conversations", "pairing", "allowed-senders", "events", "status"])
def test_sees_no_trace_of_the_other_in_a_list(
    program: Enter, account: Account, theirs: dict[str, object], path: str
) -> None:
    told = program("admin", account=account).get(path)

    assert told.status == 200
    for trace in (SECRET_WORDS, DAVE, "SECD2345", "evt_2", "second"):
        assert trace not in str(told.body)


@pytest.mark.parametrize("path", ["messages", "conversations", "pairing", "allowed-senders"])
def test_cannot_ask_for_the_others_list(program: Enter, account: Account, second: Account, path: str) -> None:
    told = program("admin", account=account).get(path, account="second")
    assert (told.status, told.error["code"]) == (404, "no_account")
    assert "default" not in told.error["message"]


def test_sends_from_its_own_account_without_naming_it(program: Enter, second: Account) -> None:
    told = program("send", account=second).post("messages", {"text": "hi"})
    assert (told.status, told.body["account"]) == (202, "second")


def test_may_do_in_its_own_account_what_its_role_may(
    program: Enter, second: Account, theirs: dict[str, object]
) -> None:
    admin = program("admin", account=second)
    assert admin.get(f"messages/{theirs['message']}").body["text"] == SECRET_WORDS
    assert admin.post("pairing/approve", {"code": "SECD2345"}).status == 200
    assert admin.post("events/evt_2/send-again").body["state"] == "pending"


def state_of_everything() -> list[object]:
    return [
        list(model.objects.order_by("pk").values())
        for model in (OutboundMessage, OutboundPart, InboundMessage, AllowedSender, PairingRequest, OutgoingEvent)
    ]
