"""`manage.py secrets set|list|remove|rotate`: the gateway's own secrets, and the keys all are encrypted with."""

import getpass
import json
import re
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.timezone import localtime
from django.views.decorators.debug import sensitive_variables

from openclaw_sms.access import audit
from openclaw_sms.config import at_rest, stored_secrets
from openclaw_sms.config.secrets.reference import NAME
from openclaw_sms.management.base import GatewayCommand, shell_actor

LONGEST_VALUE = 65_536  # bytes; the reference channel's own limit


class Command(GatewayCommand):
    help = "Keep secrets in the gateway's own encrypted table, and rotate the keys they are encrypted with."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        setting = actions.add_parser("set", help="store a secret; its value is read from stdin, or asked for")
        setting.add_argument("name", metavar="NAME")
        listing = actions.add_parser("list", help="names, dates, and who refers to each; never a value")
        listing.add_argument("--json", action="store_true")
        removing = actions.add_parser("remove", help="forget a stored secret")
        removing.add_argument("name", metavar="NAME")
        actions.add_parser("rotate", help="encrypt everything stored with the first of SMS_ENCRYPTION_KEYS")

    def run_command(self, **options: Any) -> None:
        {"set": self._set, "list": self._list, "remove": self._remove, "rotate": self._rotate}[options["action"]](
            options
        )

    @sensitive_variables()
    def _set(self, options: dict[str, Any]) -> None:
        name = _name(options["name"])
        is_new = stored_secrets.put(name, _entered(name), now=timezone.now())
        audit.record("secret.stored", actor=shell_actor(), at=timezone.now(), subject=name)
        self.stdout.write(f"{'Stored' if is_new else 'Replaced'} {name}. Refer to it as store:default:{name}.")

    def _list(self, options: dict[str, Any]) -> None:
        found = stored_secrets.listed()
        if options["json"]:
            self.stdout.write(json.dumps([one.as_dict() for one in found], indent=2))
            return
        if not found:
            self.stdout.write("No secret is stored.")
        for one in found:
            used = f"used by {', '.join(one.used_by)}" if one.used_by else "used by nobody"
            self.stdout.write(f"{one.name}  stored {localtime(one.updated_at):%Y-%m-%d %H:%M}  {used}")

    def _remove(self, options: dict[str, Any]) -> None:
        name = _name(options["name"])
        used_by = stored_secrets.users_of(name)
        if not stored_secrets.remove(name):
            raise CommandError(f"No secret is stored as {name}: see `manage.py secrets list`.")
        audit.record("secret.removed", actor=shell_actor(), at=timezone.now(), subject=name)
        self.stdout.write(f"Removed {name}.")
        if used_by:
            self.stderr.write(f"Still referred to by {', '.join(used_by)}: what refers to it rests from now on.")

    def _rotate(self, options: dict[str, Any]) -> None:
        done = at_rest.rotate()
        rotated, kept = sum(one.rotated for one in done), sum(one.kept for one in done)
        audit.record("secrets.rotated", actor=shell_actor(), at=timezone.now(), rotated=rotated, kept=kept)
        for one in done:
            self.stdout.write(f"{one.table}: {one.rotated} rotated, {one.kept} under the first key already")
        self.stdout.write(f"{rotated} rotated. Older keys are needed for older backups only.")


def _name(word: str) -> str:
    if not NAME.fullmatch(word):
        raise CommandError("A secret's name is a capital letter and then at most 127 of A-Z, 0-9 and _.")
    return word


@sensitive_variables()
def _entered(name: str) -> str:
    """The value, from stdin or a hidden prompt: arguments of a command are for everybody on the machine to read."""
    value = getpass.getpass(f"Value of {name}: ") if sys.stdin.isatty() else _piped(name)
    if not value.strip():
        raise CommandError(f"{name} was given no value: type it, or pipe it in.")
    if len(value.encode()) > LONGEST_VALUE:
        raise CommandError(f"{name} is too long: at most {LONGEST_VALUE} bytes.")
    if not all(line.replace("\t", " ").isprintable() for line in value.splitlines()):
        raise CommandError(f"{name} holds control characters: give it as lines of text.")
    return value


@sensitive_variables()
def _piped(name: str) -> str:
    try:
        value = sys.stdin.buffer.read(LONGEST_VALUE + 3).decode()
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not UTF-8 text.") from None
    return re.sub(r"\r?\n\Z", "", value)  # the end of the line, which `echo` and editors add
