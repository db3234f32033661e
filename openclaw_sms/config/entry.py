"""What may be entered for an account, value by value. Each function gives the value as it is stored.

Raises `ConfigurationError`, whose sentence names the field, says what is wanted, and repeats nothing that was typed.
"""

import re
from urllib.parse import urlsplit

from openclaw_sms.config.accounts import SANDBOX_ID, default_region, is_reserved, normalise_id, normalise_path
from openclaw_sms.config.sources import ConfigurationError, is_web_address
from openclaw_sms.models import ANYONE, DmPolicy
from openclaw_sms.text.phone import InvalidNumber, normalise_number

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def account_id(raw: str) -> str:
    entered = normalise_id(raw)
    if not ACCOUNT_ID.fullmatch(entered):
        raise ConfigurationError("Account id: use small letters, digits and hyphens, for example support.")
    if entered == SANDBOX_ID:
        raise ConfigurationError("Account id: this one belongs to the sandbox; choose another.")
    return entered


def account_sid(raw: str) -> str:
    return _sid(raw, "Account SID", "AC")


def messaging_service_sid(raw: str) -> str:
    return _sid(raw, "Messaging Service SID", "MG")


def auth_token(raw: str) -> str:
    token = raw.strip()
    if not token or not (token.isascii() and token.isprintable() and " " not in token):
        raise ConfigurationError("Auth token: copy it from Twilio's console; it has no spaces and no accents.")
    return token


def number(raw: str, label: str) -> str:
    try:
        return normalise_number(raw, region=default_region())
    except InvalidNumber as error:
        raise ConfigurationError(f"{label}: {error}") from None


def public_webhook_url(raw: str) -> str:
    url = raw.strip()
    if not is_web_address(url) or re.search(r"\s", url) or not _has_usable_port(url):
        raise ConfigurationError(
            "Public webhook URL: enter a whole address that begins with https://, for example "
            "https://sms.example.org/webhooks/sms."
        )
    return url


def webhook_path(raw: str) -> str:
    path = normalise_path(raw)
    if not PATH.fullmatch(path):
        raise ConfigurationError(
            "Webhook path: enter a path of letters, digits, hyphens and slashes, for example /webhooks/sms."
        )
    if is_reserved(path):
        raise ConfigurationError("Webhook path: this one belongs to the gateway itself; choose another.")
    return path


def dm_policy(raw: str) -> str:
    if raw not in DmPolicy.values:
        raise ConfigurationError(f"Policy: choose one of {', '.join(DmPolicy.values)}.")
    return raw


def allow_from(raw: str) -> list[str]:
    """A comma-separated list of numbers, or `*`."""
    words = filter(None, (word.strip() for word in raw.split(",")))
    return [word if word == ANYONE else number(word, "Allowed senders") for word in words]


def _sid(raw: str, label: str, prefix: str) -> str:
    sid = raw.strip()
    if not re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", sid):
        raise ConfigurationError(f"{label}: copy it from Twilio's console; it is {prefix} and 32 hexadecimal digits.")
    return sid


def _has_usable_port(url: str) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port is None or port > 0
