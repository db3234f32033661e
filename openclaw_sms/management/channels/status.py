"""`channels status [--probe]`: how each account stands, and what Twilio and the agent say to that."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils import timezone

from openclaw_sms.agents.reachability import Reach
from openclaw_sms.config.accounts import Account, Accounts
from openclaw_sms.diagnostics import help as help_pages
from openclaw_sms.diagnostics.findings import WebhookStatus
from openclaw_sms.diagnostics.probes import Outbound, Probe, Probes, probe_all
from openclaw_sms.diagnostics.status import CHANNEL, Snapshot, shown_name, snapshot
from openclaw_sms.management.reporting import add_common, chosen, finding_lines, write_json
from openclaw_sms.management.terminal import Paint, paint

STATE_TONES = {"configured": "good", "unconfigured": "act", "disabled": "quiet"}
LIFECYCLE_TONES = {"ready": "good", "blocked": "bad", "stopped": "act", "starting": "act"}
ARRIVED = frozenset({"delivered", "read"})
LOST = frozenset({"failed", "undelivered", "canceled", "conflicted"})


def register(actions: Any) -> None:
    parser = actions.add_parser("status", help="how each account stands")
    add_common(parser, timeout=True)
    parser.add_argument("--probe", action="store_true", help="ask Twilio and the agent too")
    parser.set_defaults(run=run)


def run(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    known, wanted = chosen(options["account"])
    probes = probe_all(wanted, timeout=options["timeout"]) if options["probe"] else None
    now = timezone.now()
    snapshots = [_snapshot(account, known, probes, now) for account in wanted]
    agent = probes.agent if probes else None
    if options["json"]:
        write_json(stdout, report(snapshots, known, agent))
        return
    colour = paint(stdout, options)
    for each in snapshots:
        for line in account_lines(each, colour):
            stdout.write(line)
    if agent is not None:
        stdout.write(agent_line(agent, colour))
    for conflict in known.conflicts:
        stdout.write(colour("bad", f"✗ {conflict}"))
    if not snapshots:
        stdout.write("No account yet: set it up with `manage.py channels add`.")


def report(snapshots: list[Snapshot], known: Accounts, agent: Reach | None) -> Mapping[str, Any]:
    shown: dict[str, Any] = {
        "channel": CHANNEL,
        "accounts": [each.as_json() for each in snapshots],
        "conflicts": list(known.conflicts),
    }
    return shown if agent is None else {**shown, "agent": agent_json(agent)}


def agent_json(found: Reach) -> Mapping[str, Any]:
    return {
        "agent": found.agent,
        "reachable": found.reachable,
        "authorised": found.authorised,
        "elapsedMs": round(found.seconds * 1000),
        "code": found.code or None,
        "error": found.sentence or None,
        "help": help_pages.address(found.code) or None,
    }


def account_lines(found: Snapshot, colour: Paint) -> Iterator[str]:
    account = found.account
    state = colour(STATE_TONES[found.state], found.state)
    lifecycle = colour(LIFECYCLE_TONES[found.lifecycle], found.lifecycle)
    yield f"{colour('strong', f'SMS {account.id}')} {shown_name(account)}: {state}, {lifecycle}"
    shown = found.as_json()
    yield (
        f"  token {shown['tokenStatus']} · signature {shown['signatureValidation']} · "
        f"path {shown['webhookPath']} · policy {shown['dmPolicy']}"
    )
    if found.probe is not None:
        yield from (f"  {line}" for line in probe_lines(found.probe, colour))
    findings = [*found.findings, *(found.probe.findings if found.probe else ())]
    yield from (f"  {line}" for line in finding_lines(findings, colour))


def probe_lines(probe: Probe, colour: Paint) -> Iterator[str]:
    took = f"in {round(probe.elapsed.total_seconds() * 1000)} ms"
    yield f"{colour('bad', 'Probe failed') if probe.error else colour('good', 'Probe ok')} {took}"
    shown = probe.webhook.as_json()
    matches = probe.webhook.status is WebhookStatus.MATCHES
    address = f" {shown['url']}" if shown["url"] else ""
    yield f"Webhook {colour('good' if matches else 'bad', str(probe.webhook.status))}{address}"
    if probe.inbound is not None:
        code = f", error {probe.inbound.error_code}" if probe.inbound.error_code else ""
        words = f"{probe.inbound.status}{code} {probe.inbound.sid}"
        yield f"Recent inbound {colour('bad' if code else 'good', words)}{_at(probe.inbound.created_at)}"
    if probe.outbound is not None:
        yield _outbound_line(probe.outbound, colour)


def agent_line(found: Reach, colour: Paint) -> str:
    took = f"in {round(found.seconds * 1000)} ms"
    if found.code:
        return f"Agent {found.agent}: {colour('bad', found.sentence)} ({help_pages.address(found.code)})"
    if found.agent != "chat_completions":
        return f"Agent {found.agent}: {colour('good', 'ready')}, in this process"
    authorised = "authorised" if found.authorised else "reachable, authorisation unknown (it lists no models)"
    return f"Agent {found.agent}: {colour('good', authorised)} {took}"


def _snapshot(account: Account, known: Accounts, probes: Probes | None, now: datetime) -> Snapshot:
    return snapshot(account, known, now=now, probe=probes.by_account[account.id] if probes else None)


def _outbound_line(last: Outbound, colour: Paint) -> str:
    tone = "good" if last.status in ARRIVED else "bad" if last.status in LOST else "quiet"
    code = f", error {last.error_code}" if last.error_code else ""
    return f"Recent outbound {colour(tone, last.status + code)} {last.sid or '(no sid)'}{_at(last.at)}"


def _at(moment: datetime | None) -> str:
    return f" at {moment:%Y-%m-%d %H:%M} UTC" if moment else ""
