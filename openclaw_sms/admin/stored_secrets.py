"""Secrets of the gateway's own table: names, dates and who refers to them. A value goes in and never comes out."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from openclaw_sms.access import audit
from openclaw_sms.admin import setting_fields
from openclaw_sms.admin.components import CompletedChangeList, ConsoleAdmin, RowForm, operator
from openclaw_sms.config import accounts, stored_secrets
from openclaw_sms.config.secrets import resolver
from openclaw_sms.models import StoredSecret


class StoredSecretForm(RowForm[StoredSecret]):
    new_value = setting_fields.secret("Value", "It is stored encrypted and never shown again.")

    class Meta:
        model = StoredSecret
        fields = ("name",)
        help_texts = {"name": "A capital letter, then A-Z, 0-9 and _. A reference names it: source store, this id."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_value"].required = True
        self.fields["new_value"].max_length = None  # type: ignore[attr-defined]
        self.fields["new_value"].validators.clear()


@admin.register(StoredSecret)
class StoredSecretAdmin(ConsoleAdmin[StoredSecret]):
    form = StoredSecretForm
    list_display = ("name", "used_by", "created_at", "updated_at")
    search_fields = ("name",)
    search_help_text = "A whole name"
    fields = ("name", "new_value")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredSecret]:
        return super().get_queryset(request).defer("value")

    def get_readonly_fields(self, request: HttpRequest, obj: StoredSecret | None = None) -> tuple[str, ...]:
        """References name it: another name is another secret."""
        return () if obj is None else ("name",)

    @method_decorator(sensitive_post_parameters("new_value"))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return CompletedChangeList

    def complete(self, rows: list[StoredSecret]) -> list[StoredSecret]:
        """Give every row the settings that refer to it."""
        users = {one.name: one.used_by for one in stored_secrets.listed()}
        for row in rows:
            vars(row)["used_by"] = users.get(row.name, ())
        return rows

    @admin.display(description="used by")
    def used_by(self, row: StoredSecret) -> str:
        return ", ".join(vars(row)["used_by"]) or "nobody"

    def save_model(self, request: HttpRequest, obj: StoredSecret, form: Form, change: bool) -> None:
        obj.value, obj.updated_at = form.cleaned_data["new_value"], timezone.now()
        super().save_model(request, obj, form, change)
        audit.record("secret.stored", actor=operator(request), at=timezone.now(), subject=obj.name)
        transaction.on_commit(_look_again)

    def delete_model(self, request: HttpRequest, obj: StoredSecret) -> None:
        if users := stored_secrets.users_of(obj.name):
            messages.warning(
                request, f"Still referred to by {', '.join(users)}: what refers to it rests from now on."
            )
        super().delete_model(request, obj)
        audit.record("secret.removed", actor=operator(request), at=timezone.now(), subject=obj.name)
        transaction.on_commit(_look_again)


def _look_again() -> None:
    resolver.look_again()
    accounts.forget()
