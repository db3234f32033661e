"""Do the stored credentials work, and is the number there? One question each, asked of Twilio once.

For a person who presses a button: every answer is a sentence. An auth token and an API key are tried apart, since one
checks signatures and the other sends.
Sources: https://www.twilio.com/docs/iam/api/account,
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource,
https://www.twilio.com/docs/messaging/api/service-resource
"""

import enum
from dataclasses import dataclass
from datetime import timedelta

from openclaw_sms.twilio.client import API_BASE_URL, Credentials
from openclaw_sms.twilio.errors import TwilioError
from openclaw_sms.twilio.lookup import TwilioLookup

# A person waits for the page.
PATIENCE = timedelta(seconds=8)


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
    lookup = TwilioLookup(subject.credentials, base_url=base_url, timeout=PATIENCE)
    try:
        answers = [_auth_token(lookup)]
        if answers[0].verdict is Verdict.OK or subject.credentials.has_api_key:
            answers += _sender(lookup, subject)
        return answers
    finally:
        lookup.close()


def _auth_token(lookup: TwilioLookup) -> Answer:
    try:
        status = lookup.account().status
    except TwilioError as error:
        return _failed(error, "the auth token", "Twilio does not know the Account SID.")
    if status != "active":
        return Answer(Verdict.NOT_FIT, f"The auth token works, but Twilio calls the account {_word(status)}.")
    return Answer(Verdict.OK, "The auth token works.")


def _sender(lookup: TwilioLookup, subject: Subject) -> list[Answer]:
    """Asked with what sends: with an API key this also shows whether that works."""
    by_key = subject.credentials.has_api_key
    try:
        found = _number(lookup, subject.from_number) if subject.from_number else _service(lookup, subject)
    except TwilioError as error:
        what = "the API key" if by_key else "the question for the sender"
        return [_failed(error, what, "Twilio does not know the Account SID.")]
    return [Answer(Verdict.OK, "The API key works."), found] if by_key else [found]


def _number(lookup: TwilioLookup, number: str) -> Answer:
    found = lookup.number(number)
    if found is None:
        return Answer(Verdict.NOT_FOUND, "The from number does not belong to the account; copy it from Twilio.")
    if not found.takes_texts:
        return Answer(Verdict.NOT_FIT, "The from number belongs to the account, but cannot send or receive texts.")
    return Answer(Verdict.OK, "The from number belongs to the account.")


def _service(lookup: TwilioLookup, subject: Subject) -> Answer:
    if lookup.service(subject.messaging_service_sid) is None:
        return Answer(Verdict.NOT_FOUND, "Twilio does not know the Messaging Service.")
    return Answer(Verdict.OK, "The Messaging Service belongs to the account.")


def _failed(error: TwilioError, what: str, not_found: str) -> Answer:
    if error.http_status in (401, 403):
        return Answer(Verdict.REFUSED, f"Twilio refused {what}; copy it again from Twilio's console.")
    if error.http_status == 404:
        return Answer(Verdict.NOT_FOUND, not_found)
    return Answer(Verdict.NO_ANSWER, f"Twilio gave no answer about {what}: {error}")


def _word(status: str) -> str:
    return status if status in ("suspended", "closed") else "not active"
