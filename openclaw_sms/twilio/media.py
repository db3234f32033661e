"""Fetching the pictures of a text from Twilio: from Twilio's own hosts with credentials, from its CDN without.

Nothing else is ever asked. An address comes from a form or from a redirect, and both are other people's words: the
host must be on the list, and the address it resolves to must be public; that very address is then connected to, so
that a name cannot mean one thing when it is checked and another when it is used. Redirects are followed here, by
hand, and never with credentials. A pretend Twilio on this machine may send media from its own origin alone.

Sizes are counted as bytes arrive, whatever Content-Length says, and one deadline holds for everything, drips
included. Errors quote no address: it holds the account's SID.
"""

import base64
import functools
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore
import httpx

from openclaw_sms.twilio.client import API_BASE_URL, Credentials
from openclaw_sms.twilio.hosts import is_loopback, is_public_address

CONNECT_TIMEOUT = timedelta(seconds=10)
IDLE_TIMEOUT = timedelta(seconds=30)
MOST_REDIRECTS = 5
CDN_HOSTS = frozenset({"mms.twiliocdn.com", "media.twiliocdn.com", "s3-external-1.amazonaws.com"})
CDN_DOMAIN = ".twiliocdn.com"
# Regional hosts: api.dublin.ie1.twilio.com
API_DOMAIN = ".twilio.com"
MEDIA_SID = re.compile(r"ME[0-9a-fA-F]{32}")
SHORTENED = 16_384  # octets of a read: small enough that a limit is not overshot by much

_RETRYABLE = frozenset({408, 425, 429})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as Twilio gave it. `declared` is its Content-Type, a claim."""

    declared: str
    data: bytes = field(repr=False)


class NotFetched(Exception):
    """No file. `str()` is a few words that complete "could not be fetched: …"; `again` when a later try may help."""

    def __init__(self, why: str, *, again: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(why)
        self.again = again
        self.retry_after = retry_after


FOREIGN = "not an address of Twilio's"
TOO_LARGE = "too large"
NO_ANSWER = "Twilio did not answer"
TOO_SLOW = "Twilio took too long"
GONE = "Twilio no longer has it"
LOCKED = "Twilio refused the account's credentials"
ASTRAY = "Twilio pointed to an address that is not its own"


@dataclass(frozen=True, slots=True)
class MediaSource:
    """One message's files. `base_url` is where the API is: Twilio's, or a pretend one's on this machine."""

    credentials: Credentials
    message_sid: str
    base_url: str = API_BASE_URL

    @property
    def pretends(self) -> bool:
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def is_own(self, url: str) -> bool:
        """Whether credentials may go to `url`: exactly a media resource of this message, on the API's host."""
        parts = _split(url)
        if parts is None or parts.query or parts.fragment:
            return False
        root = f"/2010-04-01/Accounts/{self.credentials.account_sid}/Messages/{self.message_sid}/Media/"
        return any(
            _origin(parts) == _origin(base)
            and parts.path.startswith(base.path.rstrip("/") + root)
            and MEDIA_SID.fullmatch(parts.path.removeprefix(base.path.rstrip("/") + root)) is not None
            for base in self._bases()
        )

    def is_cdn(self, url: str) -> bool:
        """Whether a redirect to `url` may be followed, without credentials."""
        parts = _split(url)
        if parts is None:
            return False
        if self.pretends:
            return _origin(parts) == _origin(urlsplit(self.base_url))
        host = parts.hostname or ""
        return _origin(parts) == ("https", host, 443) and (host in CDN_HOSTS or host.endswith(CDN_DOMAIN))

    def fetch(self, url: str, *, limit: int, deadline: float) -> Fetched:
        """The file at `url`, of at most `limit` bytes. `deadline`: of `time.monotonic()`. Raises `NotFetched`."""
        if not self.is_own(url):
            raise NotFetched(FOREIGN)
        url, headers = self._where_it_is(url), {"authorization": _basic(self.credentials)}
        for _ in range(MOST_REDIRECTS):
            answer = self._ask(url, headers, limit, deadline)
            if isinstance(answer, Fetched):
                return answer
            url, headers = answer, {}
            if not self.is_cdn(url):
                raise NotFetched(ASTRAY)
        raise NotFetched(ASTRAY)

    def _where_it_is(self, url: str) -> str:
        """A pretend Twilio stands in for the real one, also in an address that names the real one."""
        if self.pretends and url.startswith(f"{API_BASE_URL}/"):
            return self.base_url.rstrip("/") + url.removeprefix(API_BASE_URL)
        return url

    def _bases(self) -> list[SplitResult]:
        base = urlsplit(self.base_url)
        if self.pretends:
            return [base, urlsplit(API_BASE_URL)]
        twilios = base.scheme == "https" and (base.hostname or "").endswith(API_DOMAIN)
        return [urlsplit(API_BASE_URL), *([base] if twilios else [])]

    def _ask(self, url: str, headers: dict[str, str], limit: int, deadline: float) -> Fetched | str:
        """The file, or the address that a redirect names."""
        sent = {"user-agent": "openclaw-sms", "accept": "*/*", "accept-encoding": "identity", **headers}
        limits = {"connect": CONNECT_TIMEOUT, "read": IDLE_TIMEOUT, "write": IDLE_TIMEOUT, "pool": IDLE_TIMEOUT}
        seconds = {name: each.total_seconds() for name, each in limits.items()}
        try:
            with (
                self._pool(url, deadline) as pool,
                pool.stream("GET", url, headers=list(sent.items()), extensions={"timeout": seconds}) as response,
            ):
                location = _header(response, "location")
                if response.status in _REDIRECTS and location:
                    return urljoin(url, location)
                return Fetched(_header(response, "content-type"), _body(response, limit))
        except httpcore.TimeoutException:
            failure = NotFetched(TOO_SLOW, again=True)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError):
            failure = NotFetched(NO_ANSWER, again=True)
        except (httpcore.UnsupportedProtocol, httpx.InvalidURL, ValueError):
            failure = NotFetched(ASTRAY)
        # Raised out here: the library's own error may quote the address.
        raise failure

    def _pool(self, url: str, deadline: float) -> httpcore.ConnectionPool:
        """A connection for one request. A proxy of the environment is used for Twilio, as the API's client does."""
        proxy = None if self.pretends else _proxy_for(urlsplit(url).hostname or "")
        if proxy is not None:
            # The proxy resolves the name, and decides what is reachable; our list of hosts holds all the same.
            backend = _Checked(deadline, any_address=True)
            return httpcore.HTTPProxy(str(proxy.url), proxy.raw_auth, ssl_context=_trust(), network_backend=backend)
        backend = _Checked(deadline, any_address=self.pretends)
        return httpcore.ConnectionPool(ssl_context=_trust(), network_backend=backend)


class _Checked(httpcore.NetworkBackend):
    """Connects to public addresses only, to the very address that was checked, and never past the deadline.

    `any_address`: for a proxy or a pretend Twilio, which the operator named.
    """

    def __init__(self, deadline: float, *, any_address: bool) -> None:
        self._deadline = deadline
        self._any_address = any_address
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port):
            left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
                return _Timed(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise httpcore.ConnectError("the name does not resolve") from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        return [each for each in addresses if self._any_address or is_public_address(each)]


class _Timed(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline, so that a server that drips cannot hold a sender up."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(min(max_bytes, SHORTENED), _left(self._deadline, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None, expired: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise expired("the time for this message's media is over")
    return left if timeout is None else min(left, timeout)


def _body(response: httpcore.Response, limit: int) -> bytes:
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        raise _failure(response)
    if _header(response, "content-encoding").lower() not in ("", "identity"):
        raise NotFetched("Twilio sent it compressed")
    declared = _header(response, "content-length")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise NotFetched(TOO_LARGE)
    body = bytearray()
    for piece in response.iter_stream():
        body += piece
        if len(body) > limit:
            raise NotFetched(TOO_LARGE)
    return bytes(body)


def _failure(response: httpcore.Response) -> NotFetched:
    status = response.status
    if status in (401, 403):
        return NotFetched(LOCKED)
    if status in (404, 410):
        return NotFetched(GONE)
    again = status in _RETRYABLE or status >= 500
    words = f"Twilio answered {status}"
    return NotFetched(words, again=again, retry_after=_seconds(_header(response, "retry-after")))


def _seconds(retry_after: str) -> timedelta | None:
    is_delay = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 6
    return timedelta(seconds=int(retry_after)) if is_delay else None


def _header(response: httpcore.Response, name: str) -> str:
    wanted = name.encode()
    found = next((value for key, value in response.headers if key.lower() == wanted), b"")
    return found.decode("latin-1").strip()


def _basic(credentials: Credentials) -> str:
    has_api_key = credentials.api_key_sid and credentials.api_key_secret
    username = credentials.api_key_sid if has_api_key else credentials.account_sid
    password = credentials.api_key_secret if has_api_key else credentials.auth_token
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _split(url: str) -> SplitResult | None:
    """The parts of an address that has nothing unusual in it: no user, no port that is none, visible ASCII."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises ValueError on a port that is none)
    except ValueError:
        return None
    # A dot segment would make another path of it on the way.
    unusual = "@" in parts.netloc or "%" in parts.netloc or {".", ".."} & set(parts.path.split("/"))
    return None if unusual else parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    usual = {"https": 443, "http": 80}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", parts.port or usual


def _proxy_for(host: str) -> httpx.Proxy | None:
    """The proxy that this machine's settings name for https to `host`. Raises ValueError for one that is none."""
    address = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https", "")
    return httpx.Proxy(address if "://" in address else f"http://{address}") if address else None


@functools.cache
def _trust() -> ssl.SSLContext:
    return httpcore.default_ssl_context()
