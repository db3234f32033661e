"""The form of an account: what may be entered, and the sentence that names the field and the fix when it may not.

A stored secret never enters the form. An empty field leaves it as it is; a tick removes it.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.validators import validate_slug
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from openclaw_sms.admin.components import RowForm, settings_in_effect
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import LARGEST_TEXT_CHUNK, SANDBOX_ID, normalise_id, normalise_path
from openclaw_sms.models import ANYONE, DmPolicy, SmsAccount
from openclaw_sms.text.phone import InvalidNumber, normalise_number

SECRETS = ("auth_token", "secondary_auth_token")
NUMBERS: Mapping[str, str] = {"from_number": "From number", "default_to": "Default recipient"}
SIDS: Mapping[str, tuple[str, str]] = {
    "account_sid": ("Account SID", "AC"),
    "messaging_service_sid": ("Messaging Service SID", "MG"),
}
ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def _secret(label: str, hint: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=200,
        help_text=hint,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )


def _removal(label: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget())


class AccountForm(RowForm[SmsAccount]):
    """An empty field means "not set here": then the environment or a default decides."""

    new_auth_token = _secret("Auth token", "From Twilio's console. It is stored encrypted and never shown again.")
    clear_auth_token = _removal("Remove the stored auth token")
    new_secondary_auth_token = _secret(
        "Secondary auth token", "Accepted beside the auth token while it is being rotated at Twilio."
    )
    clear_secondary_auth_token = _removal("Remove the stored secondary auth token")
    dangerously_disable_signature_validation = forms.BooleanField(
        label="Accept unsigned posts (dangerous)",
        required=False,
        help_text="Whoever knows the webhook's address can then speak as anybody, also as you. "
        "Only for a trial on a machine that nobody else reaches.",
        widget=UnfoldBooleanSwitchWidget(),
    )

    class Meta:
        model = SmsAccount
        fields = (
            "account_id",
            "enabled",
            "name",
            "dm_policy",
            "account_sid",
            "from_number",
            "messaging_service_sid",
            "default_to",
            "text_chunk_limit",
            "public_webhook_url",
            "webhook_path",
            "dangerously_disable_signature_validation",
        )
        help_texts = {
            "account_id": "What commands and logs call it: small letters, digits and hyphens. It never changes.",
            "enabled": "Switched off, it receives, answers and sends nothing. Its conversations stay.",
            "dm_policy": "Who may talk. Empty is pairing: strangers get a code and you approve it.",
            "account_sid": "AC and 32 hexadecimal digits, from Twilio's console.",
            "from_number": "Your Twilio number, for example +15551234567. It wins over a Messaging Service.",
            "messaging_service_sid": "MG and 32 hexadecimal digits. Needed only when there is no from number.",
            "default_to": "Where texts go that name nobody.",
            "text_chunk_limit": f"1 to {LARGEST_TEXT_CHUNK}. Longer replies go out in several texts. Empty is 1500.",
            "public_webhook_url": "The whole address Twilio posts to, byte for byte as it is entered there: "
            "signatures are computed over it.",
            "webhook_path": "Where this gateway listens, for example /webhooks/sms. No two accounts share a path.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "account_id" in self.fields:
            # `clean_account_id` first makes an id of what was typed; the row checks the result.
            self.fields["account_id"].validators.remove(validate_slug)
        if "dm_policy" in self.fields:
            self.fields["dm_policy"].choices = [("", "not set here"), *DmPolicy.choices]  # type: ignore[attr-defined]
        for name in SECRETS:
            if is_stored(self.instance, name):
                self.fields[f"new_{name}"].widget.attrs["placeholder"] = "stored; leave empty to keep it"

    def clean_account_id(self) -> str:
        account_id = normalise_id(self.cleaned_data["account_id"])
        if not ACCOUNT_ID.fullmatch(account_id):
            raise forms.ValidationError("Account id: use small letters, digits and hyphens, for example support.")
        if account_id == SANDBOX_ID and self.instance.pk is None:
            raise forms.ValidationError("Account id: this one belongs to the sandbox; choose another.")
        return account_id

    def clean_account_sid(self) -> str | None:
        return self._sid("account_sid")

    def clean_messaging_service_sid(self) -> str | None:
        return self._sid("messaging_service_sid")

    def clean_from_number(self) -> str | None:
        return self._number("from_number")

    def clean_default_to(self) -> str | None:
        return self._number("default_to")

    def clean_new_auth_token(self) -> str:
        return self._token("new_auth_token", "Auth token")

    def clean_new_secondary_auth_token(self) -> str:
        return self._token("new_secondary_auth_token", "Secondary auth token")

    def clean_text_chunk_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["text_chunk_limit"]
        if limit is not None and not 1 <= limit <= LARGEST_TEXT_CHUNK:
            raise forms.ValidationError(f"Characters a part: enter a number from 1 to {LARGEST_TEXT_CHUNK}.")
        return limit

    def clean_dangerously_disable_signature_validation(self) -> bool | None:
        """False would say no more than "not set here" does: it cannot close what the environment opens."""
        return self.cleaned_data["dangerously_disable_signature_validation"] or None

    def clean_public_webhook_url(self) -> str | None:
        url: str | None = self.cleaned_data["public_webhook_url"]
        if url and not _is_web_address(url):
            raise forms.ValidationError(
                "Public webhook URL: enter a whole address that begins with https:// (or http:// for a trial), "
                "for example https://sms.example.org/webhooks/sms."
            )
        return url

    def clean_webhook_path(self) -> str | None:
        raw: str | None = self.cleaned_data["webhook_path"]
        if raw is None:
            return None
        path = normalise_path(raw)
        if not PATH.fullmatch(path):
            raise forms.ValidationError(
                "Webhook path: enter a path of letters, digits, hyphens and slashes, for example /webhooks/sms."
            )
        if accounts.is_reserved(path):
            raise forms.ValidationError(
                "Webhook path: this one belongs to the gateway itself; choose another, for example /webhooks/sms."
            )
        return path

    def clean(self) -> dict[str, object]:
        found = super().clean() or self.cleaned_data
        self._refuse_shared_path()
        self._refuse_open_without_anyone()
        for name in SECRETS:
            if found.get(f"new_{name}") and found.get(f"clear_{name}"):
                self.add_error(f"new_{name}", "Either enter a new token or remove the stored one, not both.")
        return found

    def save(self, commit: bool = True) -> SmsAccount:
        for name in SECRETS:
            if self.cleaned_data.get(f"clear_{name}"):
                setattr(self.instance, name, None)
            elif new := self.cleaned_data.get(f"new_{name}"):
                setattr(self.instance, name, new)
        return super().save(commit)

    def changed_settings(self) -> list[str]:
        """The names of the settings this form changes, and nothing of their values."""
        return sorted({name.removeprefix("new_").removeprefix("clear_") for name in self.changed_data})

    def _sid(self, name: str) -> str | None:
        label, prefix = SIDS[name]
        sid: str | None = self.cleaned_data[name]
        if sid and not re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", sid):
            raise forms.ValidationError(
                f"{label}: copy it from Twilio's console; it is {prefix} and 32 hexadecimal digits."
            )
        return sid

    def _number(self, name: str) -> str | None:
        raw: str | None = self.cleaned_data[name]
        if not raw:
            return raw
        try:
            return normalise_number(raw, region=accounts.default_region())
        except InvalidNumber as error:
            raise forms.ValidationError(f"{NUMBERS[name]}: {error}") from None

    def _token(self, name: str, label: str) -> str:
        token = str(self.cleaned_data[name])
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise forms.ValidationError(f"{label}: copy it from Twilio's console; it has no spaces and no accents.")
        return token

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

    def _refuse_open_without_anyone(self) -> None:
        if self.cleaned_data.get("dm_policy") != DmPolicy.OPEN:
            return
        known = settings_in_effect()[0].by_pk(self.instance.pk) if self.instance.pk else None
        if known is None or ANYONE not in known.allow_from:
            self.add_error(
                "dm_policy",
                "Policy: open admits anyone only if configuration lists * as an allowed sender; "
                "set SMS_ALLOWED_USERS to * for the default account first, or choose pairing.",
            )


def is_stored(row: SmsAccount, name: str) -> bool:
    """Whether the row has that secret, by the annotation of the console's queryset; the secret is not read."""
    return bool(vars(row).get(f"has_{name}"))


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return port_is_one and parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", url)
