"""Secrets in variables of the process's environment; a variable may also be given as a file, `NAME_FILE`."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured

from openclaw_sms.config.secrets.definition import Definition
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef
from project import environment


@dataclass(frozen=True, slots=True)
class EnvProvider:
    """`allowlist`: the only names that may be asked for; None allows any."""

    name: str
    allowlist: frozenset[str] | None = None
    fresh_for = timedelta(seconds=5)  # a NAME_FILE may be replaced while we run

    @classmethod
    def defined(cls, definition: Definition) -> "EnvProvider":
        definition.refuse_unknown({"allowlist"})
        listed = frozenset(definition.texts("allowlist")) if "allowlist" in definition.values else None
        return cls(definition.name, listed)

    def look_up(self, ref: SecretRef) -> str:
        if self.allowlist is not None and ref.id not in self.allowlist:
            raise SecretUnavailable(ref, f"is not on secrets.providers.{self.name}.allowlist: add it there.")
        try:
            value = environment.secret(ref.id)
        except ImproperlyConfigured as error:
            raise SecretUnavailable(ref, f"cannot be read: {error}", passing=True) from None
        if not value.strip():
            raise SecretUnavailable(
                ref, "is not set: give the gateway that variable and start it again, or correct the reference."
            )
        return value


def passed_on(names: Iterable[str]) -> dict[str, str]:
    """Those of the variables `names` that are set, for a program."""
    return {name: os.environ[name] for name in names if name in os.environ}
