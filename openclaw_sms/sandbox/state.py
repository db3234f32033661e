"""The sandbox's state file: while it exists the sandbox is on, and settings read it when a process starts.

It holds the pretend account and the console's login, so nobody but its owner can read it. Only `manage.py sandbox`
writes it.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from django.conf import settings

FROM_NUMBER = "+15552000000"
LOGIN = "operator"
# Neither 0 and o nor 1, i and l: the password is read from one window and typed into another.
_PASSWORD_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105
_PASSWORD_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the state file says. `address` is the gateway's own, "http://127.0.0.1:8000"."""

    address: str
    account_sid: str
    auth_token: str = field(repr=False)
    from_number: str = FROM_NUMBER
    login: str = LOGIN
    password: str = field(default="", repr=False)

    @property
    def api_base_url(self) -> str:
        return f"{self.address}/sandbox/twilio"

    @property
    def public_webhook_url(self) -> str:
        return f"{self.address}/webhooks/sms"

    @property
    def simulator_url(self) -> str:
        return f"{self.address}/sandbox/"

    @property
    def console_url(self) -> str:
        return f"{self.address}/admin/"

    def as_settings(self) -> dict[str, str]:
        """The value of `settings.SMS_SANDBOX`, and the content of the state file."""
        return {
            **asdict(self),
            "api_base_url": self.api_base_url,
            "public_webhook_url": self.public_webhook_url,
        }


def current() -> Sandbox:
    """The sandbox this process runs in. The sandbox's own pages exist only while there is one."""
    return of(settings.SMS_SANDBOX or {})


def of(state: Mapping[str, Any]) -> Sandbox:
    """The value of `settings.SMS_SANDBOX`, read back."""
    return Sandbox(**{each.name: str(state[each.name]) for each in fields(Sandbox)})


def address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def turn_on(path: Path, *, host: str, port: int) -> Sandbox:
    """Write the state file (mode 0600). What an earlier run chose is kept, so that its texts and login go on."""
    kept = _read(path)
    sandbox = Sandbox(
        address=address(host, port),
        account_sid=kept.get("account_sid") or f"AC{secrets.token_hex(16)}",
        auth_token=kept.get("auth_token") or secrets.token_hex(16),
        password=kept.get("password") or readable_password(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, json.dumps(sandbox.as_settings(), indent=2) + "\n")
    return sandbox


def turn_off(path: Path) -> bool:
    """Remove the state file. True when there was one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def readable_password() -> str:
    """Like "h7kq-m2xv-9rtd": 59 bits that can be copied by hand."""
    groups = ("".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(4)) for _ in range(_PASSWORD_GROUPS))
    return "-".join(groups)


def _read(path: Path) -> dict[str, str]:
    """The earlier state, {} when there is none that can be read."""
    try:
        state = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _replace(path: Path, content: str) -> None:
    """Write the file in one step: a gateway that starts meanwhile reads the old state or the new, never half."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    os.replace(draft, path)
