"""What the pages of both levels of settings have in common.

Secrets go in and never come out: no list, form, message or history of these pages reads one.
"""

from collections.abc import Iterable
from typing import TypeVar

from django.contrib import messages
from django.core.checks import CheckMessage
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from openclaw_sms.access import audit
from openclaw_sms.admin.components import ConsoleAdmin, operator, settings_in_effect
from openclaw_sms.admin.settings_form import SECRETS, SettingsForm
from openclaw_sms.config import accounts, checks
from openclaw_sms.models import AccountSettings, SmsAccount

Level = TypeVar("Level", bound=AccountSettings)


class SettingsAdmin(ConsoleAdmin[Level]):
    """`audited_as`: the word that the audit trail begins with."""

    audited_as = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Level]:
        """Rows without their secrets, which are not even decrypted; only whether there is one."""
        stored = {f"has_{name}": _has_secret(name) for name in SECRETS}
        found: QuerySet[Level] = super().get_queryset(request).defer(*SECRETS).annotate(**stored)
        return found

    @method_decorator(sensitive_post_parameters(*(f"new_{name}" for name in SECRETS)))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        if request.method == "GET":
            say_conflicts(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Level, form: Form, change: bool) -> None:
        changed = form.changed_settings() if isinstance(form, SettingsForm) else []
        super().save_model(request, obj, form, change)
        if changed or not change:
            audit.record(
                f"{self.audited_as}.{'changed' if change else 'added'}",
                actor=operator(request),
                at=timezone.now(),
                account_id=obj.pk if isinstance(obj, SmsAccount) else None,
                subject=str(obj),
                fields=changed,
            )
        transaction.on_commit(accounts.forget)

    def has_delete_permission(self, request: HttpRequest, obj: Level | None = None) -> bool:
        """Conversations hang on an account, and accounts on the channel: they are switched off instead."""
        return False


def say_conflicts(request: HttpRequest) -> None:
    """Say what no single account can be blamed for."""
    known, problem = settings_in_effect()
    for sentence in filter(None, [problem, *known.conflicts]):
        messages.warning(request, sentence)


def say_who_rests(request: HttpRequest) -> None:
    """Say which accounts rest for want of a secret."""
    for account in settings_in_effect()[0].by_id.values():
        if account.enabled and account.unavailable:
            messages.warning(request, f"Account {account.id}: {account.unavailable}")


def say_dangers(request: HttpRequest, found: Iterable[CheckMessage]) -> None:
    """After a change: what is now dangerous, in red."""
    for message in found:
        if checks.is_grave(message):
            messages.error(request, f"{message.msg} {message.hint}")


def _has_secret(name: str) -> "ExpressionWrapper[Q]":
    return ExpressionWrapper(Q(**{f"{name}__isnull": False}) & ~Q(**{name: ""}), output_field=BooleanField())
