"""What a person may enter for a setting, in the console's forms and at `channels add`.

`config.schema` decides, as it does for a document; the words are those of the forms. People who type make mistakes
that a document's author is trusted with, so a few settings are looked at more closely here.
"""

import re
from collections.abc import Mapping
from typing import Any

from openclaw_sms.config import kinds, schema
from openclaw_sms.config.accounts import LARGEST_TEXT_CHUNK, SANDBOX_ID, normalise_id
from openclaw_sms.config.kinds import Kind, Unfit
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.config.validation import ACCOUNT_ID

# By column: what the forms call it.
LABELS: Mapping[str, str] = {
    "account_sid": "Account SID",
    "auth_token": "Auth token",
    "secondary_auth_token": "Secondary auth token",
    "api_key_sid": "API key SID",
    "api_key_secret": "API key secret",
    "from_number": "From number",
    "messaging_service_sid": "Messaging Service SID",
    "default_to": "Default recipient",
    "initiate_to": "May be texted first",
    "text_chunk_limit": "Characters a part",
    "media_max_mb": "Megabytes an attachment",
    "segments_per_second": "Segments a second",
    "webhook_path": "Webhook path",
    "public_webhook_url": "Public webhook URL",
    "inbound_per_minute": "Texts a sender and minute",
    "dm_policy": "Policy",
    "allow_from": "Allowed senders",
    "owner_numbers": "Owner's numbers",
    "allow_countries": "Countries",
    "pairing_replies_per_day": "Pairing replies a day",
    "pairing_replies_per_sender": "Pairing replies a sender and day",
    "replies_per_hour": "Agent replies a sender and hour",
    "quiet_hours": "Quiet hours",
    "name": "Name",
}


def _pasted_sid(prefix: str) -> Kind:
    def read(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", value.strip()):
            raise Unfit(f"must be {prefix} and 32 hexadecimal digits; copy it from Twilio's console")
        return value

    return read


def _pasted_secret(value: Any) -> Any:
    pasted = value.strip() if isinstance(value, str) else ""
    if not (pasted.isascii() and pasted.isprintable() and " " not in pasted):
        raise Unfit("has a space or an accent in it; copy it from Twilio's console")
    return value


CLOSER: Mapping[str, Kind] = {
    "account_sid": _pasted_sid("AC"),
    "api_key_sid": _pasted_sid("SK"),
    "messaging_service_sid": _pasted_sid("MG"),
    "auth_token": _pasted_secret,
    "secondary_auth_token": _pasted_secret,
    "api_key_secret": _pasted_secret,
    # A document written for the reference channel may say more; here it would only mislead.
    "text_chunk_limit": kinds.whole_number(1, LARGEST_TEXT_CHUNK),
}
_KINDS: Mapping[str, Kind] = {key.column: key.kind for key in schema.KEYS.values()}


def fit(column: str, value: Any) -> Any:
    """The value as it is stored. None and "" say nothing and always fit.

    Raises `ConfigurationError`: its sentence names the field, says what is wanted, and repeats nothing of the value.
    """
    if value is None or value == "" or column not in LABELS:
        return value
    try:
        for kind in filter(None, (CLOSER.get(column), _KINDS[column])):
            value = kind(value)
    except Unfit as unfit:
        raise ConfigurationError(f"{LABELS[column]}{_entry(unfit.at)} {unfit}.") from None
    return value


def needed(column: str, raw: str) -> Any:
    """As `fit`, for what must not be blank."""
    if not raw.strip():
        raise ConfigurationError(f"{LABELS[column]} is needed: nothing was entered.")
    return fit(column, raw)


def account_id(raw: str) -> str:
    entered = normalise_id(raw)
    if not ACCOUNT_ID.fullmatch(entered):
        raise ConfigurationError("Account id: use small letters, digits and hyphens, for example support.")
    if entered == SANDBOX_ID:
        raise ConfigurationError("Account id: this one belongs to the sandbox; choose another.")
    return entered


def allow_from(raw: str) -> list[str]:
    """A comma-separated list of numbers, or `*`."""
    entered: list[str] = fit("allow_from", [word.strip() for word in raw.split(",") if word.strip()])
    return entered


def _entry(at: str) -> str:
    """`[1]` → `, entry 2,`: people count from one."""
    return f", entry {int(at.strip('[]')) + 1}," if at else ""
