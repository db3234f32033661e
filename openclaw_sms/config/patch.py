"""`config patch`: a document of changes, merged into what is stored; all of it, or nothing.

Objects are merged key by key, null removes, everything else replaces (RFC 7396). The result is what must be usable,
not the patch alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from openclaw_sms.config import accounts, document, json5, validation
from openclaw_sms.config.accounts import normalise_id
from openclaw_sms.config.schema import ACCOUNTS, ROOT
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.config.validation import Document

ABSENT = object()


class Refused(ConfigurationError):
    """The result could not be used. The message has one line for each problem."""

    code = "config_refused"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs; a value that is `ABSENT` was not set before, or is not afterwards."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """For people: `~ channels.sms.dmPolicy: "pairing" → "allowlist"`. Secrets are masked."""
        if self.before is ABSENT:
            return f"+ {self.path}{self._shown(self.after)}"
        if self.after is ABSENT:
            return f"- {self.path}{self._shown(self.before)}"
        before, after = self._shown(self.before), self._shown(self.after)
        return f"~ {self.path}{before} → {'another value' if before == after else after.removeprefix(': ')}"

    def _shown(self, value: Any) -> str:
        """An account's or a provider's own line has no value: it is there, or it is not."""
        return "" if value == {} else f": {json5.one_line(document.masked(self.path, value))}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a patch would do."""

    before: Document
    after: Document
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def plan(patch: Any) -> Plan:
    """Merge `patch` into what is stored and look at the result. Raises `Refused`."""
    before = document.stored()
    checked = validation.check(merged(before, with_normalised_ids(patch)))
    if checked.problems:
        raise Refused("\n".join(checked.problems))
    after = checked.document
    return Plan(before, after, tuple(_differences(before, after)), tuple(validation.notes(after)))


def apply(patch: Any, *, now: datetime) -> Plan:
    """Do what `plan` says, in the caller's transaction. Raises `Refused`, also for an account beside the sandbox.

    A running gateway follows within seconds.
    """
    document.lock()
    planned = plan(patch)
    _refuse_beside_sandbox(planned)
    document.store(planned.before, planned.after, now=now)
    transaction.on_commit(accounts.forget)
    return planned


def _refuse_beside_sandbox(planned: Plan) -> None:
    """A new account would take the sandbox's path and its place as the default, and the next sandbox not start."""
    added = set(validation.listed(planned.after)) - set(validation.listed(planned.before))
    if settings.SMS_SANDBOX and added:
        raise Refused(
            "The sandbox is on, and no real account is set up beside it: run `manage.py sandbox off` first."
        )


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, "JSON Merge Patch". Neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def with_normalised_ids(patch: Any) -> Any:
    """`patch` with each account's id in its one spelling. Raises `Refused` where two ids become the same."""
    sms = patch.get("channels", {}) if isinstance(patch, Mapping) else {}
    sms = sms.get("sms", {}) if isinstance(sms, Mapping) else {}
    entries = sms.get(ACCOUNTS) if isinstance(sms, Mapping) else None
    if not isinstance(entries, Mapping):
        return patch
    spelled: dict[str, str] = {}
    for raw in entries:
        account_id = normalise_id(raw)
        if account_id in spelled:
            raise Refused(
                f'{ROOT}.{ACCOUNTS}: "{spelled[account_id]}" and "{raw}" are both account {account_id}; keep one.'
            )
        spelled[account_id] = raw
    renamed = {account_id: entries[raw] for account_id, raw in spelled.items()}
    return {**patch, "channels": {**patch["channels"], "sms": {**sms, ACCOUNTS: renamed}}}


def _differences(before: Document, after: Document) -> Iterator[Change]:
    was, now_is = dict(document.leaves(before)), dict(document.leaves(after))
    for path in dict.fromkeys([*was, *now_is]):
        change = Change(path, was.get(path, ABSENT), now_is.get(path, ABSENT))
        if change.before != change.after:
            yield change
