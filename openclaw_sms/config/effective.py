"""What is in effect, and where each value comes from: `config get`.

The same precedence as `accounts`, told instead of applied; a test holds the two together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_sms.config import accounts, document, json5, sources, validation
from openclaw_sms.config.accounts import DEFAULT_ID, LARGEST_TEXT_CHUNK, normalise_id
from openclaw_sms.config.paths import DEFAULT_WEBHOOK_PATH, spelled
from openclaw_sms.config.schema import ACCOUNTS, DEFAULT_ACCOUNT, ENABLED, KEYS, ROOT, Key
from openclaw_sms.config.sources import AccountEnvironment, ConfigurationError
from openclaw_sms.config.validation import Document
from openclaw_sms.models import AllowedSender, SenderSource

INDENT = "  "
UNSIGNED = "dangerouslyDisableSignatureValidation"
DEFAULT = "default"


class NoSuchPath(ConfigurationError):
    code = "config_path"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value as it may be printed, and its origin: `document: PATH`, `environment: NAME`, `default`."""

    value: Any
    origin: str


Tree = dict[str, Any]  # of trees, and of `Setting` at the ends


@dataclass(frozen=True, slots=True)
class Level:
    """What one level of the document says, under its path."""

    path: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that settings come from: the document, the environment with the account it is for, the console's lists."""

    stored: Document
    environment: AccountEnvironment
    environments_account: str
    listed: Mapping[str, list[str]]


def tree() -> Tree:
    """Everything in effect, in the document's own shape. Raises `ConfigurationError` for an unusable variable.

    The channel's level shows what `default` has, as long as that has no entry of its own.
    """
    found = _inputs()
    channel = Level(ROOT, found.stored["channels"]["sms"])
    entries = channel.settings.get(ACCOUNTS, {})
    top = _account("" if DEFAULT_ID in entries else DEFAULT_ID, [channel], found)
    top[DEFAULT_ACCOUNT] = _own(channel, DEFAULT_ACCOUNT, "")
    top[ACCOUNTS] = {
        name: _account(name, [Level(f"{ROOT}.{ACCOUNTS}.{name}", entry), channel], found)
        for name, entry in entries.items()
    }
    return {"channels": {"sms": top}, "secrets": {"providers": _providers(found.stored)}}


def at(path: str) -> Any:
    """The tree or the setting at `path`; "" is everything. Raises `NoSuchPath`."""
    found: Any = tree()
    steps = path.split(".") if path else []
    if steps[:3] == ["channels", "sms", ACCOUNTS] and len(steps) > 3:
        steps[3] = normalise_id(steps[3])
        found = _with_implicit_default(found)
    for position, step in enumerate(steps):
        if not isinstance(found, dict) or step not in found:
            raise _nowhere(steps[:position], step, found if isinstance(found, dict) else {})
        found = found[step]
    return found


def _nowhere(before: list[str], step: str, known: dict[str, Any]) -> NoSuchPath:
    here, hint = ".".join(before), validation.suggestion(step, known)
    if before == ["channels", "sms", ACCOUNTS]:
        return NoSuchPath(f"{here}.{step}: there is no such account{hint}")
    return NoSuchPath(f"{'.'.join([*before, step])} is not a setting{f' of {here}' if here else ''}{hint}")


def printed(found: Any) -> str:
    """As JSON5, each value with its origin behind it."""
    if isinstance(found, Setting):
        return f"{json5.one_line(found.value)} // {found.origin}"
    return "\n".join(["{", *_lines(found, INDENT), "}"])


def values(found: Any) -> Any:
    """The same without origins, as plain values."""
    if isinstance(found, Setting):
        return found.value
    return {name: values(each) for name, each in found.items()}


def origins(found: Any, path: str) -> dict[str, str]:
    """The origin of each value below `path`."""
    if isinstance(found, Setting):
        return {path: found.origin}
    prefix = f"{path}." if path else ""
    return {each: origin for name in found for each, origin in origins(found[name], f"{prefix}{name}").items()}


def _lines(found: Tree, indent: str) -> Iterator[str]:
    for name, each in found.items():
        label = f"{indent}{json5.key(name)}: "
        if isinstance(each, Setting):
            yield f"{label}{json5.one_line(each.value)}, // {each.origin}"
        elif not each:
            yield f"{label}{{}},"
        else:
            yield f"{label}{{"
            yield from _lines(each, indent + INDENT)
            yield f"{indent}}},"


def _inputs() -> Inputs:
    stored = document.stored()
    listed: dict[str, list[str]] = {}
    added = AllowedSender.objects.exclude(source=SenderSource.PAIRING).order_by("number")
    for account_id, number in added.values_list("account__account_id", "number"):
        listed.setdefault(account_id, []).append(number)
    environment = sources.account_environment(accounts.default_region())
    return Inputs(stored, environment, validation.environments_account(stored), listed)


def _account(account_id: str, levels: list[Level], found: Inputs) -> Tree:
    is_environments = account_id == found.environments_account
    settings = dict(_level(levels, found.environment if is_environments else AccountEnvironment()))
    if added := found.listed.get(account_id):
        said = settings["allowFrom"]
        settings["allowFrom"] = Setting(
            list(dict.fromkeys([*said.value, *added])), f"{said.origin}, and allowed senders"
        )
    return dict(settings)


def _level(levels: list[Level], env: AccountEnvironment) -> Iterator[tuple[str, Setting]]:
    """The settings of an account, or of the channel: the first of `levels` that says something, else `env`."""
    yield ENABLED, _enabled(levels)
    for name, key in KEYS.items():
        yield name, _setting(key, levels, env)


def _enabled(levels: list[Level]) -> Setting:
    """Either level switches off; neither switches on what the other has off."""
    off = [level for level in levels if level.settings.get(ENABLED) is False]
    saying = [level for level in levels[:1] if ENABLED in level.settings]
    found = next(iter([*off[::-1], *saying]), None)
    return Setting(not off, f"document: {found.path}" if found else DEFAULT)


def _setting(key: Key, levels: list[Level], env: AccountEnvironment) -> Setting:
    if key.name == UNSIGNED and env.validation_disabled and not any(_says_true(key, level) for level in levels):
        return Setting(True, f"environment: {key.variables[0]}")
    for level in levels:
        if key.name in level.settings:
            path = f"{level.path}.{key.name}"
            return Setting(_as_used(key, document.masked(path, level.settings[key.name])), f"document: {level.path}")
    if said := getattr(env, key.column, None):
        value = list(said) if isinstance(said, tuple) else said
        shown = document.masked(f"{ROOT}.{key.name}", value)
        return Setting(_as_used(key, shown), f"environment: {sources.named(key.variables)}")
    return Setting(list(key.default) if isinstance(key.default, tuple) else key.default, DEFAULT)


def _says_true(key: Key, level: Level) -> bool:
    return level.settings.get(key.name) is True


def _as_used(key: Key, value: Any) -> Any:
    if key.name == "webhookPath":
        return spelled(value) or DEFAULT_WEBHOOK_PATH
    if key.name == "textChunkLimit":
        return min(value, LARGEST_TEXT_CHUNK)
    return value


def _own(level: Level, name: str, default: Any) -> Setting:
    if name in level.settings:
        return Setting(level.settings[name], f"document: {level.path}")
    return Setting(default, DEFAULT)


def _with_implicit_default(found: Tree) -> Tree:
    """The account `default` without an entry is the channel's own level; asked for by name, it is there."""
    top = found["channels"]["sms"]
    if DEFAULT_ID in top[ACCOUNTS] or DEFAULT_ID not in accounts.load().by_id:
        return found
    implicit = {name: each for name, each in top.items() if name not in (ACCOUNTS, DEFAULT_ACCOUNT)}
    return {**found, "channels": {"sms": {**top, ACCOUNTS: {**top[ACCOUNTS], DEFAULT_ID: implicit}}}}


def _providers(stored: Document) -> Tree:
    return {
        name: {
            key: Setting(
                document.masked(f"secrets.providers.{name}.{key}", value), f"document: secrets.providers.{name}"
            )
            for key, value in settings.items()
        }
        for name, settings in stored["secrets"]["providers"].items()
    }
