"""Stored secrets at the console: a value goes in and never comes out."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.models import AuditEvent, SmsAccount, StoredSecret
from tests.admin.conftest import told

ADD = "admin:openclaw_sms_storedsecret_add"
VALUE = "a-value-of-the-store-2718"

pytestmark = pytest.mark.django_db


def stored(name: str = "MY_TOKEN") -> StoredSecret:
    return StoredSecret.objects.create(name=name, value=VALUE, updated_at=timezone.now())


def page_of(row: StoredSecret, page: str = "change") -> str:
    return reverse(f"admin:openclaw_sms_storedsecret_{page}", args=[row.pk])


def test_is_added_and_audited_without_its_value(console: Client) -> None:
    console.post(reverse(ADD), {"name": "MY_TOKEN", "new_value": VALUE})
    assert StoredSecret.objects.get().value == VALUE
    event = AuditEvent.objects.get()
    assert (event.action, event.subject, event.detail) == ("secret.stored", "MY_TOKEN", {})
    assert VALUE not in str(LogEntry.objects.values())


@pytest.mark.parametrize(("name", "value", "field"), [("lower", "x", "name"), ("A", "", "new_value")])
def test_needs_a_name_and_a_value(console: Client, name: str, value: str, field: str) -> None:
    response = console.post(reverse(ADD), {"name": name, "new_value": value})
    assert list(response.context["adminform"].form.errors) == [field]


def test_is_replaced_without_being_read(console: Client, settings: pytest.FixtureRequest) -> None:
    row = stored()
    settings.SMS_ENCRYPTION_KEYS = ["A" * 43 + "="]  # type: ignore[attr-defined]
    row.save()
    settings.SMS_ENCRYPTION_KEYS = []  # type: ignore[attr-defined]
    assert console.get(page_of(row)).status_code == 200
    console.post(page_of(row), {"name": "RENAMED", "new_value": "fresh"})
    assert [(one.name, one.value) for one in StoredSecret.objects.all()] == [("MY_TOKEN", "fresh")]


def test_list_says_who_refers_to_it(console: Client, account: SmsAccount) -> None:
    stored()
    SmsAccount.objects.update(auth_token_ref={"source": "store", "provider": "default", "id": "MY_TOKEN"})
    page = console.get(reverse("admin:openclaw_sms_storedsecret_changelist")).content.decode()
    assert "channels.sms.accounts.default.authToken" in page
    assert VALUE not in page


def test_is_removed_with_a_warning(console: Client, account: SmsAccount) -> None:
    row = stored()
    SmsAccount.objects.update(
        auth_token=None, auth_token_ref={"source": "store", "provider": "default", "id": "MY_TOKEN"}
    )
    assert accounts.load().by_id["default"].unavailable == ""
    response = console.post(page_of(row, "delete"), {"post": "yes"}, follow=True)
    assert "Still referred to by channels.sms.accounts.default.authToken" in told(response)[0]
    assert AuditEvent.objects.get().action == "secret.removed"
