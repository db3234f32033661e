"""Twilio accounts: what is set here, what is in effect, and what is still missing.

Secrets go in and never come out: no list, form, message or history of this module reads one.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from openclaw_sms.access import audit
from openclaw_sms.admin import hindrances
from openclaw_sms.admin.account_form import SECRETS, AccountForm, is_stored
from openclaw_sms.admin.components import CompletedChangeList, ConsoleAdmin, badge, operator, settings_in_effect
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import (
    DEFAULT_ID,
    DEFAULT_TEXT_CHUNK_LIMIT,
    DEFAULT_WEBHOOK_PATH,
    SANDBOX_ID,
    Account,
)
from openclaw_sms.messaging import circuits
from openclaw_sms.models import DmPolicy, SmsAccount
from openclaw_sms.text.phone import mask

DEFAULTS = frozenset({DEFAULT_WEBHOOK_PATH, str(DEFAULT_TEXT_CHUNK_LIMIT), DmPolicy.PAIRING.value})
IN_EFFECT = ("readiness", "address_for_twilio", "settings_table")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in effect: where it comes from, and its value; of a secret, only that it is set."""

    label: str
    value: str
    source: str


@admin.register(SmsAccount)
class SmsAccountAdmin(ConsoleAdmin[SmsAccount]):
    form = AccountForm
    list_display = ("account_id", "name", "texts_from", "policy", "enabled", "configured", "path")
    list_filter = ("enabled", "dm_policy")
    search_fields = ("account_id",)
    search_help_text = "An account id"
    readonly_fields = IN_EFFECT

    def get_queryset(self, request: HttpRequest) -> QuerySet[SmsAccount]:
        """Rows without their secrets, which are not even decrypted; only whether there is one."""
        stored = {f"has_{name}": _has_secret(name) for name in SECRETS}
        return super().get_queryset(request).defer(*SECRETS).annotate(**stored)

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

    def get_readonly_fields(self, request: HttpRequest, obj: SmsAccount | None = None) -> tuple[str, ...]:
        """An id never changes: conversations, commands and logs know the account by it."""
        return IN_EFFECT if obj is None else (*IN_EFFECT, "account_id")

    def get_fieldsets(self, request: HttpRequest, obj: SmsAccount | None = None) -> list[tuple[str | None, dict]]:  # type: ignore[override,type-arg]
        return [
            *([("In effect now", {"fields": IN_EFFECT})] if obj else []),
            ("Account", {"fields": ("account_id", "enabled", "name", "dm_policy")}),
            (
                "Credentials",
                {
                    "fields": ("account_sid", *_secret_fields(obj)),
                    "description": "Empty fields leave the decision to the environment or a default.",
                },
            ),
            ("Sending", {"fields": ("from_number", "messaging_service_sid", "default_to", "text_chunk_limit")}),
            (
                "Receiving",
                {"fields": ("public_webhook_url", "webhook_path", "dangerously_disable_signature_validation")},
            ),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: SmsAccount | None = None) -> bool:
        """Its conversations are kept, so is the account: it is switched off instead."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        _warn(request)
        return super().changelist_view(request, extra_context)

    @method_decorator(sensitive_post_parameters(*(f"new_{name}" for name in SECRETS)))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        if request.method == "GET":
            _warn(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: SmsAccount, form: Form, change: bool) -> None:
        changed = form.changed_settings() if isinstance(form, AccountForm) else []
        super().save_model(request, obj, form, change)
        if changed or not change:
            audit.record(
                "account.changed" if change else "account.added",
                actor=operator(request),
                at=timezone.now(),
                account_id=obj.pk,
                subject=obj.account_id,
                fields=changed,
            )
        transaction.on_commit(accounts.forget)
        transaction.on_commit(functools.partial(circuits.probe_soon, obj.pk))

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
        held_up = hindrances.of_account(row.pk, timezone.now())
        if held_up:
            return format_html_join(" ", "{}", ((badge(each.sentence, each.tone),) for each in held_up))
        return badge("ready to receive and to send", "good")

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
        "auth token": account.auth_token,
        "from number or Messaging Service SID": account.from_number or account.messaging_service_sid,
        "public webhook URL": account.public_webhook_url or account.validation_disabled,
    }
    return [name for name, value in needed.items() if not value]


def in_effect(row: SmsAccount, account: Account) -> Iterator[Setting]:
    """Every setting of an account that has a value, and where the value comes from."""
    for name, (label, value) in _shown(account).items():
        if value:
            # False is no more than "not set here": it cannot close what the environment opens.
            set_here = getattr(row, name) not in (None, False)
            yield Setting(label, value, _source(row, set_here=set_here, default=value in DEFAULTS))
    for name, (label, is_set) in _secrets(account).items():
        if is_set:
            yield Setting(label, "set", _source(row, set_here=is_stored(row, name), default=False))


def _shown(account: Account) -> dict[str, tuple[str, str]]:
    return {
        "account_sid": ("Account SID", account.account_sid),
        "from_number": ("From number", account.from_number),
        "messaging_service_sid": ("Messaging Service SID", account.messaging_service_sid),
        "default_to": ("Default recipient", account.default_to),
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


def _source(row: SmsAccount, *, set_here: bool, default: bool) -> str:
    if set_here:
        return "set here"
    if default:
        return "default"
    return {DEFAULT_ID: "from the environment", SANDBOX_ID: "from the sandbox"}.get(row.account_id, "default")


def _has_secret(name: str) -> "ExpressionWrapper[Q]":
    return ExpressionWrapper(Q(**{f"{name}__isnull": False}) & ~Q(**{name: ""}), output_field=BooleanField())


def _secret_fields(row: SmsAccount | None) -> tuple[str, ...]:
    """A field to enter each secret, and one to remove it where there is one."""
    fields: list[str] = []
    for name in SECRETS:
        fields.append(f"new_{name}")
        if row is not None and is_stored(row, name):
            fields.append(f"clear_{name}")
    return tuple(fields)


def _in_effect(row: SmsAccount) -> Account | None:
    account: Account | None = vars(row)["in_effect"]
    return account


def _warn(request: HttpRequest) -> None:
    """Say what no single account can be blamed for."""
    known, problem = settings_in_effect()
    for sentence in filter(None, [problem, *known.conflicts]):
        messages.warning(request, sentence)
