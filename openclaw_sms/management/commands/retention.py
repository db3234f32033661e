"""`manage.py retention`: erase the words of old texts now, instead of waiting for the worker."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging import erasure, retention
from openclaw_sms.messaging.erasure import Erased

MOST_DAYS = 36_500  # a hundred years; the calendar ends at two thousand


class Command(GatewayCommand):
    help = "Erase the words of texts that are older than SMS_RETENTION_DAYS, or --days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=whole_days, metavar="N", help="instead of SMS_RETENTION_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="say how many, and erase nothing")

    def run_command(self, **options: Any) -> None:
        days, now = options["days"], timezone.now()
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


def whole_days(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10 and 0 < int(word) <= MOST_DAYS):
        raise ArgumentTypeError(f"give a whole number from 1 to {MOST_DAYS}")
    return int(word)
