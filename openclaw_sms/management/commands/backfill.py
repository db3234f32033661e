"""`manage.py backfill`: fetch the texts whose webhook never came."""

import json
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.management.base import GatewayCommand
from openclaw_sms.messaging import backfill, circuits
from openclaw_sms.messaging.backfill import Result
from openclaw_sms.twilio.errors import TwilioError

USUAL_HOURS = 24.0
# Twilio keeps its log for 400 days.
MOST_HOURS = 400 * 24.0


class Command(GatewayCommand):
    help = "Compare Twilio's list of received texts with ours, and take in those whose webhook never came."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", metavar="ID", help="this account alone")
        parser.add_argument("--hours", type=_hours, default=USUAL_HOURS, help="how far back to look (24)")
        parser.add_argument("--dry-run", action="store_true", help="show what is missing and take in nothing")
        parser.add_argument("--json", action="store_true")

    def run_command(self, **options: Any) -> None:
        found = [self._compare(account, options) for account in _wanted(options["account"])]
        if options["json"]:
            self.stdout.write(json.dumps({"dryRun": options["dry_run"], "accounts": found}, indent=2))
            return
        for entry in found:
            if entry["missed"]:
                verb = "would be taken in" if options["dry_run"] else "taken in"
                self.stdout.write(f"Account {entry['account']}: {len(entry['missed'])} of {entry['listed']} {verb}.")

    def _compare(self, account: Account, options: dict[str, Any]) -> dict[str, Any]:
        until = timezone.now() - backfill.YOUNG
        since = until - timedelta(hours=options["hours"])
        entry: dict[str, Any] = {
            "account": account.id,
            "since": since.isoformat(),
            "until": until.isoformat(),
            "listed": 0,
            "missed": [],
        }

        def note(result: Result) -> None:
            entry["listed"] += result.listed
            entry["missed"] += [sid for sid in result.missed if sid not in entry["missed"]]

        try:
            backfill.compare_all(account, since=since, until=until, admit=not options["dry_run"], each=note)
        except TwilioError as error:
            raise CommandError(f"Account {account.id}: {error}") from None
        return entry


def _hours(word: str) -> float:
    try:
        hours = float(word)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MOST_HOURS:
        raise ArgumentTypeError(f"give a number of hours above 0, at most {MOST_HOURS:.0f}")
    return hours


def _wanted(account_id: str | None) -> list[Account]:
    """The account asked for, or every one that receives. Raises `CommandError` where it cannot be asked."""
    if account_id is None:
        known = accounts.load().by_id.values()
        return [account for account in known if account.serves_webhook and circuits.of(account.pk) is None]
    account = accounts.choose(account_id)
    if not account.serves_webhook:
        raise CommandError(f"Account {account.id} receives no texts: complete its settings first.")
    if (circuit := circuits.of(account.pk)) is not None:
        raise CommandError(f"Account {account.id} cannot be asked now: {circuit.sentence}")
    return [account]
