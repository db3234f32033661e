"""An account's secrets: from its row, the channel's row or the environment, in the clear or by reference.

A secret that is configured and cannot be had stops the account it belongs to, and no other; it is never replaced by
one of a level below, which would be another account's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Model, QuerySet

from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef, parse
from openclaw_sms.config.sources import AccountEnvironment, ConfigurationError
from openclaw_sms.models import AccountSettings
from openclaw_sms.models.fields import WrongEncryptionKey, as_stored, decrypt, encrypted_columns

# How a reference becomes a secret: `resolver.resolve`, or `resolver.peek` where nobody may be asked.
LookUp = Callable[[SecretRef], str]
Row = TypeVar("Row", bound=Model)

# By column: the key that people know the setting by.
KEYS: Mapping[str, str] = {
    "auth_token": "authToken",
    "secondary_auth_token": "secondaryAuthToken",
    "api_key_secret": "apiKeySecret",
}


@dataclass(frozen=True, slots=True)
class AccountSecrets:
    """What is known of an account's secrets; `trouble` is "" or why one that is configured cannot be had."""

    auth_token: str = field(default="", repr=False)
    secondary_auth_token: str = field(default="", repr=False)
    api_key_secret: str = field(default="", repr=False)
    trouble: str = ""


def with_ciphertexts(rows: QuerySet[Row]) -> QuerySet[Row]:
    """The rows with their secrets as stored, so that one that cannot be decrypted spoils itself and no other."""
    columns = encrypted_columns(rows.model)
    found: QuerySet[Row] = rows.defer(*columns)
    return found.annotate(**{f"stored_{column}": as_stored(column) for column in columns})  # type: ignore[no-any-return]


def has_token(level: AccountSettings) -> bool:
    """Whether a row that was read `with_ciphertexts` says what the auth token is, even if nobody can read it now."""
    return bool(level.auth_token_ref or vars(level).get("stored_auth_token"))


def secrets_of(levels: tuple[AccountSettings, ...], env: AccountEnvironment, look_up: LookUp) -> AccountSecrets:
    """The first level that says something of a secret decides, else the environment."""
    found: dict[str, str] = {}
    troubles: list[str] = []
    for column, key in KEYS.items():
        try:
            found[column] = _said(levels, column, look_up, getattr(env, column))
        except (SecretUnavailable, ConfigurationError, WrongEncryptionKey) as error:
            troubles.append(f"{key}: {error}")
    return AccountSecrets(**found, trouble=troubles[0] if troubles else "")


def not_while_switched_off(ref: SecretRef) -> str:
    """The look-up for an account that is switched off: its references are not active."""
    raise SecretUnavailable(ref, "is not looked up while the account is switched off.")


def _said(levels: tuple[AccountSettings, ...], column: str, look_up: LookUp, otherwise: str) -> str:
    for level in levels:
        if column == "auth_token" and level.auth_token_ref is not None:
            return look_up(parse(level.auth_token_ref)).strip()
        stored: str | None = vars(level).get(f"stored_{column}")
        if stored is not None:
            return decrypt(stored).strip() if stored else ""
    return otherwise.strip()
