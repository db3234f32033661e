"""Writing a new account: its row, and who did it. What the values may be is decided before, by `config.entry`."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import ANYONE, DmPolicy, SmsAccount


class NotAdded(ConfigurationError):
    code = "account_not_added"


def drafted(account_id: str, values: Mapping[str, Any]) -> Account:
    """The account as it would be, for a test before it is stored. It has no row."""
    known = {name: value for name, value in values.items() if name not in ("allow_from", "dm_policy", "webhook_path")}
    policy = DmPolicy(values.get("dm_policy") or DmPolicy.PAIRING)
    return Account(
        pk=0,
        id=account_id,
        dm_policy=policy,
        allow_from=frozenset(values.get("allow_from") or ()),
        webhook_path=accounts.normalise_path(values.get("webhook_path") or ""),
        **known,
    )


def refuse_conflicts(account_id: str, values: Mapping[str, Any]) -> None:
    """Raises `NotAdded` for an account that exists, a path that is taken, or a policy that would admit nobody."""
    known = accounts.load()
    there = known.by_id.get(account_id)
    if there is not None and there.configured:
        raise NotAdded(
            f"Account {account_id} is set up already: change it with `manage.py config patch` or in the console, "
            "or choose another --account."
        )
    path = accounts.normalise_path(values.get("webhook_path") or "")
    owner = next(
        (each.id for each in known.by_id.values() if each.webhook_path == path and each.id != account_id), ""
    )
    if owner:
        raise NotAdded(
            f"Webhook path: {path} belongs to account {owner}; choose another, for example {path}/{account_id}."
        )
    if values.get("dm_policy") == DmPolicy.OPEN and ANYONE not in (values.get("allow_from") or ()):
        raise NotAdded("Policy: open admits anyone only with --allow-from '*'; say so, or choose pairing.")


def store(account_id: str, values: Mapping[str, Any]) -> SmsAccount:
    """The account's row, with these settings. The caller writes the audit trail, in the same transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an account is stored inside the transaction that records who did it")
    row, _ = SmsAccount.objects.get_or_create(account_id=account_id)
    for name, value in values.items():
        setattr(row, name, value)
    row.enabled = row.declared = True
    row.save()
    transaction.on_commit(accounts.forget)
    return row
