"""A pretend Twilio that also knows its account, its numbers and its Messaging Services, and takes an API key."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

from tests.support.loopback import Answer, Request
from tests.support.pretend_twilio import PretendTwilio

ROOT = "/2010-04-01/Accounts/"


class PretendAccount(PretendTwilio):
    def __init__(self, account_sid: str, auth_token: str, phone_number: str) -> None:
        super().__init__(account_sid, auth_token, phone_number)
        self.status = "active"
        self.can_text = True
        self.services: set[str] = set()
        self.silent = False

    def answer(self, request: Request) -> Answer | None:
        if self.silent:
            return None
        if request.path.endswith("/Messages.json") or "/Messages/" in request.path:
            return super().answer(request)
        with self.changed:
            self.requests.append(request)
        login = _login(request)
        if login == (self.account_sid, self.auth_token):
            return self._resource_at(request, may_see_account=True)
        if login == self.api_key:
            return self._resource_at(request, may_see_account=False)
        return _said(401, {"code": 20003, "message": "Authenticate", "status": 401})

    def _is_authentic(self, request: Request) -> bool:
        return _login(request) in ((self.account_sid, self.auth_token), self.api_key)

    def _resource_at(self, request: Request, *, may_see_account: bool) -> Answer:
        if request.path == f"{ROOT}{self.account_sid}.json" and may_see_account:
            return _said(200, {"sid": self.account_sid, "status": self.status, "type": "Full"})
        if request.path == f"{ROOT}{self.account_sid}/IncomingPhoneNumbers.json":
            return _said(200, {"incoming_phone_numbers": self._numbers(request)})
        if request.path.removeprefix("/v1/Services/") in self.services:
            return _said(200, {"sid": request.path.removeprefix("/v1/Services/")})
        if request.path == f"{ROOT}{self.account_sid}.json":
            return _said(401, {"code": 20003, "message": "Authenticate", "status": 401})
        return _said(404, {"code": 20404, "message": "Not found", "status": 404})

    def _numbers(self, request: Request) -> list[dict[str, Any]]:
        wanted = parse_qs(request.query).get("PhoneNumber", [self.phone_number])[0]
        number = {"phone_number": self.phone_number, "capabilities": {"sms": self.can_text, "voice": True}}
        return [number] if wanted == self.phone_number else []


def _login(request: Request) -> tuple[str, ...]:
    encoded = request.headers.get("authorization", "").removeprefix("Basic ")
    return tuple(base64.b64decode(encoded).decode().split(":", 1))


def _said(status: int, value: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
