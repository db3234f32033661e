"""`channels add`: set up an account. Asks for what is not given, tries it at Twilio, stores it, and offers the setup.

The auth token never stands on the command line, where every process of the machine can read it: it is asked for, or
comes from TWILIO_AUTH_TOKEN or standard input.
"""

import getpass
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from django.db import transaction
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.config import accounts, adding, entry
from openclaw_sms.config.accounts import DEFAULT_ID, DEFAULT_WEBHOOK_PATH
from openclaw_sms.config.sources import ConfigurationError, account_environment
from openclaw_sms.diagnostics.findings import Code, WebhookStatus
from openclaw_sms.diagnostics.probes import Probe, probe_all
from openclaw_sms.management.base import shell_actor
from openclaw_sms.management.channels import setup
from openclaw_sms.management.channels.status import probe_lines
from openclaw_sms.management.reporting import finding_lines
from openclaw_sms.management.terminal import paint

Check = Callable[[str], Any]
# Certainly wrong: such an account would never send or receive.
HOPELESS = frozenset({Code.CREDENTIALS_REFUSED, WebhookStatus.NUMBER_NOT_FOUND, WebhookStatus.SERVICE_MISSING})
OPTIONAL: Mapping[str, Check] = {
    "default_to": partial(entry.fit, "default_to"),
    "dm_policy": partial(entry.needed, "dm_policy"),
    "allow_from": entry.allow_from,
    "name": partial(entry.fit, "name"),
}


def register(actions: Any) -> None:
    parser = actions.add_parser("add", help="set up an account, step by step")
    parser.add_argument("--account", metavar="ID", default=DEFAULT_ID)
    parser.add_argument("--account-sid", metavar="AC…")
    parser.add_argument("--from-number", metavar="+1…")
    parser.add_argument("--messaging-service-sid", metavar="MG…")
    parser.add_argument("--public-webhook-url", metavar="https://…")
    parser.add_argument("--webhook-path", metavar="/…", help="where the gateway listens; the URL's path if not given")
    parser.add_argument("--default-to", metavar="+1…")
    parser.add_argument("--dm-policy", metavar="POLICY", help="pairing, allowlist, open or disabled")
    parser.add_argument("--allow-from", metavar="+1…,+1…")
    parser.add_argument("--name", metavar="WORDS")
    parser.add_argument("--token-stdin", action="store_true", help="read the auth token from standard input")
    parser.add_argument("--setup", action="store_true", help="set the webhook at Twilio too, without asking")
    parser.set_defaults(run=run)


def run(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    _refuse_sandbox()
    account_id = entry.account_id(options["account"])
    asks = sys.stdin.isatty() and not options["token_stdin"]
    values = _values(stdout, options, asks=asks)
    adding.refuse_conflicts(account_id, values)
    probe = probe_all([adding.drafted(account_id, values)]).by_account[account_id]
    _show(stdout, probe, options)
    if hopeless := [finding for finding in probe.findings if finding.code in HOPELESS]:
        raise CommandError(f"Not stored: {hopeless[0].cause}")
    _store(account_id, values)
    stdout.write(f"Account {account_id} is stored. A running gateway serves it within seconds.")
    if probe.webhook.status is not WebhookStatus.MATCHES:
        _offer_setup(stdout, account_id, options, asks=asks)


def _refuse_sandbox() -> None:
    if settings.SMS_SANDBOX:
        raise CommandError(
            "The sandbox is on, and no real account is set up beside it: run `manage.py sandbox off` first."
        )


def _values(stdout: OutputWrapper, options: Mapping[str, Any], *, asks: bool) -> dict[str, Any]:
    """The settings to store, by column. Raises `ConfigurationError` or `CommandError`: what is missing or wrong."""
    ask = _Asker(stdout, options, asks=asks)
    values: dict[str, Any] = {
        "account_sid": ask("account_sid", "Account SID (AC…)", partial(entry.needed, "account_sid"))
    }
    values["auth_token"] = _token(options, asks=asks)
    if not (asks or options["from_number"] or options["messaging_service_sid"]):
        raise CommandError("Give --from-number or --messaging-service-sid, or run the command on a terminal.")
    from_number = ask(
        "from_number",
        "Your Twilio number (+1…; empty for a Messaging Service)",
        partial(entry.fit, "from_number"),
        needed=False,
    )
    if from_number:
        values["from_number"] = from_number
    if options["messaging_service_sid"] or not from_number:
        values["messaging_service_sid"] = ask(
            "messaging_service_sid", "Messaging Service SID (MG…)", partial(entry.needed, "messaging_service_sid")
        )
    values["public_webhook_url"] = ask(
        "public_webhook_url", "Public URL of the webhook (https://…)", partial(entry.needed, "public_webhook_url")
    )
    values["webhook_path"] = _path(options, values["public_webhook_url"])
    given = {name: check(options[name]) for name, check in OPTIONAL.items() if options[name] is not None}
    return {**values, **given}


class _Asker:
    """A value from its flag; else, on a terminal, from whoever sits there, until it can be used."""

    def __init__(self, stdout: OutputWrapper, options: Mapping[str, Any], *, asks: bool) -> None:
        self._stdout = stdout
        self._options = options
        self._asks = asks

    def __call__(self, name: str, words: str, check: Check, *, needed: bool = True) -> Any:
        if self._options[name] is not None:
            return check(self._options[name])
        if not self._asks:
            if needed:
                raise CommandError(f"Give --{name.replace('_', '-')}, or run the command on a terminal.")
            return ""
        while True:
            try:
                return check(input(f"{words}: "))
            except ConfigurationError as error:
                self._stdout.write(str(error))
            except EOFError:
                raise CommandError("Stopped; nothing is stored.") from None


def _token(options: Mapping[str, Any], *, asks: bool) -> Any:
    if options["token_stdin"]:
        return entry.needed("auth_token", sys.stdin.readline())
    if told := account_environment(accounts.default_region()).auth_token:
        return entry.needed("auth_token", told)
    if not asks:
        raise CommandError("Give the auth token in TWILIO_AUTH_TOKEN, or on standard input with --token-stdin.")
    return entry.needed("auth_token", getpass.getpass("Auth token (not shown): "))


def _path(options: Mapping[str, Any], url: str) -> str:
    """Where to listen: as given, else the public URL's own path where that can be one."""
    if options["webhook_path"] is not None:
        return str(entry.needed("webhook_path", options["webhook_path"]))
    try:
        return str(entry.needed("webhook_path", urlsplit(url).path))
    except ConfigurationError:
        return DEFAULT_WEBHOOK_PATH


def _show(stdout: OutputWrapper, probe: Probe, options: Mapping[str, Any]) -> None:
    colour = paint(stdout, options)
    for line in [*probe_lines(probe, colour), *finding_lines(probe.findings, colour)]:
        stdout.write(line)


def _store(account_id: str, values: Mapping[str, Any]) -> None:
    with transaction.atomic():
        row = adding.store(account_id, values)
        audit.record(
            "account.added",
            actor=shell_actor(),
            at=timezone.now(),
            account_id=row.pk,
            subject=account_id,
            fields=sorted(values),
        )


def _offer_setup(stdout: OutputWrapper, account_id: str, options: dict[str, Any], *, asks: bool) -> None:
    wanted = options["setup"] or (asks and _says_yes("Set the webhook at Twilio now? [y/N] "))
    if wanted:
        setup.offer(stdout, accounts.choose(account_id), options)
    else:
        stdout.write(f"Next: manage.py channels setup --account {account_id}")


def _says_yes(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
