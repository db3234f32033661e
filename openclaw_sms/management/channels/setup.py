"""`channels setup`: set the webhook at Twilio to this gateway's public URL, and see that it is."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics import webhook_setup
from openclaw_sms.diagnostics.findings import WebhookStatus
from openclaw_sms.diagnostics.webhook_setup import Plan
from openclaw_sms.management.base import shell_actor
from openclaw_sms.management.reporting import write_json
from openclaw_sms.management.terminal import paint
from openclaw_sms.text.web_address import without_secrets
from openclaw_sms.twilio.errors import TwilioError

TIMEOUT = timedelta(seconds=15)


def register(actions: Any) -> None:
    parser = actions.add_parser("setup", help="point the Twilio number's webhook at this gateway")
    parser.add_argument("--account", metavar="ID")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("--force", action="store_true", help="overwrite a webhook that leads elsewhere")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def run(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    account = accounts.choose(options["account"])
    twilio = webhook_setup.lookup(account, TIMEOUT)
    try:
        planned = webhook_setup.plan(account, twilio)
        if not options["json"]:
            _show(stdout, planned, options)
        if planned.needed:
            webhook_setup.refuse_foreign(planned, force=options["force"])
        outcome = _carry_out(planned, twilio, options)
    except TwilioError as error:
        raise CommandError(f"Twilio: {_about_a_question(error)}") from None
    finally:
        twilio.close()
    if options["json"]:
        write_json(stdout, {**planned.as_json(), **outcome})
    else:
        stdout.write(paint(stdout, options)("good", str(outcome["sentence"])))


def _carry_out(planned: Plan, twilio: Any, options: dict[str, Any]) -> dict[str, object]:
    """`status` is the webhook's, by a second look after the change."""
    if not planned.needed:
        return {"changed": False, "status": "matches", "sentence": "Nothing to do: Twilio has exactly that."}
    if options["dry_run"]:
        return {"changed": False, "status": str(planned.before.status), "sentence": "Nothing was changed (dry run)."}
    after = webhook_setup.carry_out(planned, twilio, actor=shell_actor(), now=timezone.now())
    if after.status is not WebhookStatus.MATCHES:
        raise CommandError(f"Twilio took the change, but the webhook is still {after.status}: {after.sentence}")
    return {"changed": True, "status": str(after.status), "sentence": "Done, and Twilio confirms it: matches."}


def _show(stdout: OutputWrapper, planned: Plan, options: dict[str, Any]) -> None:
    colour = paint(stdout, options)
    before = planned.before
    stdout.write(f"Account {planned.account.id}, the {before.target}'s webhook for texts that come in:")
    stdout.write(colour("bad", f"  before  {before.method or '-'} {without_secrets(before.url) or '(none)'}"))
    stdout.write(colour("good", f"  after   POST {without_secrets(planned.url)}"))


def _about_a_question(error: TwilioError) -> str:
    if error.http_status is None:
        return "no answer came in time; check this machine's network, then run the command again."
    return str(error)


def offer(stdout: OutputWrapper, account: Account, options: dict[str, Any]) -> None:
    """The same, for an account that was just added."""
    run(stdout, {**options, "account": account.id, "dry_run": False, "force": False, "json": False})
