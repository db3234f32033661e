"""Everything that is wrong, in one report: settings, Twilio, the agent, the machine, posts that were turned away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Sum

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account, Accounts
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.diagnostics import machine, settings_check
from openclaw_sms.diagnostics.findings import Code, Finding, Severity, WebhookStatus
from openclaw_sms.diagnostics.probes import DEFAULT_TIMEOUT, Probes, agent_finding, probe_all
from openclaw_sms.diagnostics.refused_posts import UNTRIED
from openclaw_sms.models import InboundMessage, RefusedPosts

# Asking Twilio what became of a text allows for two minutes; well before that it is time to say something.
LARGEST_SKEW = timedelta(seconds=60)
LATELY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Report:
    findings: Sequence[Finding]
    accounts: Sequence[str]

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.PROBLEM]

    @property
    def notes(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.NOTE]

    def as_json(self) -> Mapping[str, Any]:
        return {
            "ok": not self.problems,
            "accounts": list(self.accounts),
            "problems": [finding.as_json() for finding in self.problems],
            "notes": [finding.as_json() for finding in self.notes],
        }


def examine(now: datetime, *, timeout: timedelta = DEFAULT_TIMEOUT) -> Report:
    """Look at everything. Asks Twilio and the agent, for `timeout` at most; changes nothing."""
    found = machine.findings(now)
    if any(each.code in (Code.DATABASE_UNREACHABLE, Code.MIGRATIONS_PENDING) for each in found):
        return Report(found, [])
    try:
        known = accounts.load()
    except (ConfigurationError, ImproperlyConfigured) as error:
        return Report([*_unusable(error), *found], [])
    probed = [account for account in known.by_id.values() if account.enabled]
    probes = probe_all(probed, timeout=timeout)
    return Report(
        [*_configuration(known), *_probed(known, probes), *refused_posts(known, now), *found], list(known.by_id)
    )


def _unusable(error: Exception) -> Iterator[Finding]:
    yield Finding(Code.NOT_SERVED, "The settings cannot be used, so no account is served.", str(error), "see there")


def _configuration(known: Accounts) -> Iterator[Finding]:
    if not known.by_id:
        yield Finding(
            Code.NO_ACCOUNT,
            "No account is set up: nothing can be received or sent.",
            "neither the environment nor the console names one",
            "manage.py channels add",
        )
    for account in known.by_id.values():
        yield from settings_check.findings(account)
    for conflict in known.conflicts:
        yield Finding(Code.NOT_SERVED, "An account is not served.", conflict, "manage.py channels status")


def _probed(known: Accounts, probes: Probes) -> Iterator[Finding]:
    for account_id, probe in probes.by_account.items():
        # Of an account that lacks a setting, the settings check says better why nothing could be asked.
        lacks = any(each.severity is Severity.PROBLEM for each in settings_check.findings(known.by_id[account_id]))
        yield from (each for each in probe.findings if not (lacks and each.code == WebhookStatus.UNAVAILABLE))
        if probe.clock_skew is not None and abs(probe.clock_skew) > LARGEST_SKEW:
            seconds = round(probe.clock_skew.total_seconds())
            yield Finding(
                Code.CLOCK_SKEW,
                "This machine's clock is wrong: texts are looked up at Twilio by time, and codes expire by it.",
                f"{abs(seconds)} seconds {'ahead of' if seconds > 0 else 'behind'} Twilio's",
                "timedatectl set-ntp true",
            )
    yield from agent_finding(probes.agent)


def refused_posts(known: Accounts, now: datetime) -> Iterator[Finding]:
    """Posts of the last hour that failed the signature, where they look like Twilio's."""
    for account in known.by_id.values():
        lately = RefusedPosts.objects.filter(account_id=account.pk, since__gte=now - LATELY)
        ours = lately.exclude(variant__in=("", UNTRIED)).values("variant", "url").annotate(total=Sum("count"))
        for row in ours.order_by("-total"):
            yield _would_verify(account, row)
        unexplained = lately.filter(variant__in=("", UNTRIED), from_proxy=True).aggregate(total=Sum("count"))["total"]
        if unexplained and not ours:
            yield _unexplained(account, unexplained, now)


def _would_verify(account: Account, row: Mapping[str, Any]) -> Finding:
    return Finding(
        Code.REFUSED_WEBHOOKS,
        f"{_posts(row['total'])} from Twilio's proxy failed the signature in the last hour; they verify if the "
        f"public URL were {row['url']}",
        f"the difference is in the {row['variant']}",
        f"set publicWebhookUrl to exactly that, or run: manage.py channels setup --account {account.id}",
        account.id,
    )


def _unexplained(account: Account, count: int, now: datetime) -> Finding:
    """Anybody can write that name into a post. As long as Twilio's own posts get in, nothing is broken."""
    received = InboundMessage.objects.filter(account_id=account.pk).order_by("-id")
    newest = received.values_list("received_at", flat=True).first()
    return Finding(
        Code.REFUSED_WEBHOOKS,
        f"{_posts(count)} in the name of Twilio's proxy failed the signature in the last hour, and no likely public "
        "URL would let them verify.",
        "the auth token may be another account's, or somebody forges posts",
        "compare the auth token with Twilio's console",
        account.id,
        Severity.NOTE if newest is not None and newest > now - LATELY else Severity.PROBLEM,
    )


def _posts(count: int) -> str:
    return f"{count} post{'s' if count != 1 else ''}"
