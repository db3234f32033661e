"""Documents for the tests: short ways to write `channels.sms`, and to apply it."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from openclaw_sms.config import patch
from openclaw_sms.config.patch import Plan

SID = "AC" + "1" * 32
COMPLETE = {
    "accountSid": SID,
    "authToken": "first-token",
    "fromNumber": "+15551234567",
    "publicWebhookUrl": "https://gateway.example.com/webhooks/sms",
}


def sms(**settings: Any) -> dict[str, Any]:
    return {"channels": {"sms": settings}}


def apply(document: Any) -> Plan:
    with transaction.atomic():
        return patch.apply(document, now=timezone.now())


def lines(plan: Plan) -> list[str]:
    return [str(change) for change in plan.changes]
