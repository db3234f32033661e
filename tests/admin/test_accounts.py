"""Accounts at the console: what may be entered, what is in effect, and that no secret ever comes back out."""

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from openclaw_sms.config import accounts
from openclaw_sms.models import AllowedSender, AuditEvent, SenderSource, SmsAccount
from tests.admin.conftest import ACCOUNT_SID, ENV_TOKEN, OLD_TOKEN, TOKEN

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Page

ADD = "admin:openclaw_sms_smsaccount_add"
LIST = "admin:openclaw_sms_smsaccount_changelist"


def page_of(account: SmsAccount) -> str:
    return reverse("admin:openclaw_sms_smsaccount_change", args=[account.pk])


def filled_in(account: SmsAccount, **changes: str) -> dict[str, str]:
    """The form of `account` as a browser would send it back, with `changes`."""
    values = {
        "name": account.name,
        "dm_policy": account.dm_policy,
        "account_sid": account.account_sid,
        "from_number": account.from_number,
        "messaging_service_sid": account.messaging_service_sid,
        "default_to": account.default_to,
        "text_chunk_limit": account.text_chunk_limit,
        "public_webhook_url": account.public_webhook_url,
        "webhook_path": account.webhook_path,
    }
    form = {name: "" if value is None else str(value) for name, value in values.items()}
    return {**form, "enabled": "on", **changes}


def errors_of(response: "Page") -> dict[str, list[str]]:
    assert response.status_code == 200, "the form was accepted"
    errors: dict[str, list[str]] = response.context["adminform"].form.errors
    return errors


class TestTheList:
    def test_says_what_is_in_effect_and_what_is_missing(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.create(account_id="support", webhook_path="/webhooks/support")

        page = console.get(reverse(LIST)).content.decode()

        assert "+1555***9999" in page
        assert "+15550009999" not in page
        assert "/webhooks/support" in page
        assert "missing: Account SID, auth token, from number or Messaging Service SID, public webhook URL" in page

    def test_warns_of_two_accounts_on_one_path(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.filter(pk=account.pk).update(public_webhook_url="https://a.example/webhooks/sms")
        twin = SmsAccount.objects.get(pk=account.pk)
        twin.pk, twin.account_id = None, "twin"
        twin.save()

        assert "webhookPath /webhooks/sms belongs to default" in console.get(reverse(LIST)).content.decode()

    def test_opens_while_a_setting_is_broken(
        self, console: Client, account: SmsAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SMS_TEXT_CHUNK_LIMIT", "many")

        for address in (reverse(LIST), page_of(account), reverse(ADD)):
            page = console.get(address)
            assert page.status_code == 200
            assert "SMS_TEXT_CHUNK_LIMIT must be a whole number" in page.content.decode()

    def test_opens_when_stored_secrets_cannot_be_decrypted(
        self, console: Client, account: SmsAccount, settings: pytest.FixtureRequest
    ) -> None:
        settings.SMS_ENCRYPTION_KEYS = ["A" * 43 + "="]  # type: ignore[attr-defined]
        account.save()
        settings.SMS_ENCRYPTION_KEYS = []  # type: ignore[attr-defined]

        assert "SMS_ENCRYPTION_KEYS" in console.get(reverse(LIST)).content.decode()
        console.post(page_of(account), filled_in(account, new_auth_token="fresh", clear_secondary_auth_token="on"))
        account.refresh_from_db()
        assert (account.auth_token, account.secondary_auth_token) == ("fresh", None)


class TestTheForm:
    def test_shows_the_exact_address_for_twilio(self, console: Client, account: SmsAccount) -> None:
        url = "https://sms.example.org/webhooks/sms?tenant=7&x=%41"
        SmsAccount.objects.update(public_webhook_url=url)

        assert url.replace("&", "&amp;") in console.get(page_of(account)).content.decode()

    def test_says_when_a_proxy_must_map_the_path(self, console: Client, account: SmsAccount) -> None:
        assert "your proxy must map" not in console.get(page_of(account)).content.decode()
        SmsAccount.objects.update(webhook_path="/elsewhere")
        assert "your proxy must map" in console.get(page_of(account)).content.decode()

    def test_shows_what_the_environment_supplies(
        self, console: Client, db: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", ENV_TOKEN)
        monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+15550008888")
        accounts.load()

        page = console.get(page_of(SmsAccount.objects.get())).content.decode()

        rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td class="sms-source">(.*?)</td>', page)
        assert ("Account SID", ACCOUNT_SID, "from the environment") in rows
        assert ("From number", "+15550008888", "from the environment") in rows
        assert ("Auth token", "set", "from the environment") in rows
        assert ("Policy", "pairing", "default") in rows
        assert ENV_TOKEN not in page

    def test_adds_an_account(self, console: Client, db: None) -> None:
        console.post(
            reverse(ADD),
            {
                "account_id": " Support Desk ",
                "enabled": "on",
                "account_sid": ACCOUNT_SID,
                "new_auth_token": TOKEN,
                "from_number": "+1 (555) 000-7777",
                "webhook_path": "webhooks/support/",
            },
        )

        added = SmsAccount.objects.get()
        assert (added.account_id, added.from_number, added.webhook_path) == (
            "support-desk",
            "+15550007777",
            "/webhooks/support",
        )
        assert added.auth_token == TOKEN
        assert added.name is added.dm_policy is added.public_webhook_url is None, "empty means: not set here"
        assert AuditEvent.objects.get().action == "account.added"

    def test_never_changes_an_id(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, account_id="renamed"))

        account.refresh_from_db()
        assert account.account_id == "default"

    def test_never_deletes_an_account(self, console: Client, account: SmsAccount) -> None:
        delete = reverse("admin:openclaw_sms_smsaccount_delete", args=[account.pk])

        assert console.post(delete, {"post": "yes"}).status_code == 403
        assert SmsAccount.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("account_sid", "AC123", "Account SID: copy it"),
            ("account_sid", "AC" + "x" * 32, "Account SID: copy it"),
            ("account_sid", "MG" + "1" * 32, "Account SID: copy it"),
            ("messaging_service_sid", "AC" + "1" * 32, "Messaging Service SID: copy it"),
            ("from_number", "call me", "From number: The number is not a phone number"),
            ("from_number", "5550001111", "From number: The number has no country code"),
            ("default_to", "+1 555 000 1111 ext 5", "Default recipient: The number ends in an extension"),
            ("text_chunk_limit", "0", "Characters a part: enter a number from 1 to 1600"),
            ("text_chunk_limit", "1601", "Characters a part: enter a number from 1 to 1600"),
            ("public_webhook_url", "sms.example.org/webhooks", "Public webhook URL: enter a whole address"),
            ("public_webhook_url", "ftp://sms.example.org/", "Public webhook URL: enter a whole address"),
            ("public_webhook_url", "https://a b/", "Public webhook URL: enter a whole address"),
            ("public_webhook_url", "https://a:99999/", "Public webhook URL: enter a whole address"),
            ("webhook_path", "/admin/sms", "Webhook path: this one belongs to the gateway itself"),
            ("webhook_path", "healthz", "Webhook path: this one belongs to the gateway itself"),
            ("webhook_path", "/sms?x=1", "Webhook path: enter a path"),
            ("new_auth_token", "two words", "Auth token: copy it"),
        ],
    )
    def test_names_the_field_and_the_fix(
        self, console: Client, account: SmsAccount, field: str, value: str, words: str
    ) -> None:
        errors = errors_of(console.post(page_of(account), filled_in(account, **{field: value})))

        assert list(errors) == [field]
        assert words in errors[field][0]
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize("limit", ["1", "1600"])
    def test_takes_the_limits_themselves(self, console: Client, account: SmsAccount, limit: str) -> None:
        console.post(page_of(account), filled_in(account, text_chunk_limit=limit))

        account.refresh_from_db()
        assert account.text_chunk_limit == int(limit)

    @pytest.mark.parametrize("spelling", ["", "/webhooks/sms", "webhooks/sms/"])
    def test_gives_no_path_to_two_accounts(self, console: Client, account: SmsAccount, spelling: str) -> None:
        errors = errors_of(console.post(reverse(ADD), {"account_id": "second", "webhook_path": spelling}))

        (sentence,) = errors["webhook_path"]
        assert "/webhooks/sms belongs to account default" in sentence
        assert "for example /webhooks/sms/second." in sentence

    def test_opens_to_anyone_only_with_a_star(
        self, console: Client, account: SmsAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = filled_in(account, dm_policy="open")
        assert "* as an allowed sender" in errors_of(console.post(page_of(account), opened))["dm_policy"][0]

        monkeypatch.setenv("SMS_ALLOWED_USERS", "*")
        assert console.post(page_of(account), opened).status_code == 302

    def test_knows_a_star_of_the_accounts_own(self, console: Client, account: SmsAccount) -> None:
        AllowedSender.objects.create(account=account, number="*", source=SenderSource.CONFIG)

        assert console.post(page_of(account), filled_in(account, dm_policy="open")).status_code == 302

    def test_does_not_invent_ids_for_the_sandbox(self, console: Client, db: None) -> None:
        assert (
            "belongs to the sandbox"
            in errors_of(console.post(reverse(ADD), {"account_id": "sandbox"}))["account_id"][0]
        )


class TestASecret:
    def test_stays_as_it_is_when_its_field_is_left_empty(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, name="Renamed"))

        account.refresh_from_db()
        assert (account.name, account.auth_token, account.secondary_auth_token) == ("Renamed", TOKEN, OLD_TOKEN)

    def test_is_replaced_by_what_is_entered(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, new_auth_token=" fresh-token "))

        account.refresh_from_db()
        assert (account.auth_token, account.secondary_auth_token) == ("fresh-token", OLD_TOKEN)

    def test_is_removed_by_a_tick(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, clear_secondary_auth_token="on"))

        account.refresh_from_db()
        assert (account.auth_token, account.secondary_auth_token) == (TOKEN, None)

    def test_is_not_both_entered_and_removed(self, console: Client, account: SmsAccount) -> None:
        both = filled_in(account, new_auth_token="fresh", clear_auth_token="on")

        assert list(errors_of(console.post(page_of(account), both))) == ["new_auth_token"]

    def test_can_be_removed_only_where_there_is_one(self, console: Client, account: SmsAccount) -> None:
        assert "Remove the stored auth token" in console.get(page_of(account)).content.decode()
        SmsAccount.objects.update(auth_token=None)
        assert "Remove the stored auth token" not in console.get(page_of(account)).content.decode()

    def test_does_not_come_back_in_a_form_with_an_error(self, console: Client, account: SmsAccount) -> None:
        response = console.post(
            page_of(account), filled_in(account, new_auth_token="fresh-token-77", from_number="nonsense")
        )

        assert "from_number" in errors_of(response)
        assert "fresh-token-77" not in response.content.decode()

    def test_is_in_no_history(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, new_auth_token="fresh-token-77", name="Renamed"))

        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.subject) == ("account.changed", "console:olga", "default")
        assert event.detail == {"fields": ["auth_token", "name"]}
        entry = LogEntry.objects.get()
        history = reverse("admin:openclaw_sms_smsaccount_history", args=[account.pk])
        for words in (entry.change_message, entry.object_repr, console.get(history).content.decode()):
            assert "fresh-token-77" not in words
            assert TOKEN not in words


class TestAChange:
    def test_takes_effect_in_this_process_at_once(
        self,
        console: Client,
        account: SmsAccount,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        assert accounts.current().by_id["default"].text_chunk_limit == 1500

        with django_capture_on_commit_callbacks(execute=True):
            console.post(page_of(account), filled_in(account, text_chunk_limit="320"))

        assert accounts.current().by_id["default"].text_chunk_limit == 320

    def test_of_nothing_leaves_no_trace(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account))

        assert not AuditEvent.objects.exists()

    def test_is_not_for_onlookers(self, onlooker: Client, account: SmsAccount) -> None:
        assert onlooker.get(page_of(account)).status_code == 200
        assert onlooker.post(page_of(account), filled_in(account, name="Mine")).status_code == 403
