"""The environment's settings for the default account, as the reference channel names them.

The values are read when they are asked for, so that a test or a tool can change them; nothing here touches a row.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from openclaw_sms.models import ANYONE
from openclaw_sms.text.phone import InvalidNumber, normalise_number
from project import environment

IDENTIFYING_NAMES = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_PHONE_NUMBER",
    "TWILIO_SMS_FROM",
    "TWILIO_MESSAGING_SERVICE_SID",
)


class ConfigurationError(ValueError):
    """A setting that cannot be used. The message names the setting and the fix, and never shows its value."""

    code = "configuration"


@dataclass(frozen=True, slots=True)
class AccountEnvironment:
    """What the environment says of the default account. "" and None mean "not said"."""

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    secondary_auth_token: str = field(default="", repr=False)
    api_key_sid: str = ""
    api_key_secret: str = field(default="", repr=False)
    from_number: str = ""
    messaging_service_sid: str = ""
    public_webhook_url: str = ""
    webhook_path: str = ""
    allow_from: tuple[str, ...] = ()
    text_chunk_limit: int | None = None
    validation_disabled: bool = False
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


def account_environment(default_region: str | None = None) -> AccountEnvironment:
    """Raises `ConfigurationError` for a value that cannot be used; the message names the variable."""
    return AccountEnvironment(
        account_sid=environment.text("TWILIO_ACCOUNT_SID"),
        auth_token=environment.secret("TWILIO_AUTH_TOKEN").strip(),
        secondary_auth_token=environment.secret("TWILIO_SECONDARY_AUTH_TOKEN").strip(),
        api_key_sid=environment.text("TWILIO_API_KEY_SID"),
        api_key_secret=environment.secret("TWILIO_API_KEY_SECRET").strip(),
        from_number=_from_number(default_region),
        messaging_service_sid=environment.text("TWILIO_MESSAGING_SERVICE_SID"),
        public_webhook_url=_public_webhook_url(),
        webhook_path=environment.text("SMS_WEBHOOK_PATH"),
        allow_from=tuple(_allowed_users(default_region)),
        text_chunk_limit=_text_chunk_limit(),
        # The reference channel's rule: this exact word. A typing slip must not open the door.
        validation_disabled=os.environ.get("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION") == "true",
        shared_keys=_shared_keys(),
    )


def names_an_account() -> bool:
    """Whether the environment sets anything that makes it a Twilio account (a `…_FILE` counts)."""
    return any(os.environ.get(name, "").strip() for name in IDENTIFYING_NAMES) or bool(
        os.environ.get("TWILIO_AUTH_TOKEN_FILE", "").strip()
    )


def _public_webhook_url() -> str:
    url = environment.text("SMS_PUBLIC_WEBHOOK_URL")
    if url and not is_web_address(url):
        raise ConfigurationError("SMS_PUBLIC_WEBHOOK_URL must be a whole address, https://…, as entered at Twilio.")
    return url


def is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _from_number(region: str | None) -> str:
    for name in ("TWILIO_PHONE_NUMBER", "TWILIO_SMS_FROM"):
        if raw := environment.text(name):
            return _number(name, raw, region)
    return ""


def _allowed_users(region: str | None) -> list[str]:
    users = environment.words("SMS_ALLOWED_USERS")
    return [user if user == ANYONE else _number("SMS_ALLOWED_USERS", user, region) for user in users]


def _number(name: str, raw: str, region: str | None) -> str:
    try:
        return normalise_number(raw, region=region)
    except InvalidNumber as error:
        raise ConfigurationError(f"{name}: {error}") from None


def _text_chunk_limit() -> int | None:
    raw = os.environ.get("SMS_TEXT_CHUNK_LIMIT", "").strip()
    if not raw:
        return None
    if raw.isascii() and raw.isdigit() and int(raw) > 0:
        return int(raw)
    raise ConfigurationError("SMS_TEXT_CHUNK_LIMIT must be a whole number of at least 1, for example 1500.")


def _shared_keys() -> dict[str, str]:
    """`TWILIO_WEBHOOK_SHARED_KEYS=key_id:secret,…`: Twilio's webhook signing keys, by their id."""
    entries = environment.secret("TWILIO_WEBHOOK_SHARED_KEYS").split(",")
    keys = {}
    for entry in filter(None, (entry.strip() for entry in entries)):
        key_id, separator, secret = entry.partition(":")
        if not (separator and key_id.strip() and secret.strip()):
            raise ConfigurationError("TWILIO_WEBHOOK_SHARED_KEYS must be a list of KEY_ID:SECRET, comma-separated.")
        keys[key_id.strip()] = secret.strip()
    return keys
