"""`manage.py opt_outs list|export|add|clear`: who said STOP, also for other systems, and what operators correct."""

import csv
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.access import audit, opt_out
from openclaw_sms.config import accounts
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.models import OptOut, OptOutSource
from openclaw_sms.text.phone import mask, normalise_number

DECISIONS = {
    "add": (opt_out.suppress, "is opted out", "has already opted out"),
    "clear": (opt_out.restore, "may be texted again", "has not opted out"),
}


class Command(GatewayCommand):
    help = "List, export, add or clear opt-outs: the numbers that are not texted."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="who is out, the latest first")
        listing.add_argument("--json", action="store_true")
        exporting = actions.add_parser("export", help="who is out, as CSV")
        exporting.add_argument("--output", metavar="FILE", help="a new file; without it, to the terminal")
        adding = actions.add_parser("add", help="opt a number out that asked in another way")
        clearing = actions.add_parser("clear", help="bring a number back that asked for it in another way")
        for action in (adding, clearing):
            action.add_argument("number", metavar="+1…")
            action.add_argument("--reason", required=True, help="why, for the audit trail")
        for action in (listing, exporting, adding, clearing):
            action.add_argument("--account", metavar="ID")

    def run_command(self, **options: Any) -> None:
        action = options["action"]
        if action in ("list", "export"):
            account = options["account"]
            rows = opt_out.listed(accounts.choose(account).pk if account is not None else None)
            if action == "list":
                self._list(list(rows), as_json=options["json"])
            else:
                self._export(list(opt_out.as_rows(rows)), options["output"])
        else:
            self._decide(**options)

    def _list(self, rows: list[OptOut], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"optOuts": [as_dict(row) for row in rows]}, indent=2))
            return
        if not rows:
            self.stdout.write("Nobody has opted out.")
        for row in rows:
            self.stdout.write(
                f"{row.number:<16}  {row.account.account_id}  since {row.changed_at:%Y-%m-%d %H:%M} UTC, "
                f"by {row.get_source_display()}{f': {row.reason}' if row.reason else ''}"
            )

    def _export(self, table: list[tuple[str, ...]], output: str | None) -> None:
        with ExitStack() as files:
            try:
                # A list of people: for its owner alone, and never over another file.
                out = files.enter_context(Path(output).open("x", newline="")) if output else self.stdout
                if output:
                    Path(output).chmod(0o600)
            except OSError as error:
                raise CommandError(f"--output cannot be written: {error.strerror}.") from None
            csv.writer(out).writerows(table)
        audit.record("opt_out.exported", actor=shell_actor(), at=timezone.now(), rows=len(table) - 1)
        if output:
            count = len(table) - 1
            self.stdout.write(f"Wrote {count} opt-out{'' if count == 1 else 's'}.")

    def _decide(self, **options: Any) -> None:
        reason = " ".join(options["reason"].split())[:200]
        if not reason:
            raise CommandError("--reason must say why.", returncode=2)
        account = accounts.choose(options["account"])
        number = normalise_number(options["number"], region=accounts.default_region())
        change, outcome, otherwise = DECISIONS[options["action"]]
        if not change(
            account.pk,
            number,
            source=OptOutSource.OPERATOR,
            at=timezone.now(),
            actor=shell_actor(),
            reason=reason,
        ):
            raise CommandError(f"{mask(number)} {otherwise} on account {account.id}.")
        self.stdout.write(f"{number} {outcome} on account {account.id}.")


def as_dict(row: OptOut) -> dict[str, str]:
    return {
        "account": row.account.account_id,
        "number": row.number,
        "since": row.changed_at.isoformat(),
        "source": row.source,
        "sid": row.sid,
        "by": row.actor,
        "reason": row.reason,
    }
