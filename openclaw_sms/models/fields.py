"""A text column that is encrypted at rest.

A value that cannot be decrypted raises: handing the ciphertext on as if it were the token would send it to Twilio.
"""

import base64
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression, ExpressionWrapper

PREFIX = "fernet:"
DERIVATION_CONTEXT = b"openclaw-sms secrets at rest"


# What this process has encrypted or decrypted, so that no error page shows it.
seen: set[str] = set()


class WrongEncryptionKey(ImproperlyConfigured):
    """A stored secret was encrypted with a key that is not configured."""

    code = "wrong_encryption_key"

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be decrypted: put the key it was stored with into SMS_ENCRYPTION_KEYS "
            "(or SECRET_KEY back to what it was), or enter the secret again."
        )


if TYPE_CHECKING:
    NullableText = models.TextField[str | None, str | None]
else:
    NullableText = models.TextField


class EncryptedTextField(NullableText):
    """Text, stored as `fernet:…`. Keys: SMS_ENCRYPTION_KEYS, then SECRET_KEY's: the first encrypts, all decrypt."""

    def from_db_value(self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper) -> str | None:
        return value if value is None or value == "" else decrypt(value)

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None or value == "" else encrypt(str(value))

    def value_to_string(self, obj: models.Model) -> str:
        """For `dumpdata`: a dump holds no secret in the clear, and is read again with the same keys."""
        value = self.value_from_object(obj)
        return str(value) if value is None or value == "" else encrypt(str(value))

    def to_python(self, value: Any) -> Any:
        """For `loaddata`: the text behind what `value_to_string` wrote. Raises `WrongEncryptionKey`."""
        return decrypt(value) if isinstance(value, str) and value.startswith(PREFIX) else value


def as_stored(column: str) -> "ExpressionWrapper[models.F]":
    """The column's ciphertext, for reading a row whose secrets may not be readable, and for writing them anew."""
    return ExpressionWrapper(models.F(column), output_field=models.TextField(null=True))


def encrypted_columns(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField))


def encrypt(value: str) -> str:
    seen.add(value)
    return PREFIX + _keyring().encrypt(value.encode()).decode()


def decrypt(stored: str) -> str:
    """The value behind `stored`. Raises `WrongEncryptionKey` for any text that is not ours to read."""
    if not stored.startswith(PREFIX):
        raise WrongEncryptionKey
    try:
        value = _keyring().decrypt(stored.removeprefix(PREFIX).encode()).decode()
    except InvalidToken:
        raise WrongEncryptionKey from None
    seen.add(value)
    return value


def is_under_first_key(stored: str) -> bool:
    """Whether `stored` was encrypted with the key that encrypts now: then rotation has nothing to do for it."""
    try:
        _keys()[0].decrypt(stored.removeprefix(PREFIX).encode())
    except InvalidToken:
        return False
    return stored.startswith(PREFIX)


def _keyring() -> MultiFernet:
    return MultiFernet(_keys())


def _keys() -> list[Fernet]:
    """The first encrypts. SECRET_KEY's still decrypts once there are others: that is how one moves to those."""
    derived = [_derived(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    try:
        return [*(Fernet(key) for key in settings.SMS_ENCRYPTION_KEYS), *derived]
    except ValueError:
        raise ImproperlyConfigured(
            "SMS_ENCRYPTION_KEYS must be a comma-separated list of Fernet keys (32 bytes, url-safe base64)."
        ) from None


def _derived(secret_key: str) -> Fernet:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=DERIVATION_CONTEXT)
    return Fernet(base64.urlsafe_b64encode(derivation.derive(secret_key.encode())))
