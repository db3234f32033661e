"""The environment's settings for the default account, as the reference channel names them.

The values are read when they are asked for, so that a test or a tool can change them; nothing here touches a row.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from openclaw_sms.config import paths
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
    return AccountEnvironment(**{name: read(default_region) for name, read in _READERS.items()})


def problems(default_region: str | None = None) -> list[str]:
    """A sentence for each variable that cannot be used."""
    found = []
    for read in _READERS.values():
        try:
            read(default_region)
        except (ConfigurationError, ImproperlyConfigured) as error:
            found.append(str(error))
    return found


def named(names: Iterable[str]) -> str:
    """The first of these variables, or the first `…_FILE` of theirs, that says anything; "" for none."""
    spellings = (spelling for name in names for spelling in (name, f"{name}_FILE"))
    return next((spelling for spelling in spellings if os.environ.get(spelling, "").strip()), "")


def names_an_account() -> bool:
    """Whether the environment sets anything that makes it a Twilio account (a `…_FILE` counts)."""
    return any(os.environ.get(name, "").strip() for name in (*IDENTIFYING_NAMES, "TWILIO_AUTH_TOKEN_FILE"))


def is_sid(written: str, prefix: str) -> bool:
    """Twilio's are hexadecimal; examples in handbooks are the prefix and 32 times x, and are let through to the
    first call, which says more about them than a pattern could.
    """
    return re.fullmatch(rf"{prefix}[0-9a-zA-Z]{{32}}", written) is not None


def _sid(name: str, prefix: str) -> str:
    written = environment.text(name)
    if written and not is_sid(written, prefix):
        raise ConfigurationError(f"{name} must be a SID of Twilio's: {prefix} and 32 letters or digits.")
    return written


def _public_webhook_url() -> str:
    url = environment.text("SMS_PUBLIC_WEBHOOK_URL")
    if url and not is_web_address(url):
        raise ConfigurationError("SMS_PUBLIC_WEBHOOK_URL must be a whole address, https://…, as entered at Twilio.")
    return url


def _webhook_path() -> str:
    written = environment.text("SMS_WEBHOOK_PATH")
    try:
        paths.refuse_unusable(written)
    except paths.UnusablePath as unusable:
        raise ConfigurationError(f"SMS_WEBHOOK_PATH {unusable}.") from None
    return written


def is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    visible = url.isprintable() and " " not in url
    return visible and port_is_one and parts.scheme in ("http", "https") and bool(parts.hostname)


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


# Each takes the default region. One that fails names its variable.
_READERS: Mapping[str, Callable[[str | None], Any]] = {
    "account_sid": lambda region: _sid("TWILIO_ACCOUNT_SID", "AC"),
    "auth_token": lambda region: environment.secret("TWILIO_AUTH_TOKEN").strip(),
    "secondary_auth_token": lambda region: environment.secret("TWILIO_SECONDARY_AUTH_TOKEN").strip(),
    "api_key_sid": lambda region: _sid("TWILIO_API_KEY_SID", "SK"),
    "api_key_secret": lambda region: environment.secret("TWILIO_API_KEY_SECRET").strip(),
    "from_number": lambda region: _from_number(region),
    "messaging_service_sid": lambda region: _sid("TWILIO_MESSAGING_SERVICE_SID", "MG"),
    "public_webhook_url": lambda region: _public_webhook_url(),
    "webhook_path": lambda region: _webhook_path(),
    "allow_from": lambda region: tuple(_allowed_users(region)),
    "text_chunk_limit": lambda region: _text_chunk_limit(),
    # The reference channel's rule: this exact word. A typing slip must not open the door.
    "validation_disabled": lambda region: os.environ.get("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION") == "true",
    "shared_keys": lambda region: _shared_keys(),
}
