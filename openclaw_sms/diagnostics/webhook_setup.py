"""Setting the webhook at Twilio: what would change, whether it may, and doing it.

A webhook that leads to another host is somebody's, and is overwritten only when that is asked for in so many words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import ConfigurationError, is_web_address
from openclaw_sms.diagnostics import webhook
from openclaw_sms.diagnostics.findings import WebhookStatus
from openclaw_sms.diagnostics.webhook import NUMBER, Webhook
from openclaw_sms.text.web_address import host_of, without_secrets
from openclaw_sms.twilio.callbacks import webhook_url
from openclaw_sms.twilio.errors import TwilioError
from openclaw_sms.twilio.lookup import TwilioLookup

# What a number has when it is new; see Twilio's console, "Configure a number".
TWILIOS_OWN = frozenset({"demo.twilio.com"})


class SetupRefused(ConfigurationError):
    """The webhook is not set. The message says why, and what to do."""

    code = "setup_refused"


@dataclass(frozen=True, slots=True)
class Plan:
    """`before`: as it is at Twilio. `url`: what is to be entered, with its fragment; the method is POST."""

    account: Account
    before: Webhook
    url: str

    @property
    def needed(self) -> bool:
        return self.before.status is not WebhookStatus.MATCHES or self.before.url != self.url

    def as_json(self) -> Mapping[str, Any]:
        return {
            "account": self.account.id,
            "target": self.before.target,
            "before": {"url": without_secrets(self.before.url) or None, "method": self.before.method or None},
            "after": {"url": without_secrets(self.url), "method": "POST"},
            "needed": self.needed,
        }


def lookup(account: Account, timeout: timedelta) -> TwilioLookup:
    """Raises `InsecureApiBase`."""
    return TwilioLookup(account.credentials, base_url=settings.TWILIO_API_BASE_URL, timeout=timeout)


def plan(account: Account, twilio: TwilioLookup) -> Plan:
    """Look at what is there. Raises `SetupRefused` for an account that cannot be set up, and `TwilioError`."""
    _refuse_incomplete(account)
    before = look(account, twilio)
    if not before.sid:
        raise SetupRefused(before.sentence)
    return Plan(account, before, webhook_url(account.public_webhook_url))


def look(account: Account, twilio: TwilioLookup) -> Webhook:
    """The webhook as it is now. Raises `TwilioError`."""
    if webhook.target_of(account) == NUMBER:
        return webhook.of_number(account, twilio.number(account.from_number))
    return webhook.of_service(account, twilio.service(account.messaging_service_sid))


def refuse_foreign(planned: Plan, *, force: bool) -> None:
    """Raises `SetupRefused` when what is there belongs to something else."""
    before = planned.before
    if force:
        return
    if before.application:
        raise SetupRefused(
            "A TwiML application answers the number's texts: give --force to take it off the number, "
            "or take it off in Twilio's console."
        )
    if before.status is WebhookStatus.UNAVAILABLE:
        raise SetupRefused(f"{before.sentence} Or give --force to change the service itself.")
    host = host_of(before.url)
    if before.url and host not in {host_of(planned.url), *TWILIOS_OWN}:
        raise SetupRefused(
            f"The webhook leads to {host or 'another address'}, which is not this gateway: "
            "give --force to overwrite it."
        )


def carry_out(planned: Plan, twilio: TwilioLookup, *, actor: Actor, now: datetime) -> Webhook:
    """Set it, write who did, and look again: the webhook as it is afterwards. Raises `TwilioError`."""
    if planned.before.target == NUMBER:
        twilio.set_number_webhook(planned.before.sid, planned.url)
    else:
        twilio.set_service_webhook(planned.before.sid, planned.url)
    audit.record(
        "account.webhook_set",
        actor=actor,
        at=now,
        account_id=planned.account.pk,
        subject=planned.account.id,
        before=without_secrets(planned.before.url),
        after=without_secrets(planned.url),
    )
    return look(planned.account, twilio)


def _refuse_incomplete(account: Account) -> None:
    if not account.configured:
        raise SetupRefused(
            f"Account {account.id} is not complete: set accountSid, authToken and fromNumber or "
            "messagingServiceSid first."
        )
    if not account.public_webhook_url or not is_web_address(account.public_webhook_url):
        raise SetupRefused(
            f"Account {account.id} has no usable publicWebhookUrl: set it (SMS_PUBLIC_WEBHOOK_URL) to the address "
            "at which Twilio reaches this gateway."
        )


__all__ = ["Plan", "SetupRefused", "TwilioError", "carry_out", "lookup", "plan", "refuse_foreign"]
