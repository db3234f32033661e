"""`manage.py config patch|get|validate`: the channel's configuration as a document, in the reference's own words."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.config import effective, json5, patch, verdict
from openclaw_sms.config.patch import Plan
from openclaw_sms.management.base import GatewayCommand, shell_actor

STANDARD_INPUT = "-"
# A thousand accounts fit; whatever is larger is not a configuration.
LARGEST_FILE = 1024 * 1024  # bytes


class Command(GatewayCommand):
    help = "Change, show or check the channel's configuration."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        patching = actions.add_parser("patch", help="merge a JSON5 file into the configuration; null removes a key")
        patching.add_argument("--file", required=True, metavar="F.json5", help="the file, or - for standard input")
        patching.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
        getting = actions.add_parser("get", help="what is in effect, and where each value comes from")
        getting.add_argument("path", nargs="?", default="", metavar="PATH", help="for example channels.sms.dmPolicy")
        getting.add_argument("--json", action="store_true")
        actions.add_parser("validate", help="check what is stored, and the environment")

    def run_command(self, **options: Any) -> None:
        if options["action"] == "patch":
            self._patch(options["file"], dry_run=options["dry_run"])
        elif options["action"] == "get":
            self._get(options["path"], as_json=options["json"])
        else:
            self._validate()

    def _patch(self, file: str, *, dry_run: bool) -> None:
        changes = json5.parse(read(file), name=file if file != STANDARD_INPUT else "Standard input")
        self._report(patch.plan(changes) if dry_run else applied(changes), dry_run=dry_run)

    def _report(self, plan: Plan, *, dry_run: bool) -> None:
        for line in (*plan.changes, *(f"Note: {note}" for note in plan.notes)):
            self.stdout.write(str(line))
        if not plan.changes:
            self.stdout.write("Nothing to change: the configuration says this already.")
        elif dry_run:
            self.stdout.write("Dry run: nothing was changed.")
        else:
            self.stdout.write("Applied. A running gateway follows within seconds.")

    def _get(self, path: str, *, as_json: bool) -> None:
        found = effective.at(path)
        if as_json:
            shown = {"path": path, "value": effective.values(found), "sources": effective.origins(found, path)}
            self.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(effective.printed(found))

    def _validate(self) -> None:
        found = verdict.of_everything()
        for note in found.notes:
            self.stdout.write(f"Note: {note}")
        if found.problems:
            raise CommandError("\n".join(found.problems))
        self.stdout.write("The configuration can be used.")


def applied(changes: Any) -> Plan:
    """Apply, and put it on record, in one transaction: which settings changed, and never to what."""
    now = timezone.now()
    with transaction.atomic():
        plan = patch.apply(changes, now=now)
        if plan.changes:
            paths = [change.path for change in plan.changes]
            audit.record("config.patched", actor=shell_actor(), at=now, subject="channels.sms", paths=paths)
    return plan


def read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(LARGEST_FILE + 1) if file == STANDARD_INPUT else _head(Path(file))
        if len(content) > LARGEST_FILE:
            raise CommandError(f"{file} is larger than a configuration can be (1 MiB).")
        return content.decode()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8 text: byte {error.start + 1} cannot be read.") from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)
