"""The table behind references with source `store`: putting in, listing without values, removing."""

from dataclasses import dataclass
from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from openclaw_sms.config import agent_token
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.reference import SecretRef, Source, parse
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import ChannelSettings, SmsAccount, StoredSecret


@dataclass(frozen=True, slots=True)
class Listed:
    """A stored secret as people see it. `used_by`: the settings that refer to it."""

    name: str
    created_at: datetime
    updated_at: datetime
    used_by: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "createdAt": self.created_at.isoformat(),
            "updatedAt": self.updated_at.isoformat(),
            "usedBy": list(self.used_by),
        }


@sensitive_variables()
def put(name: str, value: str, *, now: datetime) -> bool:
    """Store or replace. True when the name is new."""
    _, is_new = StoredSecret.objects.defer("value").update_or_create(
        name=name, defaults={"value": value, "updated_at": now}
    )
    resolver.look_again()
    return is_new


def remove(name: str) -> bool:
    """False when there is none."""
    removed, _ = StoredSecret.objects.filter(name=name).delete()
    resolver.look_again()
    return bool(removed)


def listed() -> list[Listed]:
    """Values are not even read."""
    used = _references()
    rows = StoredSecret.objects.order_by("name").values_list("name", "created_at", "updated_at")
    return [Listed(name, created, updated, _users(name, used)) for name, created, updated in rows]


def users_of(name: str) -> tuple[str, ...]:
    return _users(name, _references())


def _users(name: str, references: list[tuple[str, SecretRef]]) -> tuple[str, ...]:
    return tuple(user for user, ref in references if ref.source is Source.STORE and ref.id == name)


def _references() -> list[tuple[str, SecretRef]]:
    """Every reference that is configured, with the setting that holds it."""
    held: list[tuple[str, object]] = [
        ("channels.sms.authToken", ref) for ref in ChannelSettings.objects.values_list("auth_token_ref", flat=True)
    ]
    held += [
        (f"channels.sms.accounts.{account_id}.authToken", ref)
        for account_id, ref in SmsAccount.objects.order_by("account_id").values_list("account_id", "auth_token_ref")
    ]
    readable = [(user, ref) for user, value in held if (ref := _readable(value)) is not None]
    for_agent = _agents()
    return readable + ([(agent_token.NAME, for_agent)] if for_agent else [])


def _readable(value: object) -> SecretRef | None:
    try:
        return None if value is None else parse(value)
    except ConfigurationError:
        return None


def _agents() -> SecretRef | None:
    try:
        return agent_token.reference()
    except ConfigurationError:
        return None
