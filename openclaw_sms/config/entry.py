"""What a person may enter, in the console or for `channels add`: one rule a column, and the sentence that names it
when it is broken.

`fit` is the door for settings, `account_id` for what an account is called. The rules are those of a configuration
document; the words are those of the forms.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import phonenumbers

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import LARGEST_TEXT_CHUNK, SANDBOX_ID, normalise_id, normalise_path
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import ANYONE, DmPolicy
from openclaw_sms.text.phone import InvalidNumber, normalise_number

Rule = Callable[[Any], Any]

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
QUIET_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def fit(column: str, value: Any) -> Any:
    """The value as it is stored. None and "" say nothing and always fit. Raises `ConfigurationError`."""
    if value is None or value == "" or column not in RULES:
        return value
    return RULES[column](value)


def account_id(raw: str) -> str:
    """The id for a new account. Raises `ConfigurationError`."""
    entered = normalise_id(raw)
    if not ACCOUNT_ID.fullmatch(entered):
        raise ConfigurationError("Account id: use small letters, digits and hyphens, for example support.")
    if entered == SANDBOX_ID:
        raise ConfigurationError("Account id: this one belongs to the sandbox; choose another.")
    return entered


def _sid(label: str, prefix: str) -> Rule:
    def rule(value: str) -> str:
        if not re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", value):
            raise ConfigurationError(
                f"{label}: copy it from Twilio's console; it is {prefix} and 32 hexadecimal digits."
            )
        return value

    return rule


def _secret(label: str) -> Rule:
    def rule(value: str) -> str:
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise ConfigurationError(f"{label}: copy it from Twilio's console; it has no spaces and no accents.")
        return value

    return rule


def _number(label: str) -> Rule:
    def rule(value: str) -> str:
        try:
            return normalise_number(value, region=accounts.default_region())
        except InvalidNumber as error:
            raise ConfigurationError(f"{label}: {error}") from None

    return rule


def _numbers(label: str, *, anyone: bool = False) -> Rule:
    one = _number(label)

    def rule(value: list[str]) -> list[str]:
        return list(dict.fromkeys(entry if anyone and entry == ANYONE else one(entry) for entry in value))

    return rule


def _countries(value: list[str]) -> list[str]:
    codes = [entry.upper() for entry in value]
    if not set(codes) <= phonenumbers.SUPPORTED_REGIONS:
        raise ConfigurationError("Countries: enter two-letter codes, one a line, for example US.")
    return list(dict.fromkeys(codes))


def _policy(value: str) -> str:
    if value not in DmPolicy.values:
        raise ConfigurationError(f"Policy: choose one of {', '.join(DmPolicy.values)}.")
    return value


def _whole(label: str, least: int, most: int) -> Rule:
    def rule(value: int) -> int:
        if not least <= value <= most:
            raise ConfigurationError(f"{label}: enter a number from {least} to {most}.")
        return value

    return rule


def _above_zero(label: str, most: float) -> Rule:
    def rule(value: float) -> float:
        if not 0 < value <= most:
            raise ConfigurationError(f"{label}: enter a number above 0, at most {most:g}.")
        return value

    return rule


def _web_address(value: str) -> str:
    if not _is_web_address(value):
        raise ConfigurationError(
            "Public webhook URL: enter a whole address that begins with https:// (or http:// for a trial), "
            "for example https://sms.example.org/webhooks/sms."
        )
    return value


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return port_is_one and parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", url)


def _webhook_path(value: str) -> str:
    path = normalise_path(value)
    if not PATH.fullmatch(path):
        raise ConfigurationError(
            "Webhook path: enter a path of letters, digits, hyphens and slashes, for example /webhooks/sms."
        )
    if accounts.is_reserved(path):
        raise ConfigurationError(
            "Webhook path: this one belongs to the gateway itself; choose another, for example /webhooks/sms."
        )
    return path


def _quiet_hours(value: str) -> str:
    start, _, end = value.partition("-")
    if not QUIET_HOURS.fullmatch(value) or start == end:
        raise ConfigurationError("Quiet hours: enter two times of day, HH:MM-HH:MM, for example 21:00-08:00.")
    return value


RULES: Mapping[str, Rule] = {
    "account_sid": _sid("Account SID", "AC"),
    "auth_token": _secret("Auth token"),
    "secondary_auth_token": _secret("Secondary auth token"),
    "api_key_sid": _sid("API key SID", "SK"),
    "api_key_secret": _secret("API key secret"),
    "from_number": _number("From number"),
    "messaging_service_sid": _sid("Messaging Service SID", "MG"),
    "default_to": _number("Default recipient"),
    "initiate_to": _numbers("May be texted first", anyone=True),
    "text_chunk_limit": _whole("Characters a part", 1, LARGEST_TEXT_CHUNK),
    "media_max_mb": _above_zero("Megabytes an attachment", 1000),
    "segments_per_second": _above_zero("Segments a second", 100),
    "webhook_path": _webhook_path,
    "public_webhook_url": _web_address,
    "dm_policy": _policy,
    "inbound_per_minute": _whole("Texts a sender and minute", 1, 10_000),
    "allow_from": _numbers("Allowed senders", anyone=True),
    "owner_numbers": _numbers("Owner's numbers"),
    "allow_countries": _countries,
    "pairing_replies_per_day": _whole("Pairing replies a day", 0, 10_000),
    "pairing_replies_per_sender": _whole("Pairing replies a sender and day", 0, 100),
    "replies_per_hour": _whole("Agent replies a sender and hour", 1, 10_000),
    "quiet_hours": _quiet_hours,
}
