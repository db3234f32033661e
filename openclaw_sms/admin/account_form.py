"""The form of an account: its own fields beside the settings of a level, and what they must not be together."""

import re
from typing import Any

from django import forms
from django.core.validators import validate_slug

from openclaw_sms.admin.components import settings_in_effect
from openclaw_sms.admin.settings_form import PLAIN, SettingsForm
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import SANDBOX_ID, normalise_id, normalise_path
from openclaw_sms.models import SmsAccount

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


class AccountForm(SettingsForm[SmsAccount]):
    class Meta:
        model = SmsAccount
        fields = ("account_id", "enabled", *PLAIN)
        help_texts = {
            "account_id": "What commands and logs call it: small letters, digits and hyphens. It never changes.",
            "enabled": "Switched off, it receives, answers and sends nothing. Its conversations stay.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "account_id" in self.fields:
            # `clean_account_id` first makes an id of what was typed; the row checks the result.
            self.fields["account_id"].validators.remove(validate_slug)

    def clean_account_id(self) -> str:
        account_id = normalise_id(self.cleaned_data["account_id"])
        if not ACCOUNT_ID.fullmatch(account_id):
            raise forms.ValidationError("Account id: use small letters, digits and hyphens, for example support.")
        if account_id == SANDBOX_ID and self.instance.pk is None:
            raise forms.ValidationError("Account id: this one belongs to the sandbox; choose another.")
        return account_id

    def clean(self) -> dict[str, Any]:
        found = super().clean()
        self._refuse_shared_path()
        return found

    def _refuse_shared_path(self) -> None:
        if "webhook_path" not in self.cleaned_data:
            return
        known = settings_in_effect()[0]
        path = self.cleaned_data["webhook_path"] or self._path_from_elsewhere(known)
        others = (other for other in known.by_id.values() if other.pk != self.instance.pk)
        owner = next((other.id for other in others if other.webhook_path == path), None)
        if owner is not None:
            own_id = self.cleaned_data.get("account_id") or self.instance.account_id or "another"
            self.add_error(
                "webhook_path",
                f"Webhook path: {path} belongs to account {owner}; choose another, for example {path}/{own_id}.",
            )

    def _path_from_elsewhere(self, known: accounts.Accounts) -> str:
        """The path an empty field stands for."""
        before = known.by_pk(self.instance.pk) if self.instance.pk else None
        if before is not None and "webhook_path" not in self.changed_data:
            return before.webhook_path
        return normalise_path("")
