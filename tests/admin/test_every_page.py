"""What holds for every page of the console: it opens, it shows no secret, and it costs the same with many rows."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.access import audit, opt_out, tokens
from openclaw_sms.models import (
    AllowedSender,
    ChannelSettings,
    Conversation,
    EventType,
    InboundMessage,
    InboundState,
    OptOutSource,
    OutgoingEvent,
    OwnerNotice,
    PairingRequest,
    PartState,
    Reason,
    SenderSource,
    SmsAccount,
    StoredSecret,
)
from tests.admin.conftest import ALICE, ENV_TOKEN, MALLORY, OLD_TOKEN, TOKEN, asked, received, sent

admin.autodiscover()
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
# The channel's settings are one row, and its page stands for a list.
LISTS = [model for model in MODELS if model not in (User, Group, ChannelSettings)]
FEW, MANY = 3, 30


def addresses(model: type) -> Iterator[str]:
    """Every page of one model: its list, the form to add, and a row's page, history and deletion."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]
    row = model.objects.first()  # type: ignore[attr-defined]
    assert row is not None, f"no row of {name} to look at"
    yield reverse(f"{name}_changelist")
    yield reverse(f"{name}_add")
    for page in ("change", "history", "delete"):
        yield reverse(f"{name}_{page}", args=[row.pk])


@pytest.fixture
def somebody_of_each(alice: Conversation, bob: PairingRequest) -> None:
    """A row in every table, and secrets from both places."""
    text = received(alice.account, ALICE, "hello", InboundState.PARKED, Reason.AGENT_FAILED)
    sent(alice, "hello", PartState.FAILED, reason=Reason.TWILIO_REFUSED, answers=text)
    audit.record("test", actor=audit.GATEWAY, at=timezone.now(), account_id=alice.account_id)
    Group.objects.create(name="operators")
    ChannelSettings.objects.create(id=1, auth_token=TOKEN, api_key_secret=OLD_TOKEN)
    StoredSecret.objects.create(name="MY_TOKEN", value=TOKEN, updated_at=timezone.now())
    opt_out.suppress(alice.account_id, MALLORY, source=OptOutSource.KEYWORD, at=timezone.now())
    OwnerNotice.objects.create(account=alice.account, key="test", sentence="test", at=timezone.now())
    of_programs(alice.account, 0)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_opens_and_shows_no_secret(
    console: Client, somebody_of_each: None, monkeypatch: pytest.MonkeyPatch, model: type
) -> None:
    for name in ("SMS_AGENT_TOKEN", "TWILIO_SECONDARY_AUTH_TOKEN", "TWILIO_API_KEY_SECRET"):
        monkeypatch.setenv(name, ENV_TOKEN)
    monkeypatch.setenv("TWILIO_API_KEY_SID", f"SK{'2' * 32}")

    for address in (*addresses(model), reverse("admin:index")):
        page = console.get(address)
        assert page.status_code in (200, 302, 403), address
        for secret in (TOKEN, OLD_TOKEN, ENV_TOKEN):
            assert secret not in page.content.decode(), address


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_is_closed_to_strangers(client: Client, somebody_of_each: None, operator: User, model: type) -> None:
    for address in addresses(model):
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))


def test_sidebar_leads_everywhere_and_counts_who_waits(console: Client, bob: PairingRequest) -> None:
    page = console.get(reverse("admin:index"))

    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items] == [
        "Conversations",
        "Pairing requests",
        "Dead letters",
        "Allowed senders",
        "Opt-outs",
        "Accounts",
        "Channel settings",
        "Stored secrets",
        "Texts received",
        "Texts sent",
        "Notices to the owner",
        "API tokens",
        "Outgoing events",
        "Audit trail",
        "Users",
        "Help",
    ]
    assert [item["badge"] for item in items if "badge" in item] == ["1"]
    for item in items:
        assert console.get(item["link"], follow=True).status_code == 200


def test_sidebar_leads_only_where_one_may_go(db: None) -> None:
    nobody = User.objects.create_user("nina", is_staff=True)
    client = Client()
    client.force_login(nobody)

    page = client.get(reverse("admin:index"))

    items = [item for group in page.context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items] == ["Help"]


class TestWhatAPageCosts:
    @pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
    def test_does_not_grow_with_the_rows_of_its_list(self, console: Client, alice: Conversation, model: type) -> None:
        address = reverse(f"admin:openclaw_sms_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]
        fill(alice.account, FEW)
        before = queries(console, address)
        fill(alice.account, MANY)
        assert queries(console, address) == before

    def test_does_not_grow_with_the_texts_of_a_thread(self, console: Client, alice: Conversation) -> None:
        address = reverse("admin:openclaw_sms_conversation_change", args=[alice.pk])
        talk(alice, FEW)
        before = queries(console, address)
        talk(alice, MANY)
        assert queries(console, address) == before


def queries(console: Client, address: str) -> int:
    """How many queries a page takes, once whatever is kept for a while is kept."""
    console.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert console.get(address).status_code == 200
    return len(captured)


def fill(account: SmsAccount, count: int) -> None:
    """`count` more people, each with a row in every table."""
    done = InboundMessage.objects.count()
    for number in range(done, done + count):
        sender = f"+1555{number:07d}"
        conversation = Conversation.objects.create(account=account, sender=sender, last_activity_at=timezone.now())
        text = received(account, sender, "hello", InboundState.HELD, Reason.AWAITING_APPROVAL)
        sent(conversation, "hello", answers=text)
        asked(account, sender, f"CODE{number:04d}", text)
        AllowedSender.objects.create(account=account, number=sender, source=SenderSource.CONSOLE)
        SmsAccount.objects.create(account_id=f"account-{number}", webhook_path=f"/hooks/{number}")
        StoredSecret.objects.create(name=f"TOKEN_{account.pk}_{count}_{number}", value="v", updated_at=timezone.now())
        audit.record("test", actor=audit.GATEWAY, at=timezone.now(), account_id=account.pk, subject=sender)
        opt_out.suppress(account.pk, sender, source=OptOutSource.KEYWORD, at=timezone.now())
        OwnerNotice.objects.create(account=account, key=sender, sentence="test", at=timezone.now())
        of_programs(account, number)


def of_programs(account: SmsAccount, number: int) -> None:
    """A token, restricted to the account, and an event."""
    now = timezone.now()
    tokens.create(f"program-{number}", {"read"}, actor=audit.GATEWAY, now=now, account_pk=account.pk)
    OutgoingEvent.objects.create(
        event_id=f"evt_{number}",
        type=EventType.TEXT_RECEIVED,
        account=account,
        receiver="elsewhere",
        payload="{}",
        next_attempt_at=now,
        created_at=now,
    )


def talk(conversation: Conversation, count: int) -> None:
    for number in range(count):
        text = received(conversation.account, conversation.sender, f"hello {number}", InboundState.PARKED)
        sent(conversation, "hello", PartState.UNCERTAIN, answers=text)
