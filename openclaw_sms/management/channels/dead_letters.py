"""`channels dead-letters list|resubmit`: texts that nobody answers before something is mended.

A number is masked and no words are shown: a terminal is read over shoulders, and its output is pasted into tickets.
"""

import json
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.management.base import shell_actor
from openclaw_sms.messaging import dead_letters
from openclaw_sms.models import FIXES, InboundMessage, Reason
from openclaw_sms.text.phone import mask

CHANNEL = "sms"


def register(subparsers: Any) -> None:
    letters = subparsers.add_parser("dead-letters", help="texts that cannot be answered before something is mended")
    actions = letters.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="which they are, oldest first, and what to mend")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=show)
    again = actions.add_parser("resubmit", help="have one answered after all")
    again.add_argument("id", metavar="ID", help="its id in the list, or its MessageSid")
    again.set_defaults(run=resubmit)
    for action in (listing, again):
        action.add_argument("--channel", choices=[CHANNEL], default=CHANNEL)
        action.add_argument("--account", metavar="ID")


def show(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    letters = list(dead_letters.waiting(account_pk=_account_pk(options)))
    if options["json"]:
        listed = [as_dict(text) for text in letters]
        stdout.write(json.dumps({"channel": CHANNEL, "deadLetters": listed}, indent=2, ensure_ascii=False))
        return
    if not letters:
        stdout.write("No dead letters.")
    for text in letters:
        letter = as_dict(text)
        stdout.write(
            f"{letter['id']:>6}  {letter['sender']:<16}  {letter['account']}  "
            f"{text.received_at:%Y-%m-%d %H:%M} UTC  {letter['reason']}\n"
            f"        {letter['why']} {letter['fix']}"
        )


def resubmit(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    text = dead_letters.resubmit(
        options["id"], actor=shell_actor(), now=timezone.now(), account_pk=_account_pk(options)
    )
    stdout.write(f"Resubmitted {text.sid} of {mask(text.sender)}: it is answered next.")


def as_dict(text: InboundMessage) -> dict[str, object]:
    """A dead letter as `--json` shows it. `attempts`: how often the agent was asked."""
    reason = Reason(text.reason)
    return {
        "id": str(text.pk),
        "sid": text.sid,
        "account": text.account.account_id,
        "sender": mask(text.sender),
        "reason": reason.value,
        "why": text.detail or str(reason.label),
        "fix": FIXES.get(reason, ""),
        "attempts": text.attempts,
        "receivedAt": text.received_at.isoformat(),
        "parkedAt": text.finished_at.isoformat() if text.finished_at else None,
    }


def _account_pk(options: dict[str, Any]) -> int | None:
    return accounts.choose(options["account"]).pk if options["account"] is not None else None
