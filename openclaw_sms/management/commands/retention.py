"""`manage.py retention`: erase the words of old texts now, instead of waiting for the worker."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging import erasure, retention
from openclaw_sms.messaging.erasure import Erased


class Command(GatewayCommand):
    help = "Erase the words of texts that are older than SMS_RETENTION_DAYS, or --days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, metavar="N", help="instead of SMS_RETENTION_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="say how many, and erase nothing")

    def run_command(self, **options: Any) -> None:
        days, now = options["days"], timezone.now()
        if days is not None and days < 1:
            raise CommandError("--days must be a whole number of at least 1.", returncode=2)
        before = retention.limit(now, days)
        if before is None:
            raise CommandError("Everything is kept: set SMS_RETENTION_DAYS, or give --days N.")
        if options["dry_run"]:
            found = erasure.due(before)
            self.stdout.write(f"Would erase {found.received} texts received and {found.sent} sent.")
            return
        erased = Erased()
        while batch := erasure.older_than(before, now=now):
            erased += batch
        if erased:
            audit.record(
                "retention.erased",
                actor=shell_actor(),
                at=now,
                before=before.isoformat(),
                received=erased.received,
                sent=erased.sent,
            )
        self.stdout.write(f"Erased {erased.received} texts received and {erased.sent} sent.")
