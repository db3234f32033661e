"""`channels capabilities`: what the channel can do, and what each account's settings and Twilio allow of that."""

from typing import Any

from django.core.management.base import OutputWrapper
from django.utils import timezone

from openclaw_sms.diagnostics.capabilities import SMS
from openclaw_sms.diagnostics.probes import probe_all
from openclaw_sms.diagnostics.status import CHANNEL, snapshot
from openclaw_sms.management.channels.status import account_lines, agent_json, agent_line
from openclaw_sms.management.reporting import add_common, chosen, write_json
from openclaw_sms.management.terminal import paint


def register(actions: Any) -> None:
    parser = actions.add_parser("capabilities", help="what the channel can do, with a probe of each account")
    add_common(parser, timeout=True)
    parser.set_defaults(run=run)


def run(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    known, wanted = chosen(options["account"])
    probes = probe_all(wanted, timeout=options["timeout"])
    now = timezone.now()
    found = [snapshot(account, known, now=now, probe=probes.by_account[account.id]) for account in wanted]
    if options["json"]:
        shown = {
            "channel": CHANNEL,
            "capabilities": SMS.as_json(),
            "accounts": [each.as_json() for each in found],
            "agent": probes.agent and agent_json(probes.agent),
        }
        write_json(stdout, shown)
        return
    colour = paint(stdout, options)
    stdout.write(f"{colour('strong', 'SMS')}: {SMS.in_words()}")
    for each in found:
        for line in account_lines(each, colour):
            stdout.write(line)
    if probes.agent is not None:
        stdout.write(agent_line(probes.agent, colour))
