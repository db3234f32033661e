"""The HTTP client under the official library: where requests go, how long they take, what a failure means.

Imported late, since it loads `requests`. It follows no redirect, repeats nothing, logs nothing, and raises
nothing but `TwilioError`: the underlying exceptions quote URLs with phone numbers in them and are dropped, not
chained.
"""

import json
import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

from openclaw_sms.twilio import errors
from openclaw_sms.twilio.callbacks import is_loopback
from openclaw_sms.twilio.errors import TwilioError, TwilioFault, fault_for

_LOWEST_TWILIO_CODE = 10_000
_HIGHEST_TWILIO_CODE = 999_999_999
_API_VERSION = "/2010-04-01/"
_LIBRARY_LOGGER = "twilio.http_client"


class Transport:
    """Sends the official library's requests to `base_url`, keeping its path as a prefix.

    Twilio's products have hosts of their own (api, messaging, …): at Twilio each request goes to its product's host,
    in the region of `base_url`; anywhere else all go to the one address. timeout: for the connection, and for each
    wait for data. `observe` gets the headers of every answer. Safe to share between threads.
    """

    def __init__(
        self, base_url: str, timeout: timedelta, *, observe: Callable[[Mapping[str, str]], None] | None = None
    ) -> None:
        self._observe = observe
        self._base = urlsplit(base_url)
        self._seconds = timeout.total_seconds()
        # How far the server's clock is ahead of ours, by its last answer; None while it has not said.
        self.clock_ahead: timedelta | None = None
        self._http = TwilioHttpClient(timeout=self._seconds)
        # A proxy from the environment is right for Twilio; it must not get what is meant for this machine.
        self._http.session.trust_env = not is_loopback(self._base.hostname or "")

    def request(self, method: str, url: str, **call: Any) -> Response:
        """Twilio's answer, certainly 2xx with a JSON object. Raises TwilioError."""
        call |= {"timeout": self._seconds, "allow_redirects": False}
        answer = self._attempt(method, self._rebased(url), call)
        if self._observe is not None and isinstance(answer, Response):
            self._observe(answer.headers)
        failure = answer if isinstance(answer, TwilioError) else _failure_in(answer)
        if failure is None:
            return answer
        if failure.uncertain and method.upper() == "GET":
            failure = TwilioError(errors.QUESTION_UNANSWERED, failure.http_status)
        raise failure

    def close(self) -> None:
        self._http.session.close()

    def _rebased(self, url: str) -> str:
        asked = urlsplit(url)
        path = self._base.path.rstrip("/") + asked.path
        return urlunsplit((self._base.scheme, self._host_for(asked.hostname or ""), path, asked.query, ""))

    def _host_for(self, asked: str) -> str:
        product, here = asked.partition(".")[0], self._base.netloc
        if here.startswith("api.") and here.endswith(".twilio.com"):
            return f"{product}.{here.removeprefix('api.')}"
        return here

    def _attempt(self, method: str, url: str, call: dict[str, Any]) -> Response | TwilioError:
        try:
            answer = self._http.request(method, url, **call)
        except UnicodeEncodeError:
            return TwilioError(errors.NOT_ENCODABLE)
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as trouble:
            return TwilioError(_fault_of(trouble))
        self.clock_ahead = _clock_ahead(answer.headers.get("Date", ""))
        return answer


def _clock_ahead(date: str) -> timedelta | None:
    """From a Date header (RFC 9110, 6.6.1): whole seconds, and as late as the answer was under way."""
    try:
        said = parsedate_to_datetime(date)
    except ValueError:
        return None
    return said - datetime.now(UTC) if said.tzinfo else None


def _fault_of(trouble: Exception) -> TwilioFault:
    """Whether the request can have reached Twilio. When in doubt it has."""
    if isinstance(trouble, requests.exceptions.SSLError):
        return errors.NOT_TRUSTED if _is_untrusted(trouble) else errors.NO_ANSWER
    if isinstance(trouble, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return errors.NOT_CONNECTED
    reason = getattr(trouble.args[0], "reason", None) if trouble.args else None
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return errors.NOT_CONNECTED
    return errors.NO_ANSWER


def _is_untrusted(trouble: BaseException | None) -> bool:
    while trouble is not None:
        if isinstance(trouble, ssl.SSLCertVerificationError):
            return True
        trouble = trouble.__cause__ or trouble.__context__
    return False


def _failure_in(response: Response) -> TwilioError | None:
    answer = _json_object(response.text)
    if 200 <= response.status_code < 300:
        return None if answer else TwilioError(errors.UNREADABLE_ANSWER, response.status_code)
    fault = fault_for(response.status_code, _code_in(answer))
    return TwilioError(fault, response.status_code, _seconds_in(response.headers.get("Retry-After", "")))


def _json_object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _code_in(answer: dict[str, Any]) -> int | None:
    code = answer.get("code")
    return code if isinstance(code, int) and _LOWEST_TWILIO_CODE <= code <= _HIGHEST_TWILIO_CODE else None


def _seconds_in(retry_after: str) -> timedelta | None:
    """Retry-After in its delay form (RFC 9110, 10.2.3), the only one Twilio uses."""
    is_delay = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 6
    return timedelta(seconds=int(retry_after)) if is_delay else None


def _is_harmless(record: logging.LogRecord) -> bool:
    """False for the lines in which the libraries quote a request to Twilio, and with it a phone number."""
    return record.name != _LIBRARY_LOGGER and _API_VERSION not in record.getMessage()


for _name in (_LIBRARY_LOGGER, "urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_is_harmless)
