"""Reading a provider's definition: known keys only, each of its own type, and a sentence that names its path."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_sms.config.sources import ConfigurationError

# A key of the reference channel that switches checks of ownership and permissions off.
INSECURE = "allowInsecurePath"
NOT_INSECURE = "cannot be true here: a file that others may open or change is always refused; mend its permissions"


@dataclass(frozen=True, slots=True)
class Definition:
    """`secrets.providers.NAME` as a document holds it, with typed access. Each reader raises `ConfigurationError`."""

    name: str
    values: Mapping[str, Any]

    def refuse_unknown(self, known: set[str]) -> None:
        if unknown := sorted(key for key in self.values if key not in known | {"source"}):
            raise self.refusal(unknown[0], "is not known here")

    def refuse_insecure(self) -> None:
        if self.flag(INSECURE, False):
            raise self.refusal(INSECURE, NOT_INSECURE)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not (isinstance(value, str) and value.strip() and "\0" not in value):
            raise self.refusal(key, "must be a text")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, of which the first is the default."""
        value = self.values.get(key, choices[0])
        if value not in choices:
            raise self.refusal(key, f"must be {' or '.join(choices)}")
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.refusal(key, "must be true or false")
        return value

    def whole_number(self, key: str, default: int, *, most: int) -> int:
        value = self.values.get(key, default)
        if isinstance(value, float) and value.is_integer():  # JSON5 knows one kind of number
            value = int(value)
        if isinstance(value, bool) or not (isinstance(value, int) and 1 <= value <= most):
            raise self.refusal(key, f"must be a whole number from 1 to {most}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not (isinstance(value, list | tuple) and all(isinstance(one, str) and "\0" not in one for one in value)):
            raise self.refusal(key, "must be a list of texts")
        return tuple(value)

    def pairs(self, key: str) -> Mapping[str, str]:
        value = self.values.get(key, {})
        if not (isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)):
            raise self.refusal(key, "must be an object of texts")
        return dict(value)

    def refusal(self, key: str, what: str) -> ConfigurationError:
        return ConfigurationError(f"secrets.providers.{self.name}.{key} {what}.")
