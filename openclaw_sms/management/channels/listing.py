"""`channels list`: the accounts there are."""

from typing import Any

from django.core.management.base import OutputWrapper

from openclaw_sms.config.accounts import Account, Accounts
from openclaw_sms.diagnostics.status import CHANNEL, mask_words, shown_name
from openclaw_sms.management.reporting import add_common, chosen, write_json
from openclaw_sms.management.terminal import paint


def register(actions: Any) -> None:
    parser = actions.add_parser("list", help="the accounts, by their ids")
    add_common(parser)
    parser.set_defaults(run=run)


def run(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    known, wanted = chosen(options["account"])
    if options["json"]:
        listed = [_as_json(account, known) for account in wanted]
        write_json(stdout, {"channel": CHANNEL, "accounts": listed, "conflicts": list(known.conflicts)})
        return
    colour = paint(stdout, options)
    for account in wanted:
        state = colour("good", "configured") if account.configured else colour("act", "not configured")
        switched = "" if account.enabled else colour("quiet", ", switched off")
        main = " (default)" if known.default is account else ""
        named = f"  {mask_words(account.name)}" if account.name else ""
        stdout.write(f"{colour('strong', account.id)}{main}  {shown_name(account)}  {state}{switched}{named}")
    for conflict in known.conflicts:
        stdout.write(colour("bad", f"✗ {conflict}"))
    if not wanted:
        stdout.write("No account yet: set it up with `manage.py channels add`.")


def _as_json(account: Account, known: Accounts) -> dict[str, object]:
    return {
        "accountId": account.id,
        "name": shown_name(account),
        "displayName": mask_words(account.name) or None,
        "default": known.default is account,
        "enabled": account.enabled,
        "configured": account.configured,
    }
