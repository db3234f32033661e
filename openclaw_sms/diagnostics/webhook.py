"""What Twilio would do with a text that comes in, held against what it should do.

The pure half of the probe: facts in, one status and its sentence out. Addresses are compared byte for byte but for
their fragments, which carry Twilio's connection overrides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics.findings import WebhookStatus
from openclaw_sms.text.web_address import same_resource, without_secrets
from openclaw_sms.twilio.lookup import NumberFacts, ServiceFacts

NUMBER, SERVICE = "number", "messaging-service"


@dataclass(frozen=True, slots=True)
class Webhook:
    """`target`: where the setting is kept at Twilio, "" when the account has neither number nor service."""

    status: WebhookStatus
    sentence: str
    target: str = ""
    sid: str = ""
    url: str = field(default="", repr=False)
    method: str = ""
    expected_url: str = field(default="", repr=False)
    voice_url: str = field(default="", repr=False)
    application: bool = False
    takes_texts: bool = True

    def as_json(self) -> Mapping[str, Any]:
        shown = {
            "status": str(self.status),
            "target": self.target or None,
            "url": without_secrets(self.url) or None,
            "method": self.method or None,
            "expectedUrl": without_secrets(self.expected_url) or None,
            "expectedMethod": "POST",
            "detail": self.sentence,
        }
        return {**shown, "voiceUrl": without_secrets(self.voice_url)} if self.voice_url else shown


def unknown(account: Account, sentence: str) -> Webhook:
    return Webhook(WebhookStatus.UNAVAILABLE, sentence, target_of(account), expected_url=account.public_webhook_url)


def target_of(account: Account) -> str:
    """A number wins over a service, as it does for sending."""
    if account.from_number:
        return NUMBER
    return SERVICE if account.messaging_service_sid else ""


def of_number(account: Account, facts: NumberFacts | None) -> Webhook:
    if facts is None:
        sentence = "The Twilio account has no such number: correct fromNumber, or the Account SID."
        return Webhook(WebhookStatus.NUMBER_NOT_FOUND, sentence, NUMBER, expected_url=account.public_webhook_url)
    status, sentence = _judge(account, facts.sms_url, facts.sms_method)
    if facts.sms_application_sid:
        status = WebhookStatus.URL_MISMATCH
        sentence = "A TwiML application is set for the number's texts, and its webhook counts instead."
    return Webhook(
        status,
        sentence,
        NUMBER,
        facts.sid,
        facts.sms_url,
        facts.sms_method,
        account.public_webhook_url,
        facts.voice_url,
        application=bool(facts.sms_application_sid),
        takes_texts=facts.takes_texts,
    )


def of_service(account: Account, facts: ServiceFacts | None) -> Webhook:
    if facts is None:
        sentence = "The Twilio account has no such Messaging Service: correct messagingServiceSid."
        return Webhook(WebhookStatus.SERVICE_MISSING, sentence, SERVICE, expected_url=account.public_webhook_url)
    status, sentence = _judge(account, facts.inbound_request_url, facts.inbound_method)
    if facts.defers_to_number:
        status = WebhookStatus.UNAVAILABLE
        sentence = (
            "The Messaging Service defers to each number's own webhook: choose “Send a webhook” in the service's "
            "Integration settings, or set fromNumber so that the number itself can be checked."
        )
    return Webhook(
        status,
        sentence,
        SERVICE,
        facts.sid,
        facts.inbound_request_url,
        facts.inbound_method,
        account.public_webhook_url,
    )


def _judge(account: Account, url: str, method: str) -> tuple[WebhookStatus, str]:
    """The reference channel's order: nothing, wrong method, wrong address."""
    if not account.public_webhook_url:
        return WebhookStatus.UNAVAILABLE, "There is nothing to compare with: set publicWebhookUrl."
    if not url:
        return WebhookStatus.MISSING, "Twilio has no webhook for texts that come in."
    if method.upper() != "POST":
        return WebhookStatus.METHOD_MISMATCH, f"Twilio uses {method.upper()}, and the gateway answers POST alone."
    if not same_resource(url, account.public_webhook_url):
        return WebhookStatus.URL_MISMATCH, "Twilio posts to another address than publicWebhookUrl."
    return WebhookStatus.MATCHES, "Twilio posts texts that come in to publicWebhookUrl."
