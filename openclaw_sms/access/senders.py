"""The list of allowed senders: added to and taken from through here, whichever door asks. Texts nobody."""

from datetime import datetime

from django.db import IntegrityError, transaction

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.models import AllowedSender


class SenderError(ValueError):
    """A change of the list that cannot be made. `code` is stable; the message is the operator's sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def add(sender: AllowedSender, *, actor: Actor, now: datetime) -> None:
    """Store a new row (account, E.164 number, source and note given). Raises `SenderError` if listed already."""
    sender.added_by = actor.name
    try:
        with transaction.atomic():
            sender.save(force_insert=True)
            _record("sender.added", sender, actor, now)
    except IntegrityError:
        raise SenderError("already_allowed", "This number is already on that account's list.") from None


def remove(sender: AllowedSender, *, actor: Actor, now: datetime) -> None:
    """Take a number off the list. What configuration lists is a setting, and not in here."""
    with transaction.atomic():
        _record("sender.removed", sender, actor, now)
        sender.delete()


def _record(action: str, sender: AllowedSender, actor: Actor, now: datetime) -> None:
    audit.record(
        action, actor=actor, at=now, account_id=sender.account_id, subject=sender.number, source=sender.source
    )
    transaction.on_commit(accounts.forget)
