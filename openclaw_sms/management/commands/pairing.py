"""`manage.py pairing list|approve|dismiss`: who waits to be let in, in the reference channel's own words."""

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.access import pairing
from openclaw_sms.config import accounts
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging import admission
from openclaw_sms.models import PairingRequest

CHANNEL = "sms"


class Command(GatewayCommand):
    help = "List, approve or dismiss the senders who wait to be let in."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="the senders who wait, oldest first")
        listing.add_argument("channel", nargs="?", default=CHANNEL, type=channel)
        listing.add_argument("--json", action="store_true")
        approving = actions.add_parser("approve", help="let the sender with this code in")
        approving.add_argument("--notify", action="store_true", help="text the sender that they are in")
        dismissing = actions.add_parser("dismiss", help="drop the request without blocking the sender")
        for action in (approving, dismissing):
            action.add_argument("words", nargs="+", metavar="[sms] CODE")
        for action in (listing, approving, dismissing):
            action.add_argument("--account", metavar="ID")

    def run_command(self, **options: Any) -> None:
        action, account = options["action"], options["account"]
        account_pk = accounts.choose(account).pk if account is not None else None
        if action == "list":
            self._list(account_pk, as_json=options["json"])
            return
        code = code_of(options["words"])
        if action == "approve":
            self._approve(code, account_pk, notify=options["notify"])
        else:
            request = pairing.dismiss(code, actor=shell_actor(), now=timezone.now(), account_pk=account_pk)
            self.stdout.write(f"Dismissed {request.sender}; the next text of this sender draws a new code.")

    def _list(self, account_pk: int | None, *, as_json: bool) -> None:
        waiting = list(pairing.pending(timezone.now(), account_pk=account_pk))
        if as_json:
            requests = [as_dict(request) for request in waiting]
            self.stdout.write(json.dumps({"channel": CHANNEL, "requests": requests}, indent=2))
        elif not waiting:
            self.stdout.write("Nobody is waiting.")
        for request in [] if as_json else waiting:
            self.stdout.write(
                f"{request.code}  {request.sender:<16}  {request.account.account_id}  "
                f"since {request.created_at:%Y-%m-%d %H:%M} UTC, until {request.expires_at:%H:%M}"
            )

    def _approve(self, code: str, account_pk: int | None, *, notify: bool) -> None:
        done = admission.approve(code, actor=shell_actor(), now=timezone.now(), account_pk=account_pk, notify=notify)
        self.stdout.write(f"Approved {done.sender.number}.")
        if done.warning:
            self.stderr.write(done.warning)


def as_dict(request: PairingRequest) -> dict[str, object]:
    return {
        "id": str(request.pk),
        "code": request.code,
        "account": request.account.account_id,
        "sender": request.sender,
        "createdAt": request.created_at.isoformat(),
        "lastSeenAt": request.last_seen_at.isoformat(),
        "expiresAt": request.expires_at.isoformat(),
    }


def channel(word: str) -> str:
    if word != CHANNEL:
        raise ArgumentTypeError(f"the only channel here is {CHANNEL}")
    return word


def code_of(words: list[str]) -> str:
    """`sms CODE` and `CODE` mean the same."""
    rest = words[1:] if words[0] == CHANNEL else words
    if len(rest) != 1:
        raise CommandError("Give one code: pairing approve sms CODE.", returncode=2)
    return rest[0]
