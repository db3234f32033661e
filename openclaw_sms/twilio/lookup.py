"""Asking Twilio about the account itself: is it let in, what is its number's webhook, what came in lately.

Every question is one request with a time limit, made once; a failure is a `TwilioError`. The two changes at the end
set a webhook. Nothing here judges what is right. Numbers and bodies stay out of the values, but for addresses, which
the account's owner entered at Twilio.
Sources: https://www.twilio.com/docs/iam/api/account, https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource,
https://www.twilio.com/docs/messaging/api/service-resource
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from openclaw_sms.twilio.client import (
    API_BASE_URL,
    DEFAULT_TIMEOUT,
    Credentials,
    official_client,
    path_segment,
    refuse_insecure,
    understood,
)
from openclaw_sms.twilio.errors import QUESTION_UNANSWERED, TwilioError

# Twilio lists newest first; among this many the latest texts to a service's numbers are found.
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """`status`: active, suspended or closed. `type`: Trial or Full."""

    status: str
    type: str


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """One of the account's numbers. With an application, Twilio looks at its webhook instead of the number's."""

    sid: str
    sms_url: str = field(repr=False)
    sms_method: str
    sms_application_sid: str
    voice_url: str = field(repr=False)
    takes_texts: bool


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A Messaging Service's inbound settings. `defers_to_number`: each number's own webhook counts instead."""

    sid: str
    inbound_request_url: str = field(repr=False)
    inbound_method: str
    defers_to_number: bool


@dataclass(frozen=True, slots=True)
class InboundFacts:
    """A text that Twilio took in for us, and the error it met on its way here."""

    sid: str
    direction: str
    status: str
    error_code: int | None
    created_at: datetime | None
    sent_at: datetime | None


class TwilioLookup:
    """One account's view of itself. Safe to share between threads. `clock_skew`: see there."""

    def __init__(
        self, credentials: Credentials, *, base_url: str = API_BASE_URL, timeout: timedelta = DEFAULT_TIMEOUT
    ) -> None:
        """timeout: for the connection, and for each wait for data. Raises InsecureApiBase."""
        refuse_insecure(base_url)
        from openclaw_sms.twilio.transport import Transport

        self.clock_skew: timedelta | None = None
        """How far our clock is ahead of Twilio's, by the Date of its last answer, which has whole seconds."""
        self._transport = Transport(base_url, timeout, observe=self._compare_clocks)
        self._library = official_client(credentials, self._transport)
        # Standard API keys may not look at the account itself; its auth token may.
        self._by_token = official_client(credentials.without_api_key, self._transport)
        self._account_sid = path_segment(credentials.account_sid)

    def account(self) -> AccountFacts:
        """Asked with the auth token, whatever else there is to log in with."""
        return understood(self._account, QUESTION_UNANSWERED)

    def number(self, number: str) -> NumberFacts | None:
        """The account's number, None when the account has no such number."""
        return understood(lambda: self._number(number), QUESTION_UNANSWERED)

    def service(self, sid: str) -> ServiceFacts | None:
        """The Messaging Service, None when the account has no such service."""
        try:
            return understood(lambda: _service(self._services(path_segment(sid)).fetch()), QUESTION_UNANSWERED)
        except TwilioError as error:
            if error.http_status == 404:
                return None
            raise

    def inbound(self, *, to: str = "", service_sid: str = "", limit: int = 3) -> list[InboundFacts]:
        """The latest texts that came in to a number, or through a service; newest first."""
        return understood(lambda: self._inbound(to, service_sid), QUESTION_UNANSWERED)[:limit]

    def set_number_webhook(self, number_sid: str, url: str) -> None:
        """Point the number's incoming texts at `url` with POST, and past any application."""
        change = {"sms_url": url, "sms_method": "POST", "sms_application_sid": ""}
        understood(
            lambda: self._library.incoming_phone_numbers(path_segment(number_sid)).update(**change),
            QUESTION_UNANSWERED,
        )

    def set_service_webhook(self, service_sid: str, url: str) -> None:
        """Point the service's incoming texts at `url` with POST, whatever its numbers' own webhooks are."""
        change = {"inbound_request_url": url, "inbound_method": "POST", "use_inbound_webhook_on_number": False}
        understood(lambda: self._services(path_segment(service_sid)).update(**change), QUESTION_UNANSWERED)

    def close(self) -> None:
        self._transport.close()

    def _account(self) -> AccountFacts:
        found = self._by_token.api.v2010.accounts(self._account_sid).fetch()
        return AccountFacts(status=str(found.status or ""), type=str(found.type or ""))

    def _number(self, number: str) -> NumberFacts | None:
        listed = self._library.incoming_phone_numbers.list(phone_number=number, limit=MOST_LISTED)
        found = next((each for each in listed if each.phone_number == number), None)
        return None if found is None else _number_facts(found)

    @property
    def _services(self) -> Any:
        return self._library.messaging.v1.services

    def _inbound(self, to: str, service_sid: str) -> list[InboundFacts]:
        asked = {"to": to} if to else {}
        listed = [
            message
            for message in self._library.messages.list(limit=MOST_LISTED, page_size=MOST_LISTED, **asked)
            if message.direction == "inbound" and (to or message.messaging_service_sid == service_sid)
        ]
        found = [_inbound_facts(message) for message in listed]
        earliest = datetime.min.replace(tzinfo=UTC)
        return sorted(found, key=lambda each: each.created_at or earliest, reverse=True)

    def _compare_clocks(self, headers: Mapping[str, str]) -> None:
        now = datetime.now(UTC)
        try:
            theirs = parsedate_to_datetime(headers.get("Date", ""))
        except (TypeError, ValueError):
            return
        self.clock_skew = now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))


def _number_facts(found: Any) -> NumberFacts:
    return NumberFacts(
        sid=str(found.sid or ""),
        sms_url=str(found.sms_url or ""),
        sms_method=str(found.sms_method or "POST").upper(),
        sms_application_sid=str(found.sms_application_sid or ""),
        voice_url=str(found.voice_url or ""),
        takes_texts=_takes_texts(found.capabilities),
    )


def _takes_texts(capabilities: Any) -> bool:
    """The library gives the capabilities as a value or as Twilio's JSON; what does not say no means yes."""
    if isinstance(capabilities, Mapping):
        return capabilities.get("sms", capabilities.get("SMS", True)) is not False
    return getattr(capabilities, "sms", True) is not False


def _service(found: Any) -> ServiceFacts:
    return ServiceFacts(
        sid=str(found.sid or ""),
        inbound_request_url=str(found.inbound_request_url or ""),
        inbound_method=str(found.inbound_method or "POST").upper(),
        defers_to_number=found.use_inbound_webhook_on_number is True,
    )


def _inbound_facts(message: Any) -> InboundFacts:
    code = str(message.error_code)
    return InboundFacts(
        sid=str(message.sid or ""),
        direction=str(message.direction or ""),
        status=str(message.status or ""),
        error_code=int(code) if code.isascii() and code.isdigit() else None,
        created_at=message.date_created,
        sent_at=message.date_sent,
    )
