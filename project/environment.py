"""How settings read the process environment: secrets, lists, and the few files the gateway keeps itself.

Secrets are read here and not through django-environ, which takes a value that starts with `$` for the name of
another variable, and which keeps the newline at the end of a `NAME_FILE`.
"""

import json
import os
import secrets
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
DATABASE_SCHEMES = ("sqlite:///", "postgres://", "postgresql://")
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


def secret(name: str) -> str:
    """The value of `NAME`, else the content of the file that `NAME_FILE` names, else "".

    The file's surrounding white space is dropped: editors end files with a newline, credentials never do.
    """
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "")
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ImproperlyConfigured(f"{name}_FILE names a file that cannot be read: {reason}.") from None


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str) -> bool:
    word = os.environ.get(name, "").strip().lower()
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    raise ImproperlyConfigured(f"{name} must be true or false.")


def whole_number(name: str, default: int, *, least: int = 1, most: int = 1_000_000) -> int:
    """A number that clocks and calendars can still reckon with: a larger one would fail where it is used."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    if raw.isascii() and raw.isdigit() and len(raw) < 10 and least <= int(raw) <= most:
        return int(raw)
    raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}.")


def choice(name: str, options: tuple[str, ...]) -> str:
    """One of `options`; the first when nothing is said."""
    word = os.environ.get(name, "").strip().lower() or options[0]
    if word not in options:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(options)}.")
    return word


def words(name: str) -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def database(name: str, default: str) -> dict[str, Any]:
    """Django's description of the database that the URL in `name` (a secret: it may hold a password) points at."""
    url = secret(name).strip() or default
    if not url.startswith(DATABASE_SCHEMES):
        raise ImproperlyConfigured(f"{name} must begin with sqlite:/// or postgres://.")
    try:
        description: dict[str, Any] = environ.Env.db_url_config(url)
        int(description.get("PORT") or 0)
    except ValueError:
        raise ImproperlyConfigured(f"{name} cannot be read: percent-encode its password.") from None
    return description


def mail(name: str) -> dict[str, Any]:
    """Django's EMAIL_… settings from the URL in `name` (a secret: it may hold a password); {} when it is not set."""
    url = secret(name).strip()
    if not url:
        return {}
    try:
        described: dict[str, Any] = environ.Env.email_url_config(url)
        int(described.get("EMAIL_PORT") or 0)
        if not described.get("EMAIL_BACKEND"):
            raise ValueError
    except (ImproperlyConfigured, KeyError, ValueError):
        raise ImproperlyConfigured(
            f"{name} cannot be read: write smtp+tls://user:password@host:587, its password percent-encoded."
        ) from None
    return {setting: value for setting, value in described.items() if setting.startswith("EMAIL_")}


def time_zone(name: str, default: str) -> str:
    zone = text(name, default)
    if zone not in zoneinfo.available_timezones():
        raise ImproperlyConfigured(f"{name} must be the name of a time zone, for example Europe/Vienna.")
    return zone


def data_directory(name: str, default: Path) -> Path:
    """Where the gateway keeps what it makes; made on first use, for its owner alone."""
    path = Path(text(name, str(default)))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} names a directory that cannot be made: {error.strerror}.") from None
    return path


def kept_secret(path: Path) -> str:
    """A random secret that is made on first use and kept in `path` (mode 0600)."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text().strip()


def sandbox_state(path: Path) -> Mapping[str, Any] | None:
    """What `manage.py sandbox` wrote when it turned the sandbox on; None while it is off."""
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise ImproperlyConfigured(
            f"{path.name} in SMS_DATA_DIR is damaged: delete it, and run `make run` for a new sandbox."
        ) from None
    return state if isinstance(state, dict) else None
