"""Secrets in our own table, encrypted at rest: `manage.py secrets set NAME`."""

from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from openclaw_sms.config.secrets.definition import Definition
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef
from openclaw_sms.models import StoredSecret


@dataclass(frozen=True, slots=True)
class StoreProvider:
    name: str
    fresh_for = timedelta(seconds=1)

    @classmethod
    def defined(cls, definition: Definition) -> "StoreProvider":
        definition.refuse_unknown(set())
        return cls(definition.name)

    def look_up(self, ref: SecretRef) -> str:
        try:
            found = StoredSecret.objects.filter(name=ref.id).first()
        except DatabaseError as error:
            raise SecretUnavailable(
                ref, f"cannot be read: the database failed ({type(error).__name__}).", passing=True
            ) from None
        except ImproperlyConfigured as error:  # a key that is missing or no key
            raise SecretUnavailable(ref, f"cannot be read: {error}") from None
        if found is None or not found.value:
            raise SecretUnavailable(ref, f"is not stored: run `manage.py secrets set {ref.id}`.")
        return found.value
