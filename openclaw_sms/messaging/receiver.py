"""One signed post to the receiver of outgoing events, and what its answer means.

The receiver is a public https address; SMS_EVENTS_ALLOW_PRIVATE also allows this machine, private networks and plain
http. Its name is resolved here and the connection goes to exactly the address that was checked, so a name that points
elsewhere a moment later leads nowhere. No redirect is followed, no proxy is used, no body is read.
Source: Standard Webhooks, "Operational considerations".
"""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx

from openclaw_sms.agents.retry_after import wait_asked_for
from openclaw_sms.config.sources import ConfigurationError

CONNECT_TIMEOUT = timedelta(seconds=5)
ANSWER_TIMEOUT = timedelta(seconds=15)  # the specification asks for 15 to 30 seconds
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None when there was no HTTP answer; `sentence` says why it did not go well, without the address."""

    status: int | None
    sentence: str = ""
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Forbidden(Exception):
    """An address that may not be posted to."""


class Receiver:
    """Where events go. Raises `ConfigurationError` for an address that can never be used."""

    def __init__(self, url: str, *, allow_private: bool) -> None:
        self._url = _checked(url, allow_private=allow_private)
        self._allow_private = allow_private
        timeout = httpx.Timeout(ANSWER_TIMEOUT.total_seconds(), connect=CONNECT_TIMEOUT.total_seconds())
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)

    def post(self, payload: bytes, headers: Mapping[str, str]) -> Answer:
        """Post once. Never raises for what the network or the receiver does."""
        try:
            return self._post(payload, headers)
        except Forbidden as refused:
            return Answer(None, str(refused))
        except httpx.HTTPError as error:
            return Answer(None, f"No answer came ({type(error).__name__}).")
        except OSError:
            return Answer(None, "The receiver's name could not be resolved.")

    def close(self) -> None:
        self._client.close()

    def _post(self, payload: bytes, headers: Mapping[str, str]) -> Answer:
        address = self._address()
        sent = {"content-type": "application/json", "user-agent": "openclaw-sms", "host": self._url.netloc.decode()}
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=payload,
            headers={**sent, **headers},
            extensions={"sni_hostname": self._url.host},
        )
        response = self._client.send(request, stream=True)
        response.close()
        return _answer(response)

    def _address(self) -> str:
        """An address of the receiver's host; all of them must be allowed. Raises `Forbidden`, `OSError`."""
        found = socket.getaddrinfo(self._url.host, self._url.port or 443, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not self._allow_private and not all(map(_is_public, addresses)):
            raise Forbidden(
                "The receiver's name points into a private network: set SMS_EVENTS_ALLOW_PRIVATE to allow it."
            )
        return addresses[0]


def _answer(response: httpx.Response) -> Answer:
    status = response.status_code
    if 200 <= status < 300:
        return Answer(status)
    if status == GONE:
        return Answer(
            status, "The receiver wants no more events (HTTP 410): none are written until this one is sent again."
        )
    if 300 <= status < 400:
        return Answer(status, f"The receiver redirects (HTTP {status}): set SMS_EVENTS_URL to the final address.")
    wait = wait_asked_for(response.headers, now=datetime.now(UTC))
    return Answer(status, f"The receiver answered HTTP {status}.", wait)


def _checked(url: str, *, allow_private: bool) -> httpx.URL:
    try:
        parts = urlsplit(url)
        parsed = httpx.URL(url)
        sound = (
            parts.scheme in ("http", "https") and bool(parsed.host) and not parsed.userinfo and not parsed.fragment
        )
    except (ValueError, httpx.InvalidURL):
        sound = False
    if not sound:
        raise ConfigurationError(
            "SMS_EVENTS_URL must be a whole address, https://…, without a user name or fragment."
        )
    if parsed.scheme == "http" and not allow_private:
        raise ConfigurationError(
            "SMS_EVENTS_URL must begin with https://: plain http is for this machine or a private network, "
            "with SMS_EVENTS_ALLOW_PRIVATE=true."
        )
    return parsed


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_global and not (mapped or ip).is_multicast
