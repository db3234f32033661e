"""How each account stands, by its settings and our own rows: the reference channel's snapshot, in its words.

No number, token or text: a number shows as `+1555***4567`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openclaw_sms.config.accounts import SANDBOX_ID, Account, Accounts
from openclaw_sms.diagnostics import settings_check
from openclaw_sms.diagnostics.findings import Finding
from openclaw_sms.diagnostics.probes import Probe
from openclaw_sms.messaging import heartbeat
from openclaw_sms.text.phone import mask

CHANNEL = "sms"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`lifecycle`: starting, ready, blocked or stopped. `running`: a worker lives and the account is served."""

    account: Account
    default: bool
    lifecycle: str
    running: bool
    findings: tuple[Finding, ...]
    probe: Probe | None = None

    @property
    def state(self) -> str:
        if not self.account.enabled:
            return "disabled"
        return "configured" if self.account.configured else "unconfigured"

    def as_json(self) -> Mapping[str, Any]:
        account = self.account
        shown = {
            "accountId": account.id,
            "name": shown_name(account),
            "displayName": mask_words(account.name) or None,
            "default": self.default,
            "enabled": account.enabled,
            "configured": account.configured,
            "statusState": self.state,
            "lifecycle": self.lifecycle,
            "running": self.running,
            "tokenStatus": settings_check.token_status(account),
            "webhookPath": account.webhook_path,
            "signatureValidation": settings_check.signature_validation(account),
            "dmPolicy": account.dm_policy.value,
            "sandbox": account.id == SANDBOX_ID,
            "findings": [finding.as_json() for finding in self.findings],
        }
        return {**shown, "probe": self.probe.as_json()} if self.probe else shown


def snapshot(account: Account, known: Accounts, *, now: datetime, probe: Probe | None = None) -> Snapshot:
    served = known.by_path.get(account.webhook_path) is account
    worker = heartbeat.alive(now).exists()
    lifecycle = _lifecycle(account, served=served, worker=worker)
    found = tuple(settings_check.findings(account))
    return Snapshot(account, known.default is account, lifecycle, served and worker, found, probe)


def _lifecycle(account: Account, *, served: bool, worker: bool) -> str:
    """Blocked: switched on, but its webhook or its secret is missing. Stopped: off, not set up, or no worker."""
    if not account.enabled or not account.configured:
        return "stopped"
    if not served or account.unavailable:
        return "blocked"
    return "ready" if worker else "stopped"


def shown_name(account: Account) -> str:
    """What the reference channel calls an account: its number, else its service, else the channel."""
    return mask(account.from_number) if account.from_number else account.messaging_service_sid or "SMS"


def mask_words(words: str) -> str:
    """A display name is free text: people put their number there."""
    return " ".join(mask(word) if sum(char.isdigit() for char in word) >= 7 else word for word in words.split())
