"""The audit trail: who did what. Rows are only ever added."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from openclaw_sms.models import AuditEvent

LONGEST_NAME = 150  # the column's length; Django's user names are as long without our prefix


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts: `console:alice`, `cli:root`, `api:zapier`, `gateway`."""

    name: str
    user_id: int | None = None

    @classmethod
    def at_console(cls, user: AbstractBaseUser) -> "Actor":
        return cls(name=f"console:{user.get_username()}"[:LONGEST_NAME], user_id=user.pk)

    @classmethod
    def at_shell(cls, login: str) -> "Actor":
        return cls(name=f"cli:{login}"[:LONGEST_NAME])

    @classmethod
    def with_token(cls, name: str) -> "Actor":
        return cls(name=f"api:{name}"[:LONGEST_NAME])


GATEWAY = Actor("gateway")


def record(
    action: str,
    *,
    actor: Actor,
    at: datetime,
    account_id: int | None = None,
    subject: str = "",
    **detail: Any,
) -> AuditEvent:
    """Write one event. `account_id` is a row's key, `subject` the number or name acted upon."""
    return AuditEvent.objects.create(
        at=at,
        actor=actor.name,
        user_id=actor.user_id,
        action=action,
        account_id=account_id,
        subject=subject,
        detail=detail,
    )
