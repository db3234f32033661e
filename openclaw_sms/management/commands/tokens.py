"""`manage.py tokens create|list|revoke`: how programs come in."""

import json
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from openclaw_sms.access import tokens
from openclaw_sms.config import accounts
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging.wire import moment
from openclaw_sms.models import ApiToken, Scope

LONGEST_LIFE = 3650  # days


class Command(GatewayCommand):
    help = "Make, list and revoke the tokens of programs."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        creating = actions.add_parser("create", help="make a token; it is shown once")
        creating.add_argument("name", metavar="NAME", help="who uses it")
        creating.add_argument("--scope", action="append", required=True, choices=Scope.values, dest="scopes")
        creating.add_argument("--account", metavar="ID", help="for this account alone")
        creating.add_argument("--days", type=days, metavar="N", help="it expires after so many days")
        listing = actions.add_parser("list", help="the tokens, without themselves")
        revoking = actions.add_parser("revoke", help="end a token")
        revoking.add_argument("name", metavar="NAME", help="its name, or how it begins")
        for action in (creating, listing):
            action.add_argument("--json", action="store_true")

    def run_command(self, **options: Any) -> None:
        now = timezone.now()
        if options["action"] == "create":
            self._create(now, **options)
        elif options["action"] == "list":
            self._list(now, as_json=options["json"])
        else:
            row = tokens.named(options["name"])
            revoked = tokens.revoke(row, actor=shell_actor(), now=now)
            self.stdout.write(f"{row.name} is revoked." if revoked else f"{row.name} was revoked already.")

    def _create(self, now: datetime, **options: Any) -> None:
        account = accounts.choose(options["account"]) if options["account"] is not None else None
        made = tokens.create(
            options["name"],
            set(options["scopes"]),
            actor=shell_actor(),
            now=now,
            account_pk=account.pk if account else None,
            expires_at=now + timedelta(days=options["days"]) if options["days"] else None,
        )
        if options["json"]:
            self.stdout.write(json.dumps({**_as_dict(made.row, now), "token": made.plain}, indent=2))
            return
        self.stdout.write(made.plain)
        self.stderr.write("Keep it now: it is not stored and will not be shown again.")

    def _list(self, now: datetime, *, as_json: bool) -> None:
        rows = list(ApiToken.objects.select_related("account"))
        if as_json:
            self.stdout.write(json.dumps({"tokens": [_as_dict(row, now) for row in rows]}, indent=2))
            return
        for row in rows:
            account = row.account.account_id if row.account else "every account"
            used = f"last used {row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never used"
            words = (row.prefix + "…", row.name, ",".join(row.scopes), account, tokens.state(row, now=now), used)
            self.stdout.write("  ".join(words))
        if not rows:
            self.stdout.write("There are no tokens.")


def days(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) <= LONGEST_LIFE):
        raise ArgumentTypeError(f"give a number of days from 1 to {LONGEST_LIFE}")
    return int(word)


def _as_dict(row: ApiToken, now: datetime) -> dict[str, object]:
    return {
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "account": row.account.account_id if row.account else None,
        "state": tokens.state(row, now=now),
        "createdAt": moment(row.created_at),
        "createdBy": row.created_by,
        "expiresAt": moment(row.expires_at),
        "lastUsedAt": moment(row.last_used_at),
    }
