"""Accounts at the console: what may be entered, what is in effect, and that no secret ever comes back out."""

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from openclaw_sms.config import accounts
from openclaw_sms.models import AuditEvent, ChannelSettings, SmsAccount
from tests.admin.conftest import ACCOUNT_SID, ENV_TOKEN, OLD_TOKEN, TOKEN, told

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
            ("account_sid", "AC123", "Account SID must be AC and 32 hexadecimal digits; copy it"),
            ("account_sid", "AC" + "x" * 32, "Account SID must be AC and 32 hexadecimal digits; copy it"),
            ("account_sid", "MG" + "1" * 32, "Account SID must be AC and 32 hexadecimal digits; copy it"),
            (
                "messaging_service_sid",
                "AC" + "1" * 32,
                "Messaging Service SID must be MG and 32 hexadecimal digits; copy it",
            ),
            ("from_number", "call me", "From number is not a phone number"),
            ("from_number", "5550001111", "From number has no country code"),
            ("default_to", "+1 555 000 1111 ext 5", "Default recipient ends in an extension"),
            ("text_chunk_limit", "0", "Characters a part must be a whole number from 1 to 1600"),
            ("text_chunk_limit", "1601", "Characters a part must be a whole number from 1 to 1600"),
            ("public_webhook_url", "sms.example.org/webhooks", "Public webhook URL must be a whole address"),
            ("public_webhook_url", "ftp://sms.example.org/", "Public webhook URL must be a whole address"),
            ("public_webhook_url", "https://a b/", "Public webhook URL must be a whole address"),
            ("public_webhook_url", "https://a:99999/", "Public webhook URL must be a whole address"),
            ("webhook_path", "/admin/sms", "Webhook path belongs to the gateway itself"),
            ("webhook_path", "healthz", "Webhook path belongs to the gateway itself"),
            ("webhook_path", "/sms?x=1", "Webhook path must be a path alone"),
            ("new_auth_token", "two words", "Auth token has a space or an accent in it; copy it"),
            ("new_api_key_secret", "two words", "API key secret has a space or an accent in it; copy it"),
            ("api_key_sid", "SK1", "API key SID must be SK and 32 hexadecimal digits; copy it"),
            ("allow_from", "+15550001111\ncall me", "Allowed senders, entry 2, is not a phone number"),
            ("owner_numbers", "*", "Owner's numbers, entry 1, is not a phone number"),
            ("allow_countries", "US\nEurope", "Countries, entry 2, must be a country's two-letter code"),
            ("quiet_hours", "9-17", "Quiet hours must be two times of day"),
            ("quiet_hours", "21:00-21:00", "Quiet hours must be two times of day"),
            ("media_max_mb", "0", "Megabytes an attachment must be a number above 0"),
            ("segments_per_second", "101", "Segments a second must be a number above 0, at most 100"),
            ("inbound_per_minute", "0", "Texts a sender and minute must be a whole number from 1 to 10000"),
            ("replies_per_hour", "0", "Agent replies a sender and hour must be a whole number from 1"),
            ("auth_token_source", "vault", "Select a valid choice"),
            ("auth_token_id", "MY_TOKEN", "Choose where the reference leads"),
        ],
    )
    def test_names_the_field_and_the_fix(
        self, console: Client, account: SmsAccount, field: str, value: str, words: str
    ) -> None:
        errors = errors_of(console.post(page_of(account), filled_in(account, **{field: value})))

        (blamed,) = errors
        assert blamed == {"auth_token_id": "auth_token_source"}.get(field, field)
        assert words in errors[blamed][0]
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

    def test_opens_to_anyone_only_with_a_star_of_its_own(
        self, console: Client, account: SmsAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SMS_ALLOWED_USERS", "*")
        opened = filled_in(account, dm_policy="open")
        refused = errors_of(console.post(page_of(account), {**opened, "allow_from": "+15550001111"}))
        assert "only if * is among the allowed senders" in refused["dm_policy"][0]

        saved = console.post(page_of(account), {**opened, "allow_from": "*"}, follow=True)
        assert "Account default is open: anyone may talk to the agent." in " ".join(told(saved))
        account.refresh_from_db()
        assert (account.dm_policy, account.allow_from) == ("open", ["*"])

    def test_knows_a_star_of_the_accounts_own(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.filter(pk=account.pk).update(allow_from=["*"])

    def test_warns_of_a_star_under_pairing(self, console: Client, account: SmsAccount) -> None:
        saved = console.post(page_of(account), filled_in(account, allow_from="*"), follow=True)
        (said,) = [str(one) for one in saved.context["messages"] if one.level_tag == "error"]
        assert "switches dmPolicy pairing off" in said
        page = console.get(page_of(account)).content.decode()
        assert "openclaw_sms.W005" in page

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


class TestAReference:
    REF = {"source": "store", "provider": "default", "id": "MY_TOKEN"}

    def test_takes_the_place_of_a_stored_token(self, console: Client, account: SmsAccount) -> None:
        console.post(page_of(account), filled_in(account, auth_token_source="store", auth_token_id="MY_TOKEN"))

        account.refresh_from_db()
        assert (account.auth_token, account.auth_token_ref) == (None, self.REF)
        assert AuditEvent.objects.get().detail == {"fields": ["auth_token_ref"]}

    def test_is_shown_and_kept(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.update(auth_token=None, auth_token_ref=self.REF)
        page = console.get(page_of(account)).content.decode()
        assert 'value="MY_TOKEN"' in page
        assert "authToken: store:default:MY_TOKEN is not stored: run `manage.py secrets set MY_TOKEN`." in page

        as_shown = {"auth_token_source": "store", "auth_token_provider": "default", "auth_token_id": "MY_TOKEN"}
        console.post(page_of(account), filled_in(account, name="Renamed", **as_shown))
        account.refresh_from_db()
        assert (account.name, account.auth_token_ref) == ("Renamed", self.REF)

    def test_gives_way_to_a_token(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.update(auth_token=None, auth_token_ref=self.REF)
        console.post(page_of(account), filled_in(account, new_auth_token="fresh"))
        account.refresh_from_db()
        assert (account.auth_token, account.auth_token_ref) == ("fresh", None)

    def test_does_not_stand_beside_a_token(self, console: Client, account: SmsAccount) -> None:
        both = filled_in(account, new_auth_token="fresh", auth_token_source="env", auth_token_id="A")
        assert (
            "Either enter the token or refer to it"
            in errors_of(console.post(page_of(account), both))["new_auth_token"][0]
        )

    @pytest.mark.parametrize(
        ("provider", "secret_id", "field"),
        [("Default", "A", "auth_token_provider"), ("", "lower", "auth_token_id"), ("", "", "auth_token_id")],
    )
    def test_follows_the_same_grammar_as_in_a_document(
        self, console: Client, account: SmsAccount, provider: str, secret_id: str, field: str
    ) -> None:
        wrong = filled_in(account, auth_token_source="env", auth_token_provider=provider, auth_token_id=secret_id)
        assert list(errors_of(console.post(page_of(account), wrong))) == [field]


class TestTheOtherFields:
    def test_are_all_there_for_every_column(self, console: Client, account: SmsAccount) -> None:
        # `declared`: whether somebody wrote the account down, or the gateway keeps a row for the environment's.
        bookkeeping = {"id", "created_at", "updated_at", "declared"}
        columns = {field.name for field in SmsAccount._meta.concrete_fields} - bookkeeping
        form = console.get(page_of(account)).context["adminform"].form
        offered = {name.removeprefix("new_") for name in form.fields if not name.startswith("clear_")}
        by_parts = (
            {"auth_token_ref"} if {"auth_token_source", "auth_token_provider", "auth_token_id"} <= offered else set()
        )
        assert columns - offered - by_parts - {"account_id"} == set()

    def test_are_stored_as_settings_have_them(self, console: Client, account: SmsAccount) -> None:
        console.post(
            page_of(account),
            filled_in(
                account,
                allow_from="+1 (555) 000-1111\nsms:+15550002222, +15550001111\n",
                owner_numbers="+15550001111",
                initiate_to="+15550002222\n*",
                allow_countries="us\nTW",
                whatsapp="true",
                answer_opt_out="false",
                quiet_hours="21:00-08:00",
                media_max_mb="1.5",
                segments_per_second="10",
                pairing_replies_per_day="0",
                api_key_sid="SK" + "a" * 32,
                new_api_key_secret="a-key-secret",
            ),
        )
        account.refresh_from_db()
        assert account.allow_from == ["+15550001111", "+15550002222"]
        assert (account.owner_numbers, account.allow_countries) == (["+15550001111"], ["US", "TW"])
        assert account.initiate_to == ["+15550002222", "*"]
        assert (account.whatsapp, account.answer_opt_out, account.config_writes) == (True, False, None)
        assert (account.quiet_hours, account.media_max_mb, account.segments_per_second) == ("21:00-08:00", 1.5, 10.0)
        assert (account.pairing_replies_per_day, account.api_key_secret) == (0, "a-key-secret")

    def test_that_were_not_touched_stay_as_they_are(self, console: Client, account: SmsAccount) -> None:
        kept = {"name": "", "allow_from": [], "whatsapp": False, "from_number": "+1", "webhook_path": "webhooks/sms"}
        SmsAccount.objects.update(**kept)
        account.refresh_from_db()
        form = filled_in(account, whatsapp="false", text_chunk_limit="320")
        assert console.post(page_of(account), form).status_code == 302
        assert SmsAccount.objects.values(*kept).get() == kept
        assert AuditEvent.objects.get().detail == {"fields": ["text_chunk_limit"]}

    def test_can_be_emptied(self, console: Client, account: SmsAccount) -> None:
        SmsAccount.objects.update(allow_from=["+15550001111"], whatsapp=True)
        console.post(page_of(account), filled_in(account, allow_from="", whatsapp="unknown"))
        account.refresh_from_db()
        assert (account.allow_from, account.whatsapp) == (None, None)


class TestTheChannel:
    LIST = "admin:openclaw_sms_channelsettings_changelist"

    def test_is_one_page(self, console: Client, account: SmsAccount) -> None:
        add = reverse("admin:openclaw_sms_channelsettings_add")
        assert console.get(reverse(self.LIST)).url == add  # type: ignore[attr-defined]
        console.post(
            add, {"dm_policy": "allowlist", "allow_from": "+15550001111", "new_auth_token": "shared-token-5"}
        )

        row = ChannelSettings.objects.get()
        assert (row.pk, row.dm_policy, row.auth_token, row.enabled) == (1, "allowlist", "shared-token-5", None)
        change = reverse("admin:openclaw_sms_channelsettings_change", args=[1])
        assert console.get(reverse(self.LIST)).url == change  # type: ignore[attr-defined]
        assert "shared-token-5" not in console.get(change).content.decode()
        assert console.get(add).status_code == 403
        event = AuditEvent.objects.get()
        assert (event.action, event.subject) == ("channel.added", "channels.sms")
        assert event.detail == {"fields": ["allow_from", "auth_token", "dm_policy"]}

    def test_is_where_accounts_say_their_settings_come_from(self, console: Client, account: SmsAccount) -> None:
        ChannelSettings.objects.create(id=1, text_chunk_limit=320, api_key_sid="SK" + "1" * 32, api_key_secret="k")
        page = console.get(page_of(account)).content.decode()
        rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td class="sms-source">(.*?)</td>', page)
        assert ("Characters a part", "320", "from the channel&#x27;s settings") in rows

    def test_switches_everything_off(self, console: Client, account: SmsAccount) -> None:
        console.post(reverse("admin:openclaw_sms_channelsettings_add"), {"enabled": "false"})
        assert not accounts.load().by_id["default"].enabled

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("dm_policy", "open", "only if * is among the allowed senders"),
            ("webhook_path", "/admin", "belongs to the gateway itself"),
            ("text_chunk_limit", "0", "Characters a part must be a whole number"),
        ],
    )
    def test_has_the_same_rules(self, console: Client, db: None, field: str, value: str, words: str) -> None:
        response = console.post(reverse("admin:openclaw_sms_channelsettings_add"), {field: value})
        assert words in errors_of(response)[field][0]


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
