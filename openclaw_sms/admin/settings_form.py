"""The form of one level of settings, the channel's or an account's: what may be entered, and what is stored of it.

A stored secret never enters the form: an empty field leaves it as it is, a tick removes it. A field that was not
touched leaves its column as it is, whatever it holds; an empty one says "not set here".
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.utils.safestring import mark_safe

from openclaw_sms.admin import setting_fields
from openclaw_sms.admin.components import RowForm
from openclaw_sms.admin.setting_fields import UNSAID
from openclaw_sms.config import entry
from openclaw_sms.config.accounts import LARGEST_TEXT_CHUNK
from openclaw_sms.config.credentials import KEYS
from openclaw_sms.config.secrets.reference import DEFAULT_PROVIDER, parse
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import ANYONE, AccountSettings, DmPolicy

Level = TypeVar("Level", bound=AccountSettings)

SECRETS = tuple(KEYS)
REFERENCE = ("auth_token_source", "auth_token_provider", "auth_token_id")

# Shown beside the field while it holds, by console.js, and again with the settings in effect.
WARNS_OPEN = mark_safe(
    '<strong class="sms-warning sms-bad" data-warns="open" hidden>Open: anyone in the world may then talk to your '
    "agent, at your cost. It needs * in the list below.</strong>"
)
WARNS_STAR = mark_safe(
    '<strong class="sms-warning sms-bad" data-warns="star" hidden>* admits anyone: it switches pairing and the rest '
    "of the list off.</strong>"
)

# Every column of a level that is a field of the form as it is; the others are declared below.
PLAIN = (
    "name",
    "account_sid",
    "api_key_sid",
    "from_number",
    "messaging_service_sid",
    "default_to",
    "text_chunk_limit",
    "media_max_mb",
    "segments_per_second",
    "public_webhook_url",
    "webhook_path",
    "inbound_per_minute",
    "dm_policy",
    "pairing_replies_per_day",
    "pairing_replies_per_sender",
    "replies_per_hour",
    "help_text",
    "quiet_hours",
)
DECLARED = (
    "config_writes",
    "dangerously_disable_signature_validation",
    "whatsapp",
    "answer_opt_out",
    "allow_from",
    "allow_countries",
    "owner_numbers",
)
SHARED = (*PLAIN, *DECLARED)

HINTS: Mapping[str, str] = {
    "account_sid": "AC and 32 hexadecimal digits, from Twilio's console.",
    "api_key_sid": "SK and 32 hexadecimal digits. With its secret it sends; the auth token still checks signatures.",
    "from_number": "Your Twilio number, for example +15551234567. It wins over a Messaging Service.",
    "messaging_service_sid": "MG and 32 hexadecimal digits. Needed only when there is no from number.",
    "default_to": "Where texts go that name nobody.",
    "text_chunk_limit": f"1 to {LARGEST_TEXT_CHUNK}. Longer replies go out in several texts. Empty is 1500.",
    "media_max_mb": "The largest attachment that is taken or sent; fractions too. Empty leaves it to Twilio.",
    "segments_per_second": "How fast this sender may send at Twilio. Empty is 1, a long code's rate.",
    "public_webhook_url": "The whole address Twilio posts to, byte for byte as it is entered there: "
    "signatures are computed over it.",
    "webhook_path": "Where this gateway listens, for example /webhooks/sms. No two accounts share a path.",
    "inbound_per_minute": "More texts than this from one sender wait. Empty is 30.",
    "dm_policy": "Who may talk. Empty is pairing: strangers get a code and you approve it. ",
    "pairing_replies_per_day": "Texts a day that strangers may cost you together. Empty is 50, 0 is none.",
    "pairing_replies_per_sender": "Texts a day that one stranger may cost you. Empty is 3.",
    "replies_per_hour": "More replies than this to one sender in an hour, and the agent rests. Empty is 60.",
    "help_text": "What HELP is answered with, where STOP, START and HELP are answered here.",
    "quiet_hours": "No texts of the gateway's own accord then, in the console's time zone: 21:00-08:00.",
}


class SettingsForm(RowForm[Level]):
    """Columns of both levels. A subclass names its model and its own fields, and saves."""

    new_auth_token = setting_fields.secret(
        "Auth token", "From Twilio's console. It is stored encrypted and never shown again."
    )
    clear_auth_token = setting_fields.removal("Remove the stored auth token")
    auth_token_source = setting_fields.reference_source()
    auth_token_provider = setting_fields.reference_part(
        "Provider of the reference", "Empty is default, which env and store have without more ado."
    )
    auth_token_id = setting_fields.reference_part(
        "Id of the reference",
        "env: a variable's name. store: a stored secret's name. file: a JSON pointer such as /twilio/token, "
        "or value. exec: what the program calls it.",
    )
    new_secondary_auth_token = setting_fields.secret(
        "Secondary auth token", "Accepted beside the auth token while it is being rotated at Twilio."
    )
    clear_secondary_auth_token = setting_fields.removal("Remove the stored secondary auth token")
    new_api_key_secret = setting_fields.secret("API key secret", "Shown once by Twilio, when the key is made.")
    clear_api_key_secret = setting_fields.removal("Remove the stored API key secret")
    config_writes = setting_fields.yes_or_no(
        "Configuration by text",
        "Kept for the reference channel's documents; no text changes this gateway's settings.",
    )
    dangerously_disable_signature_validation = setting_fields.yes_or_no(
        "Accept unsigned posts (dangerous)",
        "Whoever knows the webhook's address can then speak as anybody, also as you. "
        "Only for a trial on a machine that nobody else reaches.",
    )
    whatsapp = setting_fields.yes_or_no("WhatsApp senders", "Whether texts from WhatsApp are answered too.")
    answer_opt_out = setting_fields.yes_or_no(
        "Answer STOP, START and HELP", "Twilio answers them itself, unless that is switched off there."
    )
    allow_from = setting_fields.lines(
        "Allowed senders",
        mark_safe(f"Numbers that may talk, one a line; * is anyone. {WARNS_STAR}"),  # noqa: S308
    )
    allow_countries = setting_fields.lines(
        "Countries of strangers", "Two-letter codes, one a line: strangers from elsewhere get no code. Empty is any."
    )
    owner_numbers = setting_fields.lines(
        "Owner's numbers", "One a line: these may approve by text, and are told what needs a person."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, hint in HINTS.items():
            if name in self.fields:
                self.fields[name].help_text = hint
        if "dm_policy" in self.fields:
            self.fields["dm_policy"].choices = [("", UNSAID), *DmPolicy.choices]  # type: ignore[attr-defined]
            self.fields["dm_policy"].help_text = mark_safe(HINTS["dm_policy"] + WARNS_OPEN)  # noqa: S308
        for name in SECRETS:
            if is_stored(self.instance, name) and f"new_{name}" in self.fields:
                self.fields[f"new_{name}"].widget.attrs["placeholder"] = "stored; leave empty to keep it"
        self._show_reference()

    def _show_reference(self) -> None:
        ref = self.instance.auth_token_ref
        if isinstance(ref, dict):
            for name in REFERENCE:
                self.initial.setdefault(name, ref.get(name.removeprefix("auth_token_"), ""))

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        for name in SHARED:
            if name in found:
                self._fit(name)
        for name in SECRETS:
            self._fit_secret(name)
        self._read_reference()
        self._refuse_open_without_anyone()
        return found

    def _fit(self, name: str) -> None:
        if name not in self.changed_data:
            self.cleaned_data[name] = getattr(self.instance, name)
            return
        try:
            self.cleaned_data[name] = entry.fit(name, self.cleaned_data[name])
        except ConfigurationError as error:
            self.add_error(name, str(error))

    def _fit_secret(self, name: str) -> None:
        entered, removes = self.cleaned_data.get(f"new_{name}"), self.cleaned_data.get(f"clear_{name}")
        if entered and removes:
            self.add_error(f"new_{name}", "Either enter a new secret or remove the stored one, not both.")
            return
        try:
            entry.fit(name, entered)
        except ConfigurationError as error:
            self.add_error(f"new_{name}", str(error))

    def _read_reference(self) -> None:
        """Put the reference together; `auth_token_ref` is then None or what its column takes."""
        source, provider, secret_id = (self.cleaned_data.get(name) or "" for name in REFERENCE)
        self.cleaned_data["auth_token_ref"] = None
        if not source:
            if secret_id:
                self.add_error("auth_token_source", "Choose where the reference leads, or empty its id.")
            return
        if self.cleaned_data.get("new_auth_token"):
            self.add_error("new_auth_token", "Either enter the token or refer to it, not both.")
        try:
            ref = parse({"source": source, "provider": provider or DEFAULT_PROVIDER, "id": secret_id})
        except ConfigurationError as error:
            self.add_error("auth_token_provider" if "provider must" in str(error) else "auth_token_id", str(error))
        else:
            self.cleaned_data["auth_token_ref"] = ref.as_dict()

    def _refuse_open_without_anyone(self) -> None:
        """The reference channel's rule: * must be in the list of the same level."""
        if not {"dm_policy", "allow_from"} & set(self.changed_data):
            return
        if self.cleaned_data.get("dm_policy") == DmPolicy.OPEN and ANYONE not in (
            self.cleaned_data.get("allow_from") or ()
        ):
            self.add_error(
                "dm_policy",
                "Policy: open admits anyone only if * is among the allowed senders below; add it, or choose pairing.",
            )

    def save(self, commit: bool = True) -> Level:
        """What was not touched is not written: neither a secret nor a column that holds more than the form shows."""
        for name in DECLARED:
            if name in self.cleaned_data:
                setattr(self.instance, name, self.cleaned_data[name])
        for name in SECRETS:
            if self.cleaned_data.get(f"clear_{name}"):
                setattr(self.instance, name, None)
            elif new := self.cleaned_data.get(f"new_{name}"):
                setattr(self.instance, name, new)
        if set(REFERENCE) & set(self.changed_data) or self.cleaned_data.get("new_auth_token"):
            self.instance.auth_token_ref = self.cleaned_data.get("auth_token_ref")
            if self.instance.auth_token_ref is not None:
                self.instance.auth_token = None  # a level has one or the other
        saved: Level = super().save(commit)
        return saved

    def changed_settings(self) -> list[str]:
        """The names of the settings this form changes, and nothing of their values."""
        return sorted({_column(name) for name in self.changed_data})


def _column(field: str) -> str:
    return "auth_token_ref" if field in REFERENCE else field.removeprefix("new_").removeprefix("clear_")


def is_stored(row: AccountSettings, name: str) -> bool:
    """Whether the row has that secret, by the annotation of the console's queryset; the secret is not read."""
    return bool(vars(row).get(f"has_{name}"))


def secret_fields(row: AccountSettings | None) -> tuple[str, ...]:
    """A field to enter each secret, and one to remove it where there is one."""
    fields: list[str] = []
    for name in SECRETS:
        if name == "api_key_secret":
            fields.append("api_key_sid")
        fields.append(f"new_{name}")
        if row is not None and is_stored(row, name):
            fields.append(f"clear_{name}")
        if name == "auth_token":
            fields.extend(REFERENCE)
    return tuple(fields)


def groups(row: AccountSettings | None, *own: str) -> list[tuple[str, dict[str, Any]]]:
    """The settings as people look for them. `own`: what the level has beside them, first of all."""
    return [
        ("Account", {"fields": (*own, "name")}),
        (
            "Credentials",
            {
                "fields": ("account_sid", *secret_fields(row)),
                "description": "Empty fields leave the decision to the next level, the environment or a default.",
            },
        ),
        (
            "Sending",
            {
                "fields": (
                    "from_number",
                    "messaging_service_sid",
                    "default_to",
                    "text_chunk_limit",
                    "segments_per_second",
                    "media_max_mb",
                )
            },
        ),
        (
            "Receiving",
            {
                "fields": (
                    "public_webhook_url",
                    "webhook_path",
                    "whatsapp",
                    "dangerously_disable_signature_validation",
                )
            },
        ),
        ("Who may talk", {"fields": ("dm_policy", "allow_from", "owner_numbers", "allow_countries")}),
        ("STOP, HELP and quiet hours", {"fields": ("answer_opt_out", "help_text", "quiet_hours")}),
        (
            "Limits",
            {
                "fields": (
                    "inbound_per_minute",
                    "replies_per_hour",
                    "pairing_replies_per_day",
                    "pairing_replies_per_sender",
                    "config_writes",
                )
            },
        ),
    ]
