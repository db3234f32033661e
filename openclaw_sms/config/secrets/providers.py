"""Who answers for a reference: the providers that a document defines, and two that need no definition."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from openclaw_sms.config.secrets.definition import Definition
from openclaw_sms.config.secrets.environment import EnvProvider
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.files import FileProvider
from openclaw_sms.config.secrets.programs import ExecProvider
from openclaw_sms.config.secrets.reference import DEFAULT_PROVIDER, PROVIDER, SecretRef, Source
from openclaw_sms.config.secrets.store import StoreProvider
from openclaw_sms.config.sources import ConfigurationError


class Provider(Protocol):
    """Looks a reference up, now. What it says may be believed for `fresh_for`."""

    @property
    def name(self) -> str: ...

    @property
    def fresh_for(self) -> timedelta: ...

    def look_up(self, ref: SecretRef) -> str:
        """The secret, not blank. Raises `SecretUnavailable`."""
        ...


# `secrets.providers` of a document.
Definitions = Mapping[str, Mapping[str, Any]]

_WITHOUT_DEFINITION: Mapping[Source, Provider] = {
    Source.ENV: EnvProvider(DEFAULT_PROVIDER),
    Source.STORE: StoreProvider(DEFAULT_PROVIDER),
}


def defined(name: str, values: object) -> Provider:
    """The provider that `secrets.providers.NAME` defines. Raises `ConfigurationError` with the exact path."""
    if not PROVIDER.fullmatch(name):
        raise ConfigurationError(
            "secrets.providers: a name is a small letter and then at most 63 of a-z, 0-9, _ and -."
        )
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"secrets.providers.{name} must be an object.")
    definition = Definition(name, values)
    if values.get("source") not in tuple(Source):
        raise definition.refusal("source", "must be env, file, exec or store")
    return _build(Source(values["source"]), definition)


def _build(source: Source, definition: Definition) -> Provider:
    match source:
        case Source.ENV:
            return EnvProvider.defined(definition)
        case Source.FILE:
            return FileProvider.defined(definition)
        case Source.EXEC:
            return ExecProvider.defined(definition)
        case Source.STORE:
            return StoreProvider.defined(definition)


def provider_of(ref: SecretRef, definitions: Definitions) -> Provider:
    """Who answers for the reference. Raises `SecretUnavailable` when nobody does."""
    values: Any = definitions.get(ref.provider)
    if isinstance(values, Mapping) and values.get("source") == ref.source:
        try:
            return defined(ref.provider, values)
        except ConfigurationError as error:
            raise SecretUnavailable(ref, f"cannot be had: {error}") from None
    if ref.provider == DEFAULT_PROVIDER and ref.source in _WITHOUT_DEFINITION:
        return _WITHOUT_DEFINITION[ref.source]
    raise SecretUnavailable(
        ref, f"has no provider: define secrets.providers.{ref.provider} with source {ref.source}, or name another."
    )
