"""The pretend account itself: that it is active, and that its one number posts texts to this gateway.

So that `channels status --probe`, `channels setup` and `doctor` work in a sandbox as they do at Twilio. Where the
number posts to can be changed, as at Twilio; the simulator's phones go on posting to this gateway all the same.
Sources: https://www.twilio.com/docs/iam/api/account, …/phone-numbers/api/incomingphonenumber-resource
"""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from openclaw_sms.sandbox.carrier import API_VERSION
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.twilio_api import Refused, of_the_account

NUMBER_SID = "PN" + "0" * 32
CHANGEABLE = {"SmsUrl": "sms_url", "SmsMethod": "sms_method", "SmsApplicationSid": "sms_application_sid"}


@of_the_account
def account(request: HttpRequest, sandbox: Sandbox) -> HttpResponse:
    """`Accounts/{sid}.json`."""
    return JsonResponse(
        {
            "sid": sandbox.account_sid,
            "friendly_name": "Sandbox",
            "status": "active",
            "type": "Full",
            "uri": f"/{API_VERSION}/Accounts/{sandbox.account_sid}.json",
        }
    )


@of_the_account
def numbers(request: HttpRequest, sandbox: Sandbox) -> HttpResponse:
    """`IncomingPhoneNumbers.json`."""
    wanted = request.GET.get("PhoneNumber", sandbox.from_number)
    found = [_number(sandbox)] if wanted == sandbox.from_number else []
    page = {"page": 0, "page_size": 50, "start": 0, "end": 0, "next_page_uri": None, "uri": request.path}
    return JsonResponse({"incoming_phone_numbers": found, **page})


@of_the_account
def number(request: HttpRequest, sandbox: Sandbox, sid: str) -> HttpResponse:
    """`IncomingPhoneNumbers/{sid}.json`: GET shows the number, POST changes its webhook."""
    if sid != NUMBER_SID:
        raise Refused(404, 20404, f"The requested resource /IncomingPhoneNumbers/{sid}.json was not found")
    if request.method == "POST":
        changed = {column: request.POST[name] for name, column in CHANGEABLE.items() if name in request.POST}
        _file().write_text(json.dumps({**_changes(), **changed}))
    return JsonResponse(_number(sandbox))


def _number(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "sid": NUMBER_SID,
        "account_sid": sandbox.account_sid,
        "phone_number": sandbox.from_number,
        "friendly_name": "Sandbox",
        "sms_url": sandbox.public_webhook_url,
        "sms_method": "POST",
        "sms_application_sid": "",
        "voice_url": "",
        "capabilities": {"voice": False, "sms": True, "mms": True, "fax": False},
        **_changes(),
    }


def _changes() -> dict[str, str]:
    try:
        return dict(json.loads(_file().read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _file() -> Path:
    return Path(settings.DATA_DIR) / "sandbox_number.json"
