"""`manage.py sender export|erase`: everything that is stored of one number, handed over or gone."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.config import accounts
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging import dossier, erasure
from openclaw_sms.messaging.erasure import NothingStored
from openclaw_sms.text.phone import mask, normalise_number


class Command(GatewayCommand):
    help = "Export or erase all that is stored of one sender."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        exporting = actions.add_parser("export", help="print everything as JSON")
        erasing = actions.add_parser("erase", help="erase words, raw forms, files and the number; for ever")
        erasing.add_argument("--yes", action="store_true", help="do it without asking")
        for action in (exporting, erasing):
            action.add_argument("number", metavar="+1…")
            action.add_argument("--account", metavar="ID")

    def run_command(self, **options: Any) -> None:
        account = accounts.choose(options["account"])
        number = normalise_number(options["number"], region=accounts.default_region())
        if options["action"] == "export":
            self._export(account.pk, number)
        else:
            self._erase(account.pk, number, sure=options["yes"])

    def _export(self, account_pk: int, number: str) -> None:
        known = dossier.of(account_pk, number)
        self.stdout.write(json.dumps(known, indent=2, ensure_ascii=False))
        audit.record("sender.exported", actor=shell_actor(), at=timezone.now(), account_id=account_pk, subject=number)

    def _erase(self, account_pk: int, number: str, *, sure: bool) -> None:
        if not erasure.is_known(account_pk, number):
            raise NothingStored
        if not (sure or self._confirmed(number)):
            raise CommandError("Nothing was erased.")
        erased = erasure.sender(account_pk, number, actor=shell_actor(), now=timezone.now())
        self.stdout.write(
            f"Erased {erased.received} texts received and {erased.sent} sent, and the number itself. "
            "An opt-out stays on its list."
        )

    def _confirmed(self, number: str) -> bool:
        self.stderr.write(f"Erase everything of {mask(number)} for ever? Type yes:")
        try:
            return input().strip().lower() == "yes"
        except EOFError:
            return False
