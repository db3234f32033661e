"""The pages of a pretend Twilio that tell of the account itself: its state, its numbers, services and inbound texts.

Each page exists as Twilio has it, and can be taken away, made to fail, or made to hang.
Sources: Twilio's Account, IncomingPhoneNumber, Message and (messaging.twilio.com) Service resources.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from tests.support.loopback import Answer, Request

ACCOUNT = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)\.json")
NUMBERS = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/IncomingPhoneNumbers(?:/(?P<sid>PN[^/]+))?\.json")
SERVICES = re.compile(r"/v1/Services/(?P<sid>[^/]+)")
NUMBER_SID = "PN" + "1" * 32

# Twilio's form names, and the JSON's.
CHANGES = {
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsApplicationSid": "sms_application_sid",
    "InboundRequestUrl": "inbound_request_url",
    "InboundMethod": "inbound_method",
    "UseInboundWebhookOnNumber": "use_inbound_webhook_on_number",
}


@dataclass(slots=True)
class AccountPages:
    """What the account is like. A test changes the fields."""

    account_sid: str
    phone_number: str
    status: str = "active"
    type: str = "Full"
    has_number: bool = True
    number: dict[str, Any] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    inbound: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Mapping[str, str]] = field(default_factory=list)
    missing: bool = False  # a Twilio that has none of these pages

    def __post_init__(self) -> None:
        self.number = {
            "sid": NUMBER_SID,
            "account_sid": self.account_sid,
            "phone_number": self.phone_number,
            "sms_url": "",
            "sms_method": "POST",
            "sms_application_sid": "",
            "voice_url": "",
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            **self.number,
        }

    def has_service(self, sid: str, **fields: Any) -> None:
        self.services[sid] = {
            "sid": sid,
            "account_sid": self.account_sid,
            "friendly_name": "texts",
            "inbound_request_url": None,
            "inbound_method": "POST",
            "use_inbound_webhook_on_number": False,
            **fields,
        }

    def received(self, sid: str, *, error_code: int | None = None, **fields: Any) -> None:
        """A text came in; the latest call is the newest text."""
        now = format_datetime(datetime.now(UTC))
        text = {
            "sid": sid,
            "account_sid": self.account_sid,
            "direction": "inbound",
            "status": "received",
            "to": self.phone_number,
            "from": "+15550007777",
            "body": "a text that nobody must see",
            "error_code": error_code,
            "error_message": None,
            "messaging_service_sid": None,
            "num_segments": "1",
            "num_media": "0",
            "date_created": now,
            "date_updated": now,
            "date_sent": now,
            **fields,
        }
        self.inbound.insert(0, text)

    def answer(self, request: Request) -> Answer | None:
        """None when this is no page of these."""
        if self.missing:
            return None
        if ACCOUNT.fullmatch(request.path):
            return _json({"sid": self.account_sid, "status": self.status, "type": self.type, "friendly_name": "us"})
        if page := NUMBERS.fullmatch(request.path):
            return self._change(self.number, request) if page["sid"] else self._numbers(request)
        if (page := SERVICES.fullmatch(request.path)) and page["sid"] in self.services:
            service = self.services[page["sid"]]
            return self._change(service, request) if request.method == "POST" else _json(service)
        return None

    def _numbers(self, request: Request) -> Answer:
        wanted = parse_qs(request.query).get("PhoneNumber", [self.phone_number])[-1]
        found = [self.number] if self.has_number and wanted == self.phone_number else []
        page = {"page": 0, "page_size": 50, "start": 0, "end": 0, "next_page_uri": None, "uri": request.path}
        return _json({"incoming_phone_numbers": found, **page})

    def _change(self, resource: dict[str, Any], request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        self.changes.append(form)
        for name, value in form.items():
            resource[CHANGES[name]] = {"true": True, "false": False}.get(value.lower(), value)
        return _json(resource)


def _json(value: Mapping[str, Any]) -> Answer:
    headers = {"Content-Type": "application/json", "Date": format_datetime(datetime.now(UTC), usegmt=True)}
    return Answer(200, json.dumps(value).encode(), headers)
