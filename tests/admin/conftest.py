"""An operator at the console, and the people whose texts are on it: Alice is paired, Bob waits, Mallory forges."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.messaging import queue
from openclaw_sms.models import (
    AllowedSender,
    Conversation,
    Delivery,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PairingState,
    PartState,
    Reason,
    SenderSource,
    SmsAccount,
)

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Page

ALICE, BOB, MALLORY = "+15550001111", "+15550002222", "+15550003333"
ACCOUNT_SID = f"AC{'1' * 32}"
TOKEN = "row-token-5f0e1d2c3b4a59687766"
OLD_TOKEN = "row-token-being-rotated-918273"
ENV_TOKEN = "env-token-00aa11bb22cc33dd44ee"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No account but those a test makes."""
    for name in list(os.environ):
        if name.startswith(("TWILIO_", "SMS_ALLOWED", "SMS_PUBLIC", "SMS_WEBHOOK", "SMS_TEXT", "SMS_DANGEROUSLY")):
            monkeypatch.delenv(name)
    accounts.forget()


@pytest.fixture(autouse=True)
def hints(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The hints given to the worker, which here is nobody."""
    given: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "look_at_inbound", lambda pk: given.append(("inbound", pk)))
    monkeypatch.setattr(queue, "look_at_outbox", lambda pk: given.append(("outbox", pk)))
    return given


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("olga", password="a-long-enough-password")


@pytest.fixture
def console(operator: User) -> Client:
    """A browser in which the operator is logged in."""
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def onlooker(db: None) -> Client:
    """A member of staff who may see everything and decide nothing."""
    user = User.objects.create_user("otto", password="a-long-enough-password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def account(db: None) -> SmsAccount:
    return SmsAccount.objects.create(
        account_id="default",
        name="Front desk",
        account_sid=ACCOUNT_SID,
        auth_token=TOKEN,
        secondary_auth_token=OLD_TOKEN,
        from_number="+15550009999",
        public_webhook_url="https://sms.example.org/webhooks/sms",
    )


@pytest.fixture
def alice(account: SmsAccount) -> Conversation:
    """Alice's conversation; she is paired."""
    AllowedSender.objects.create(account=account, number=ALICE, source=SenderSource.PAIRING)
    return Conversation.objects.create(account=account, sender=ALICE, last_activity_at=timezone.now())


@pytest.fixture
def bob(account: SmsAccount) -> PairingRequest:
    """Bob's request to be let in."""
    Conversation.objects.create(account=account, sender=BOB, last_activity_at=timezone.now())
    first = received(account, BOB, "Bob here, from the bakery", InboundState.HELD, Reason.AWAITING_APPROVAL)
    return asked(account, BOB, "ABCD2345", first)


def asked(account: SmsAccount, sender: str, code: str, first: InboundMessage) -> PairingRequest:
    now = timezone.now()
    return PairingRequest.objects.create(
        account=account,
        sender=sender,
        code=code,
        state=PairingState.PENDING,
        first_text=first,
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
    )


def received(
    account: SmsAccount,
    sender: str,
    body: str,
    state: InboundState = InboundState.ANSWERED,
    reason: Reason = Reason.NONE,
    *,
    minutes_ago: float = 5,
) -> InboundMessage:
    number = InboundMessage.objects.count() + 1
    sid = f"SM{number:032x}"
    form = urlencode({"MessageSid": sid, "AccountSid": ACCOUNT_SID, "From": sender, "Body": body})
    return InboundMessage.objects.create(
        account=account,
        sid=sid,
        sender=sender,
        body=body,
        form=form.encode(),
        state=state,
        reason=reason,
        detail=reason.label,
        received_at=timezone.now() - timedelta(minutes=minutes_ago),
    )


def sent(
    conversation: Conversation,
    text: str,
    state: PartState = PartState.ACCEPTED,
    *,
    minutes_ago: float = 4,
    delivery: Delivery = Delivery.UNKNOWN,
    error_code: int | None = None,
    reason: Reason = Reason.NONE,
    answers: InboundMessage | None = None,
) -> OutboundPart:
    message = OutboundMessage.objects.create(
        conversation=conversation,
        kind=OutboundKind.REPLY,
        in_reply_to=answers,
        text=text,
        author="agent",
        created_at=timezone.now() - timedelta(minutes=minutes_ago),
    )
    return OutboundPart.objects.create(
        message=message,
        conversation=conversation,
        number=1,
        body=text,
        encoding="GSM-7",
        segments=1,
        state=state,
        sid=f"SM{message.pk + 10_000:032x}" if state == PartState.ACCEPTED else "",
        delivery=delivery,
        error_code=error_code,
        reason=reason,
        detail=reason.label,
    )


def told(response: "Page") -> list[str]:
    """What the console said to the operator, after following the redirect."""
    return [str(message) for message in response.context["messages"]]
