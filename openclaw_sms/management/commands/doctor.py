"""`manage.py doctor`: everything that is wrong, each with its cause, its evidence and the command that mends it."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from openclaw_sms.diagnostics import doctor
from openclaw_sms.diagnostics.doctor import Report
from openclaw_sms.diagnostics.probes import DEFAULT_TIMEOUT
from openclaw_sms.management.base import GatewayCommand
from openclaw_sms.management.reporting import finding_lines, milliseconds, write_json
from openclaw_sms.management.terminal import paint


class Command(GatewayCommand):
    help = "Say everything that is wrong, and what mends it. Exit status 1 if anything is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--timeout", metavar="MS", type=milliseconds, default=DEFAULT_TIMEOUT)

    def run_command(self, **options: Any) -> None:
        report = doctor.examine(timezone.now(), timeout=options["timeout"])
        if options["json"]:
            write_json(self.stdout, report.as_json())
        else:
            self._show(report, options)
        if report.problems:
            # Not a refusal of the command: the report has said everything.
            raise SystemExit(1)

    def _show(self, report: Report, options: dict[str, Any]) -> None:
        colour = paint(self.stdout, options)
        for line in finding_lines([*report.problems, *report.notes], colour):
            self.stdout.write(line)
        count = len(report.problems)
        if count:
            self.stdout.write(colour("bad", f"{count} problem{'s' if count > 1 else ''}."))
        else:
            self.stdout.write(colour("good", "Nothing is wrong."))
