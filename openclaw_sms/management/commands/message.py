"""`manage.py message send`: text a number by hand."""

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.diagnostics import help as help_pages
from openclaw_sms.management.base import GatewayCommand, shell_actor
from openclaw_sms.messaging import enclosures, manual, worker
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.messaging.manual import Draft
from openclaw_sms.messaging.parts import Planned
from openclaw_sms.models import UNSENT, OutboundMessage, OutboundPart, PartState, Reason
from openclaw_sms.text.phone import mask, parse_target

# Long enough for a few tries and for asking Twilio about one that got no answer.
WAIT_AT_MOST = timedelta(seconds=45)
DRY_RUN = "dry-run"
LOOK_EVERY = timedelta(milliseconds=200)


class Command(GatewayCommand):
    help = "Send a text by hand."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        sending = actions.add_parser("send", help="send one text")
        sending.add_argument("--target", required=True, metavar="sms:+1…", help="the number to text")
        sending.add_argument("--message", metavar="TEXT", help="may be left out beside --media")
        sending.add_argument(
            "--media",
            action="append",
            default=[],
            metavar="PATH|URL",
            help="a file here, or a public https address; up to ten times",
        )
        sending.add_argument("--channel", choices=["sms"], default="sms")
        sending.add_argument("--account", metavar="ID")
        sending.add_argument(
            "--automated", action="store_true", help="a program or an agent began this text: keep the quiet hours"
        )
        sending.add_argument("--plain", action="store_true", help="send the text as it is, markdown and all")
        sending.add_argument("--dry-run", action="store_true", help="show the parts and send nothing")
        sending.add_argument("--json", action="store_true")
        self._sending = sending

    def run_command(self, **options: Any) -> None:
        if options["message"] is None and not options["media"]:
            self._sending.error("give --message, --media or both")
        region = accounts.default_region()
        to = parse_target(options["target"], region=region)
        draft = manual.draft(
            accounts.choose(options["account"]),
            to,
            options["message"] or "",
            plain=options["plain"],
            media=[enclosures.named(word) for word in options["media"]],
        )
        if options["dry_run"]:
            self._show(draft, [_planned(part) for part in draft.parts], as_json=options["json"])
            return
        message = manual.submit(draft, author=shell_actor().name, now=timezone.now(), automated=options["automated"])
        parts = self._wait(message)
        self._show(draft, [_as_dict(part) for part in parts], as_json=options["json"])
        self._say_when(parts, as_json=options["json"])
        _raise_unless_sent(parts)

    def _wait(self, message: OutboundMessage) -> list[OutboundPart]:
        """Send the parts from here; where a running worker was faster, watch it."""
        deadline = time.monotonic() + WAIT_AT_MOST.total_seconds()
        while True:
            worker.send(message.conversation_id)
            parts = list(message.parts.order_by("number"))
            if (
                all(part.state not in UNSENT or waits_for_morning(part) for part in parts)
                or time.monotonic() > deadline
            ):
                return parts
            time.sleep(LOOK_EVERY.total_seconds())

    def _show(self, draft: Draft, parts: list[dict[str, object]], *, as_json: bool) -> None:
        if as_json:
            media = {"media": _listed(draft.enclosures)} if draft.enclosures else {}
            shown = {"account": draft.account.id, "to": draft.to, "parts": parts, **media}
            self.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        for each in _listed(draft.enclosures):
            self.stdout.write(f"With {each.get('url') or '{contentType}, {size} bytes'.format(**each)}")
        for number, part in enumerate(parts, start=1):
            self.stdout.write(
                f"Part {number} of {len(parts)} to {mask(draft.to)}: {part['status']}, {part['encoding']}, "
                f"segments: {part['segments']}{', ' + str(part['sid']) if part['sid'] else ''}"
            )
            if not part["sid"] and part["status"] == DRY_RUN:
                self.stdout.write(f"{part['body']}\n")

    def _say_when(self, parts: list[OutboundPart], *, as_json: bool) -> None:
        waiting = next((part for part in parts if waits_for_morning(part)), None)
        if waiting is not None and waiting.next_attempt_at is not None and not as_json:
            at = timezone.localtime(waiting.next_attempt_at)
            self.stdout.write(f"Quiet hours where they are: it goes out at {at:%Y-%m-%d %H:%M %Z}.")


def waits_for_morning(part: OutboundPart) -> bool:
    """Kept back by quiet hours, as --automated asks for: nothing has failed."""
    return part.state == PartState.QUEUED and part.reason == Reason.QUIET_HOURS


def _planned(part: Planned) -> dict[str, object]:
    return {
        "body": part.body,
        "encoding": part.encoding,
        "segments": part.segments,
        "sid": None,
        "status": DRY_RUN,
    }


def _listed(media: Sequence[Enclosure]) -> list[dict[str, object]]:
    """What goes along: an address as it is given, a file of ours by what it is."""
    return [
        {"url": each.url} if each.url else {"contentType": each.content_type, "size": each.size} for each in media
    ]


def _as_dict(part: OutboundPart) -> dict[str, object]:
    accepted = part.state == PartState.ACCEPTED
    return {
        "body": part.body,
        "encoding": part.encoding,
        "segments": part.segments,
        "sid": part.sid or None,
        "status": part.delivery or part.state if accepted else part.state,
    }


def _raise_unless_sent(parts: list[OutboundPart]) -> None:
    unsent = next((part for part in parts if part.state != PartState.ACCEPTED), None)
    if unsent is None or waits_for_morning(unsent):
        return
    if unsent.state in UNSENT:
        raise CommandError(
            f"Part {unsent.number} is not sent yet: it stays in the outbox, and the gateway goes on trying."
        )
    more = f" See {help_pages.address(unsent.reason)}." if unsent.reason else ""
    raise CommandError(f"Part {unsent.number} of {len(parts)} was not sent: {unsent.detail}{more}")
