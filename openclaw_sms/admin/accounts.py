"""Twilio accounts: what is set here, what is in effect, what is still missing, and whether Twilio agrees."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from openclaw_sms.admin import connection_test, hindrances
from openclaw_sms.admin.account_form import AccountForm
from openclaw_sms.admin.components import CompletedChangeList, badge, may_decide, settings_in_effect
from openclaw_sms.admin.settings_admin import SettingsAdmin, say_conflicts, say_dangers, say_who_rests
from openclaw_sms.admin.settings_form import SECRETS, groups, is_stored
from openclaw_sms.config import checks
from openclaw_sms.config.accounts import (
    DEFAULT_ID,
    DEFAULT_TEXT_CHUNK_LIMIT,
    DEFAULT_WEBHOOK_PATH,
    SANDBOX_ID,
    Account,
)
from openclaw_sms.messaging import circuits
from openclaw_sms.models import AccountSettings, ChannelSettings, DmPolicy, SmsAccount
from openclaw_sms.text.phone import mask

DEFAULTS = frozenset({DEFAULT_WEBHOOK_PATH, str(DEFAULT_TEXT_CHUNK_LIMIT), DmPolicy.PAIRING.value})
# Checks that the account's state says already.
SAID_AS_STATE = frozenset(f"{checks.TAG}.{kind.id}" for kind in (checks.RESTS, checks.INCOMPLETE))
IN_EFFECT = ("readiness", "findings", "address_for_twilio", "settings_table")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in effect: where it comes from, and its value; of a secret, only that it is set."""

    label: str
    value: str
    source: str


@admin.register(SmsAccount)
class SmsAccountAdmin(SettingsAdmin[SmsAccount]):
    form = AccountForm
    audited_as = "account"
    list_display = ("account_id", "name", "texts_from", "policy", "enabled", "configured", "path")
    list_filter = ("enabled", "dm_policy")
    search_fields = ("account_id",)
    search_help_text = "An account id"
    readonly_fields = IN_EFFECT
    change_form_outer_before_template = "admin/openclaw_sms/connection_test.html"

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return CompletedChangeList

    def complete(self, rows: list[SmsAccount]) -> list[SmsAccount]:
        """Give every row what is in effect for it."""
        known, _ = settings_in_effect()
        stopped = {circuit.account_id for circuit in circuits.open_circuits()}
        for row in rows:
            vars(row)["in_effect"] = known.by_pk(row.pk)
            vars(row)["stopped"] = stopped
        return rows

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self._test))
        return [path("<int:pk>/test/", view, name="openclaw_sms_smsaccount_test"), *super().get_urls()]

    def _test(self, request: HttpRequest, pk: int) -> HttpResponse:
        return connection_test.answer(request, pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        test = reverse("admin:openclaw_sms_smsaccount_test", args=[object_id]) if object_id.isdigit() else ""
        offered = {"test_address": test if may_decide(request, SmsAccount) else ""}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **offered})

    def get_readonly_fields(self, request: HttpRequest, obj: SmsAccount | None = None) -> tuple[str, ...]:
        """An id never changes: conversations, commands and logs know the account by it."""
        return IN_EFFECT if obj is None else (*IN_EFFECT, "account_id")

    def get_fieldsets(self, request: HttpRequest, obj: SmsAccount | None = None) -> list[tuple[str | None, Any]]:  # type: ignore[override]
        return [
            *([("In effect now", {"fields": IN_EFFECT})] if obj else []),
            *groups(obj, "account_id", "enabled"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        say_conflicts(request)
        say_who_rests(request)
        return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: SmsAccount, form: Form, change: bool) -> None:
        obj.declared = True
        super().save_model(request, obj, form, change)
        transaction.on_commit(functools.partial(circuits.probe_soon, obj.pk))
        account = settings_in_effect()[0].by_pk(obj.pk)
        say_dangers(request, checks.of_account(account) if account else [])

    @admin.display(description="texts from")
    def texts_from(self, row: SmsAccount) -> str:
        account = _in_effect(row)
        if account is None:
            return ""
        return mask(account.from_number) if account.from_number else account.messaging_service_sid

    @admin.display(description="policy", ordering="dm_policy")
    def policy(self, row: SmsAccount) -> str:
        account = _in_effect(row)
        return account.dm_policy.value if account else ""

    @admin.display(description="configured")
    def configured(self, row: SmsAccount) -> SafeString:
        account = _in_effect(row)
        lacks = missing(account)
        if account is not None and account.unavailable and account.enabled and not lacks:
            return badge("secret unavailable", "bad")
        if row.pk in vars(row)["stopped"]:
            return badge("sending stopped", "bad")
        verdict = badge("yes", "good") if not lacks else badge("no", "act")
        return format_html("{} {}", verdict, f"missing: {', '.join(lacks)}" if lacks else "")

    @admin.display(description="webhook path", ordering="webhook_path")
    def path(self, row: SmsAccount) -> str:
        account = _in_effect(row)
        return account.webhook_path if account else ""

    @admin.display(description="State")
    def readiness(self, row: SmsAccount) -> SafeString:
        account = settings_in_effect()[0].by_pk(row.pk)
        if account is None:
            return badge("not in use", "quiet")
        if not account.enabled:
            return badge("switched off", "quiet")
        lacks = missing(account)
        if lacks:
            return format_html("{} Missing: {}.", badge("incomplete", "act"), ", ".join(lacks))
        if account.unavailable:
            return format_html("{} {}", badge("secret unavailable", "bad"), account.unavailable)
        held_up = hindrances.of_account(row.pk, timezone.now())
        if held_up:
            return format_html_join(" ", "{}", ((badge(each.sentence, each.tone),) for each in held_up))
        return badge("ready to receive and to send", "good")

    @admin.display(description="Please note")
    def findings(self, row: SmsAccount) -> SafeString | str:
        """What is dangerous or useless about it: the system checks' own words."""
        account = settings_in_effect()[0].by_pk(row.pk)
        found = [one for one in checks.of_account(account) if one.id not in SAID_AS_STATE] if account else []
        if not found:
            return "Nothing: no setting is dangerous or in the way of another."
        return format_html_join(
            "",
            '<p class="sms-finding"><span class="{}">{}</span> {} <span class="sms-note">{}</span></p>',
            (
                ("sms-bad" if checks.is_grave(one) else "sms-act", one.msg, one.hint or "", one.id or "")
                for one in found
            ),
        )

    @admin.display(description="Paste into Twilio")
    def address_for_twilio(self, row: SmsAccount) -> SafeString | str:
        """The exact URL, and a word when its path is not the one this gateway listens at."""
        account = settings_in_effect()[0].by_pk(row.pk)
        if account is None or not account.public_webhook_url:
            return "Set the public webhook URL below; it is the address to paste at Twilio."
        path = urlsplit(account.public_webhook_url).path.rstrip("/") or "/"
        values = {"url": account.public_webhook_url, "path": path, "listens_at": account.webhook_path}
        return render_to_string("admin/openclaw_sms/address_for_twilio.html", values)

    @admin.display(description="Settings")
    def settings_table(self, row: SmsAccount) -> SafeString | str:
        account = settings_in_effect()[0].by_pk(row.pk)
        if account is None:
            return "Nothing: this account is not in use now."
        return render_to_string("admin/openclaw_sms/settings_table.html", {"settings": list(in_effect(row, account))})


def missing(account: Account | None) -> list[str]:
    """What an account still needs before it can send and receive, in the words of its form."""
    if account is None:
        return ["a place among the accounts in use"]
    needed = {
        "Account SID": account.account_sid,
        "auth token": account.auth_token or account.unavailable,
        "from number or Messaging Service SID": account.from_number or account.messaging_service_sid,
        "public webhook URL": account.public_webhook_url or account.validation_disabled,
    }
    return [name for name, value in needed.items() if not value]


def in_effect(row: SmsAccount, account: Account) -> Iterator[Setting]:
    """Every setting of an account that has a value, and where the value comes from."""
    channel = ChannelSettings.objects.only(*_shown(account), "auth_token_ref").first()
    levels: list[tuple[str, AccountSettings]] = [("set here", row)]
    levels += [("from the channel's settings", channel)] if channel else []
    for name, (label, value) in _shown(account).items():
        if value:
            source = next((where for where, level in levels if getattr(level, name) is not None), None)
            yield Setting(label, value, source or _source(row, default=value in DEFAULTS))
    for name, (label, is_set) in _secrets(account).items():
        if is_set:
            here = is_stored(row, name) or (name == "auth_token" and row.auth_token_ref is not None)
            yield Setting(label, "set", "set here" if here else _secret_source(row, name, channel))


def _shown(account: Account) -> dict[str, tuple[str, str]]:
    return {
        "account_sid": ("Account SID", account.account_sid),
        "from_number": ("From number", account.from_number),
        "messaging_service_sid": ("Messaging Service SID", account.messaging_service_sid),
        "default_to": ("Default recipient", account.default_to),
        "allow_from": ("Allowed senders", str(len(account.allow_from) or "")),
        "public_webhook_url": ("Public webhook URL", account.public_webhook_url),
        "webhook_path": ("Webhook path", account.webhook_path),
        "dm_policy": ("Policy", account.dm_policy.value),
        "text_chunk_limit": ("Characters a part", str(account.text_chunk_limit)),
        "dangerously_disable_signature_validation": (
            "Unsigned posts",
            "accepted" if account.validation_disabled else "",
        ),
    }


def _secrets(account: Account) -> dict[str, tuple[str, bool]]:
    """Whether each secret is set; the last two are only ever set outside of the console."""
    return {
        "auth_token": ("Auth token", bool(account.auth_token)),
        "secondary_auth_token": ("Secondary auth token", bool(account.secondary_auth_token)),
        "api_key": ("API key", bool(account.api_key_sid and account.api_key_secret)),
        "shared_keys": ("Webhook signing keys", bool(account.shared_keys)),
    }


def _source(row: SmsAccount, *, default: bool) -> str:
    if default:
        return "default"
    return {DEFAULT_ID: "from the environment", SANDBOX_ID: "from the sandbox"}.get(row.account_id, "default")


def _secret_source(row: SmsAccount, name: str, channel: ChannelSettings | None) -> str:
    """Where a secret that the row lacks comes from; the channel's is not read, only looked for."""
    if channel is not None and row.account_id != SANDBOX_ID and name in ("auth_token", *SECRETS):
        has_ref = name == "auth_token" and channel.auth_token_ref is not None
        if has_ref or ChannelSettings.objects.exclude(**{f"{name}__isnull": True}).exists():
            return "from the channel's settings"
    return _source(row, default=False)


def _in_effect(row: SmsAccount) -> Account | None:
    account: Account | None = vars(row)["in_effect"]
    return account
