"""Secrets at rest: what is stored encrypted, and rotating it to the key that encrypts now.

Works on ciphertext and for as long as it takes: each value is one conditional update, so that a rotation which was
interrupted is simply begun again, and one that runs beside the console overwrites nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db.models import Model
from django.views.decorators.debug import sensitive_variables

from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models.fields import WrongEncryptionKey, as_stored, decrypt, encrypted_columns, is_under_first_key


class CannotRotate(ConfigurationError):
    code = "cannot_rotate"

    def __init__(self, places: list[str]) -> None:
        super().__init__(
            f"Nothing was changed, since no key of SMS_ENCRYPTION_KEYS decrypts: {'; '.join(places)}. "
            "Add the key each was stored with, or enter or remove the secret."
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """Of one table: values written under the first key, and values that already were."""

    table: str
    rotated: int
    kept: int


@dataclass(frozen=True, slots=True)
class _Place:
    """One stored value. `ciphertext` is as it stands in the table."""

    model: type[Model]
    pk: int
    row: str
    column: str
    ciphertext: str

    def __str__(self) -> str:
        return f"{self.model._meta.verbose_name} {self.row}, {self.column}"


def rotate() -> list[Rotation]:
    """Encrypt every stored secret with the first key. Raises `CannotRotate`, before anything is changed."""
    tables = {model: list(_places(model)) for model in _models()}
    unreadable = [str(place) for places in tables.values() for place in places if not _is_readable(place)]
    if unreadable:
        raise CannotRotate(unreadable)
    return [_rotated(model, places) for model, places in tables.items()]


def _models() -> list[type[Model]]:
    return [model for model in apps.get_models() if encrypted_columns(model)]


def _places(model: type[Model]) -> Iterator[_Place]:
    for column in encrypted_columns(model):
        rows = model._default_manager.defer(*encrypted_columns(model)).annotate(stored=as_stored(column))
        for row in rows.order_by("pk"):
            ciphertext = vars(row)["stored"]
            if ciphertext:
                yield _Place(model, row.pk, str(row), column, ciphertext)


@sensitive_variables()
def _is_readable(place: _Place) -> bool:
    try:
        decrypt(place.ciphertext)
    except WrongEncryptionKey:
        return False
    return True


def _rotated(model: type[Model], places: list[_Place]) -> Rotation:
    due = [place for place in places if not is_under_first_key(place.ciphertext)]
    rotated = sum(_rewrite(place) for place in due)
    return Rotation(str(model._meta.verbose_name), rotated, len(places) - rotated)


@sensitive_variables()
def _rewrite(place: _Place) -> int:
    """1 when the value was written anew, 0 when it was changed meanwhile: that is under the first key already."""
    rows = place.model._default_manager.annotate(stored=as_stored(place.column))
    unchanged = rows.filter(pk=place.pk, stored=place.ciphertext)
    return unchanged.update(**{place.column: decrypt(place.ciphertext)})
