"""What changed between two readings of the accounts, one line each for the log. No number, no token, no URL."""

import logging
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openclaw_sms.config.accounts import Account, Accounts

logger = logging.getLogger("openclaw_sms.accounts")

# What comes and goes with a source of secrets, which is no change of settings: `account.unavailable` and
# `account.available` tell of it.
_WITH_THEIR_SOURCE = frozenset({"unavailable", "auth_token", "secondary_auth_token", "api_key_secret"})


def tell(before: "Accounts", after: "Accounts") -> None:
    """Log what a running gateway now does otherwise."""
    for line in events(before, after):
        logger.info("%s", line)
    for sentence in after.conflicts:
        if sentence not in before.conflicts:
            logger.error("account.not_served reason=%r", sentence)


def events(before: "Accounts", after: "Accounts") -> Iterator[str]:
    for account_id in sorted({*before.by_id, *after.by_id}):
        was, now = before.by_id.get(account_id), after.by_id.get(account_id)
        if told := _event(was, now, _route(before, was), _route(after, now)):
            event, *details = told
            yield " ".join([event, f"account={account_id}", *details])


def _event(was: "Account | None", now: "Account | None", old: str, new: str) -> tuple[str, ...]:
    """Nothing when nothing changed."""
    if was is None:
        return "account.added", f"path={new}"
    if now is None:
        return "account.removed", f"path={old}"
    if was.enabled != now.enabled:
        return ("account.enabled", f"path={new}") if now.enabled else ("account.disabled", f"path={old}")
    if old != new:
        return "account.route_changed", f"from={old}", f"to={new}"
    changed = _settings_changed(was, now)
    return ("account.changed", f"settings={','.join(changed)}") if changed else ()


def _settings_changed(was: "Account", now: "Account") -> list[str]:
    unsaid = _WITH_THEIR_SOURCE if was.unavailable != now.unavailable else frozenset()
    names = [each.name for each in fields(was) if each.name not in unsaid]
    return [name for name in names if getattr(was, name) != getattr(now, name)]


def _route(known: "Accounts", account: "Account | None") -> str:
    """The path served for the account, or `none`."""
    if account is None or known.by_path.get(account.webhook_path) is not account:
        return "none"
    return account.webhook_path
