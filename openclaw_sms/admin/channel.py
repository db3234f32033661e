"""The channel's own settings: what holds for every account that does not say otherwise. One row, one page."""

from typing import Any

from django.contrib import admin
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from openclaw_sms.admin import setting_fields
from openclaw_sms.admin.components import settings_in_effect
from openclaw_sms.admin.settings_admin import SettingsAdmin, say_dangers
from openclaw_sms.admin.settings_form import PLAIN, SettingsForm, groups
from openclaw_sms.config import checks
from openclaw_sms.config.accounts import normalise_id
from openclaw_sms.models import ChannelSettings

ONLY_ROW = 1


class ChannelForm(SettingsForm[ChannelSettings]):
    enabled = setting_fields.yes_or_no("Enabled", "No switches every account off, whatever it says itself.")

    class Meta:
        model = ChannelSettings
        fields = ("enabled", "default_account", *PLAIN)
        help_texts = {
            "default_account": "The account that sends when nobody names one. Empty is default, else the first."
        }

    def clean_default_account(self) -> str | None:
        return normalise_id(self.cleaned_data["default_account"] or "") or None


@admin.register(ChannelSettings)
class ChannelSettingsAdmin(SettingsAdmin[ChannelSettings]):
    form = ChannelForm
    audited_as = "channel"

    def get_fieldsets(self, request: HttpRequest, obj: ChannelSettings | None = None) -> list[tuple[str | None, Any]]:  # type: ignore[override]
        account, *others = groups(obj, "enabled", "default_account")
        description = "What is set here holds for every account that does not set it itself."
        return [("Every account", {**account[1], "description": description}), *others]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """There is one row: its page is the list."""
        exists = ChannelSettings.objects.filter(pk=ONLY_ROW).exists()
        name = "admin:openclaw_sms_channelsettings_" + ("change" if exists else "add")
        return HttpResponseRedirect(reverse(name, args=[ONLY_ROW] if exists else []))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not ChannelSettings.objects.exists()

    def save_model(self, request: HttpRequest, obj: ChannelSettings, form: Form, change: bool) -> None:
        obj.pk = ONLY_ROW
        super().save_model(request, obj, form, change)
        for account in settings_in_effect()[0].by_id.values():
            say_dangers(request, checks.of_account(account))
