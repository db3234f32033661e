"""Whether a configuration document can be used, as a whole: `{channels: {sms: …}, secrets: {providers: …}}`.

Every problem is one sentence that begins with the exact path and never repeats a value. A document without problems
comes back as it is stored: numbers in E.164, ids in their one spelling.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from openclaw_sms.config import accounts, kinds, providers, sources
from openclaw_sms.config.accounts import DEFAULT_ID, SANDBOX_ID, normalise_id
from openclaw_sms.config.kinds import Unfit
from openclaw_sms.config.paths import MEDIA, normalise_path
from openclaw_sms.config.schema import ACCOUNTS, DEFAULT_ACCOUNT, ENABLED, KEYS, ROOT
from openclaw_sms.config.sources import AccountEnvironment
from openclaw_sms.models import ANYONE, DmPolicy

Document = dict[str, Any]

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NOT_OURS = "is not kept here: this gateway takes channels.sms and secrets.providers; take it out of the file"


@dataclass(frozen=True, slots=True)
class Checked:
    document: Document
    problems: list[str]


def check(raw: Any) -> Checked:
    """Read `raw` as a document. Whether its accounts get along is asked once each of them can be used."""
    problems: list[str] = []
    sections = _only(raw, "", ("channels", "secrets"), problems)
    channel = _only(sections.get("channels", {}), "channels", ("sms",), problems).get("sms", {})
    named = _only(sections.get("secrets", {}), "secrets", ("providers",), problems).get("providers", {})
    document = {
        "channels": {"sms": _channel(channel, problems)},
        "secrets": {"providers": _providers(named, problems)},
    }
    if not problems:
        problems.extend(conflicts(document))
    return Checked(document, problems)


def conflicts(document: Document) -> Iterator[str]:
    """What is wrong between accounts that are each fine: two of them on one webhook path."""
    owners: dict[str, str] = {}
    for account_id, path in served_paths(document):
        if path in owners:
            yield (
                f"{_path_setting(document, account_id)} is {path}, which account {owners[path]} has too: "
                f"give each account a webhookPath of its own, for example {path}/{account_id}."
            )
        owners.setdefault(path, account_id)
    for account_id, path in served_paths(document):
        below = next((owner for taken, owner in owners.items() if path.startswith(f"{taken}{MEDIA}/")), None)
        if below is not None:
            yield (
                f"{_path_setting(document, account_id)} is {path}, where account {below} serves its pictures: "
                "choose another."
            )


def notes(document: Document) -> Iterator[str]:
    """What can be used and may still not be what was meant."""
    channel = document["channels"]["sms"]
    wanted = channel.get(DEFAULT_ACCOUNT, "")
    if wanted and wanted not in listed(document):
        yield f"{ROOT}.{DEFAULT_ACCOUNT} names {wanted}, and there is no such account."
    if settings.SMS_SANDBOX and listed(document):
        yield "The sandbox is on, and real accounts do not run beside it: run `manage.py sandbox off` first."


def listed(document: Document) -> list[str]:
    """The ids of all accounts, in order: those with an entry, and `default` where anything makes it one.

    Source: the reference channel's account list.
    """
    channel = document["channels"]["sms"]
    ids = set(channel.get(ACCOUNTS, {}))
    credentials = ("accountSid", "authToken", "fromNumber", "messagingServiceSid")
    has_environment = environments_account(document) == DEFAULT_ID and sources.names_an_account()
    if has_environment or any(channel.get(name) for name in credentials):
        ids.add(DEFAULT_ID)
    return sorted(ids)


def environments_account(document: Document) -> str:
    channel = document["channels"]["sms"]
    return accounts.environments_account(channel.get(ACCOUNTS, {}), channel.get(DEFAULT_ACCOUNT))


def served_paths(document: Document) -> Iterator[tuple[str, str]]:
    """The normalised webhook path of each account that is switched on.

    `default` without an entry counts once it is complete: a top level with what its accounts share is none.
    """
    channel = document["channels"]["sms"]
    entries = channel.get(ACCOUNTS, {})
    if channel.get(ENABLED) is False:
        return
    owner = environments_account(document)
    for account_id in listed(document):
        env = sources.account_environment(accounts.default_region()) if account_id == owner else AccountEnvironment()
        account = {**channel, **entries.get(account_id, {})}
        if account.get(ENABLED) is False or (account_id not in entries and not _is_complete(account, env)):
            continue
        yield account_id, normalise_path(account.get("webhookPath", env.webhook_path))


def _is_complete(account: Mapping[str, Any], env: AccountEnvironment) -> bool:
    """Whether it could send. Source: the reference channel's "configured"."""
    number = account.get("fromNumber", env.from_number)
    service = account.get("messagingServiceSid", env.messaging_service_sid)
    token = account.get("authToken", env.auth_token)
    return bool(account.get("accountSid", env.account_sid) and token and (number or service))


def suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "."


def _path_setting(document: Document, account_id: str) -> str:
    """The path of the setting that decides an account's webhook path, or would."""
    entries = document["channels"]["sms"].get(ACCOUNTS, {})
    level = f"{ROOT}.{ACCOUNTS}.{account_id}" if account_id in entries else ROOT
    return f"{level}.webhookPath"


def _object(value: Any, path: str, problems: list[str]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    problems.append(f"{path or 'The document'} must be an object, {{ … }}.")
    return {}


def _only(value: Any, path: str, known: tuple[str, ...], problems: list[str]) -> dict[str, Any]:
    sections = _object(value, path, problems)
    prefix = f"{path}." if path else ""
    problems.extend(f"{prefix}{name} {NOT_OURS}." for name in sections if name not in known)
    return sections


def _channel(raw: Any, problems: list[str]) -> dict[str, Any]:
    written = dict(_object(raw, ROOT, problems))
    entries = _object(written.pop(ACCOUNTS, {}), f"{ROOT}.{ACCOUNTS}", problems)
    channel: dict[str, Any] = {}
    if DEFAULT_ACCOUNT in written:
        channel.update(_read(DEFAULT_ACCOUNT, written.pop(DEFAULT_ACCOUNT), kinds.text(64), ROOT, problems))
    if channel.get(DEFAULT_ACCOUNT):
        channel[DEFAULT_ACCOUNT] = normalise_id(channel[DEFAULT_ACCOUNT])
    channel.update(_level(written, ROOT, problems))
    declared = {account_id: _account(account_id, entry, problems) for account_id, entry in entries.items()}
    if declared:
        channel[ACCOUNTS] = declared
    return channel


def _account(account_id: str, raw: Any, problems: list[str]) -> dict[str, Any]:
    path = f"{ROOT}.{ACCOUNTS}.{account_id}"
    if account_id == SANDBOX_ID:
        problems.append(f"{path}: this id belongs to the sandbox; choose another.")
    elif not ACCOUNT_ID.fullmatch(account_id):
        problems.append(f"{path}: an account's id is letters, digits, - and _, at most 64, for example support.")
    level = _level(_object(raw, path, problems), path, problems)
    # An account is on unless it is switched off; that somebody said so is not kept.
    return {name: value for name, value in level.items() if (name, value) != (ENABLED, True)}


def _level(written: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, Any]:
    """The keys of one level, as stored."""
    level: dict[str, Any] = {}
    for name, value in written.items():
        if name == ENABLED:
            level.update(_read(name, value, kinds.truth, path, problems))
        elif name in KEYS:
            level.update(_read(name, value, KEYS[name].kind, path, problems))
        else:
            known = [*KEYS, ENABLED, *((ACCOUNTS, DEFAULT_ACCOUNT) if path == ROOT else ())]
            problems.append(f"{path}.{name} is not a key of this channel{suggestion(name, known)}")
    if written.get("dmPolicy") == DmPolicy.OPEN and ANYONE not in level.get("allowFrom", []):
        problems.append(
            f'{path}.dmPolicy is "open", which needs "*" in {path}.allowFrom: add it there, or choose pairing.'
        )
    return level


def _read(name: str, value: Any, kind: kinds.Kind, path: str, problems: list[str]) -> dict[str, Any]:
    try:
        return {name: kind(value)}
    except Unfit as unfit:
        problems.append(f"{path}.{name}{unfit.at} {unfit}.")
        return {}


def _providers(raw: Any, problems: list[str]) -> dict[str, Any]:
    named = {}
    for name, value in _object(raw, providers.ROOT, problems).items():
        named[name], wrong = providers.read(name, value)
        problems.extend(wrong)
    return named
