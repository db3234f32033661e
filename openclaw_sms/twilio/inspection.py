"""Do the stored credentials work, and is the number there? One question each, asked of Twilio once.

For a person who presses a button: every answer is a sentence. An auth token and an API key are tried apart, since one
checks signatures and the other sends.
Sources: https://www.twilio.com/docs/iam/api/account,
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource,
https://www.twilio.com/docs/messaging/api/service-resource
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from openclaw_sms.twilio.client import API_BASE_URL, Credentials, path_segment, refuse_insecure
from openclaw_sms.twilio.errors import TwilioError

# A person waits for the page.
PATIENCE = timedelta(seconds=8)
# Messaging Services live at a host of their own; a stand-in for Twilio has one address for everything.
SERVICES_BASE_URL = "https://messaging.twilio.com"
API = "/2010-04-01/Accounts"


class Verdict(enum.StrEnum):
    OK = "ok"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    NOT_FIT = "not_fit"  # it is there and cannot be used
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one thing, as a sentence without numbers or secrets."""

    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose credentials, and what they should be able to send from: a number, else a Messaging Service."""

    credentials: Credentials
    from_number: str = ""
    messaging_service_sid: str = ""


def inspect(subject: Subject, base_url: str = API_BASE_URL) -> list[Answer]:
    """Raises `InsecureApiBase`. Everything else that goes wrong is an answer."""
    refuse_insecure(base_url)
    credentials = subject.credentials
    token = (credentials.account_sid, credentials.auth_token)
    answers = [_auth_token(base_url, credentials.account_sid, token)]
    sends_with = token
    if credentials.api_key_sid and credentials.api_key_secret:
        sends_with = (credentials.api_key_sid, credentials.api_key_secret)
        answers.append(_api_key(base_url, credentials.account_sid, sends_with))
    if answers[-1].verdict is Verdict.OK:
        answers.append(_sender(base_url, subject, sends_with))
    return answers


Login = tuple[str, str]


def _auth_token(base_url: str, account_sid: str, login: Login) -> Answer:
    try:
        found = _get(base_url, f"{API}/{path_segment(account_sid)}.json", login)
    except TwilioError as error:
        return _failed(error, "the auth token", "Twilio does not know the Account SID.")
    status = str(found.get("status", ""))
    if status != "active":
        return Answer(Verdict.NOT_FIT, f"The auth token works, but Twilio calls the account {_word(status)}.")
    return Answer(Verdict.OK, "The auth token works.")


def _api_key(base_url: str, account_sid: str, login: Login) -> Answer:
    """Standard keys may not look at the account itself, so they are tried on its numbers."""
    try:
        _get(base_url, f"{API}/{path_segment(account_sid)}/IncomingPhoneNumbers.json", login, PageSize="1")
    except TwilioError as error:
        return _failed(error, "the API key", "Twilio does not know the Account SID.")
    return Answer(Verdict.OK, "The API key works.")


def _sender(base_url: str, subject: Subject, login: Login) -> Answer:
    try:
        return _number(base_url, subject, login) if subject.from_number else _service(base_url, subject, login)
    except TwilioError as error:
        return _failed(error, "the question for the sender", "Twilio does not know the Messaging Service.")


def _number(base_url: str, subject: Subject, login: Login) -> Answer:
    path = f"{API}/{path_segment(subject.credentials.account_sid)}/IncomingPhoneNumbers.json"
    listed = _get(base_url, path, login, PhoneNumber=subject.from_number).get("incoming_phone_numbers")
    numbers = listed if isinstance(listed, list) else []
    found = next(
        (one for one in numbers if isinstance(one, dict) and one.get("phone_number") == subject.from_number), None
    )
    if found is None:
        return Answer(Verdict.NOT_FOUND, "The from number does not belong to the account; copy it from Twilio.")
    can = found.get("capabilities")
    if isinstance(can, dict) and can.get("sms", can.get("SMS")) is False:
        return Answer(Verdict.NOT_FIT, "The from number belongs to the account, but cannot send or receive texts.")
    return Answer(Verdict.OK, "The from number belongs to the account.")


def _service(base_url: str, subject: Subject, login: Login) -> Answer:
    at_twilio = urlsplit(base_url).hostname == urlsplit(API_BASE_URL).hostname
    base = SERVICES_BASE_URL if at_twilio else base_url
    _get(base, f"/v1/Services/{path_segment(subject.messaging_service_sid)}", login)
    return Answer(Verdict.OK, "The Messaging Service belongs to the account.")


def _failed(error: TwilioError, what: str, not_found: str) -> Answer:
    if error.http_status in (401, 403):
        return Answer(Verdict.REFUSED, f"Twilio refused {what}; copy it again from Twilio's console.")
    if error.http_status == 404:
        return Answer(Verdict.NOT_FOUND, not_found)
    return Answer(Verdict.NO_ANSWER, f"Twilio gave no answer about {what}: {error}")


def _word(status: str) -> str:
    return status if status in ("suspended", "closed") else "not active"


def _get(base_url: str, path: str, login: Login, **query: str) -> Mapping[str, Any]:
    """The answer's JSON object. Raises `TwilioError`."""
    from openclaw_sms.twilio.transport import Transport

    transport = Transport(base_url, PATIENCE)
    try:
        response = transport.request("GET", f"{API_BASE_URL}{path}", params=query, auth=login)
    finally:
        transport.close()
    found: Mapping[str, Any] = json.loads(response.text)
    return found
