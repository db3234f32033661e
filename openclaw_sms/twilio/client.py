"""Sending texts through Twilio's REST API and looking up what became of them, with the official library.

Every call has a time limit and is made once. A failure is a `TwilioError` that says whether Twilio may have
accepted the text; whether to post again is decided elsewhere. The library is loaded with the first client,
not with this module: it takes a quarter of a second that commands which send nothing need not pay.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from twilio.base.exceptions import TwilioException

from openclaw_sms.twilio.callbacks import is_loopback, status_callback_url
from openclaw_sms.twilio.errors import QUESTION_UNANSWERED, UNREADABLE_ANSWER, TwilioError, TwilioFault

__all__ = [
    "API_BASE_URL",
    "Credentials",
    "Found",
    "InsecureApiBase",
    "MediaFile",
    "Outgoing",
    "Received",
    "Sent",
    "TwilioClient",
    "status_callback_url",
]

API_BASE_URL = "https://api.twilio.com"
DEFAULT_TIMEOUT = timedelta(seconds=10)
BEFORE_TWILIO = datetime(2008, 1, 1, tzinfo=UTC)
LARGEST_PAGE = 1000
MOST_MEDIA = 10

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account, and either its auth token or an API key; a complete API key is preferred."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_key_sid: str = ""
    api_key_secret: str = field(default="", repr=False)

    @property
    def has_api_key(self) -> bool:
        return bool(self.api_key_sid and self.api_key_secret)

    @property
    def without_api_key(self) -> "Credentials":
        """To log in with the auth token."""
        return Credentials(self.account_sid, self.auth_token)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text to post. `from_number` is used alone; without it the Messaging Service picks a sender."""

    to: str = field(repr=False)
    body: str = field(repr=False)
    from_number: str = field(default="", repr=False)
    messaging_service_sid: str = ""
    status_callback: str = field(default="", repr=False)
    media_urls: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """Twilio accepted a text. num_segments is 0 at this point when a Messaging Service picks the sender."""

    sid: str
    status: str
    error_code: int | None
    num_segments: int | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """A text as Twilio knows it. created_at is aware, in UTC, in whole seconds."""

    sid: str
    status: str
    body: str = field(repr=False)
    error_code: int | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Received:
    """A text somebody sent us, as Twilio keeps it; numbers and body as they would be in its webhook."""

    sid: str
    account_sid: str
    messaging_service_sid: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    num_media: int
    num_segments: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class MediaFile:
    url: str = field(repr=False)
    content_type: str


class InsecureApiBase(ValueError):
    """The API base URL would show the credentials to strangers, or is no URL."""

    def __init__(self) -> None:
        super().__init__(
            "TWILIO_API_BASE_URL must be an https URL without user, query or fragment; "
            "plain http is allowed to this machine only (localhost, 127.0.0.1, ::1)."
        )


class TwilioClient:
    """One account's access to the Messages resource. Safe to share between threads."""

    def __init__(
        self, credentials: Credentials, *, base_url: str = API_BASE_URL, timeout: timedelta = DEFAULT_TIMEOUT
    ) -> None:
        """timeout: for the connection, and for each wait for data. Raises InsecureApiBase."""
        refuse_insecure(base_url)
        self._base_url = base_url.rstrip("/")
        from openclaw_sms.twilio.transport import Transport

        self._transport = Transport(base_url, timeout)
        self._messages: Any = official_client(credentials, self._transport).messages

    def send(self, outgoing: Outgoing) -> Sent:
        """Post one text, once. Raises TwilioError; an `uncertain` one means Twilio may have accepted the text."""
        return understood(lambda: _sent(self._messages.create(**_parameters(outgoing))), UNREADABLE_ANSWER)

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far Twilio's clock is ahead of ours, by its last answer, within seconds; None: it did not say."""
        return self._transport.clock_ahead

    def sent_since(self, *, to: str, from_number: str, since: datetime | None, limit: int = 50) -> list[Found]:
        """Texts from us to `to`, newest first, at most `limit`; an empty `from_number` means any sender.

        since: aware, None for no such limit; Twilio keeps whole seconds by its own clock, so leave a margin.
        Raises TwilioError.
        Twilio filters by the date a text was *sent*, which one still in its queue does not have: so the
        newest are fetched without that filter and chosen here by the date they were created.
        """
        sender = {"from_": from_number} if from_number else {}
        messages = understood(
            lambda: [
                _found(message)
                for message in self._messages.list(to=to, limit=limit, **sender)
                if message.direction != "inbound"
            ],
            QUESTION_UNANSWERED,
        )
        earliest = (since or BEFORE_TWILIO).replace(microsecond=0)
        recent = [found for found in messages if found.created_at is None or found.created_at >= earliest]
        return sorted(recent, key=lambda found: found.created_at or earliest, reverse=True)

    def received_between(
        self, *, to: str, messaging_service_sid: str, since: datetime, until: datetime, limit: int
    ) -> list[Received]:
        """Texts people sent us, oldest first; of more than `limit` the newest. Raises TwilioError.

        `to`: our number; without one, those that came through the service. Both times aware, by Twilio's clock.
        """
        ours = {"to": to} if to else {}
        return understood(
            lambda: sorted(
                (
                    _received(message)
                    for message in self._messages.list(
                        date_sent_after=since,
                        date_sent_before=until,
                        limit=limit,
                        page_size=min(limit, LARGEST_PAGE),
                        **ours,
                    )
                    if message.direction == "inbound"
                    and (to or message.messaging_service_sid == messaging_service_sid)
                ),
                key=lambda received: received.sent_at,
            ),
            QUESTION_UNANSWERED,
        )

    def media_of(self, sid: str) -> list[MediaFile]:
        """The files of one text, in Twilio's order, with the addresses a webhook would give. Raises TwilioError."""
        return understood(
            lambda: [
                MediaFile(
                    url=f"{self._base_url}{str(file.uri).removesuffix('.json')}", content_type=str(file.content_type)
                )
                for file in self._messages(path_segment(sid)).media.list(limit=MOST_MEDIA)
            ],
            QUESTION_UNANSWERED,
        )

    def ask(self) -> None:
        """Read one message of the account, to see whether Twilio lets us. Raises TwilioError."""
        understood(lambda: self._messages.list(limit=1, page_size=1), QUESTION_UNANSWERED)

    def message(self, sid: str) -> Found:
        """One text by its sid. Raises TwilioError, with `http_status` 404 when Twilio does not know it."""
        return understood(lambda: _found(self._messages(path_segment(sid)).fetch()), QUESTION_UNANSWERED)

    def close(self) -> None:
        self._transport.close()


def refuse_insecure(base_url: str) -> None:
    """Raises `InsecureApiBase` for an address that the account's secrets must not be sent to."""
    try:
        base = urlsplit(base_url)
        host, _ = base.hostname or "", base.port
    except ValueError:
        raise InsecureApiBase from None
    is_plain = not (base.query or base.fragment or "@" in base.netloc)
    is_private = base.scheme == "https" or (base.scheme == "http" and is_loopback(host))
    if not (host and is_plain and is_private):
        raise InsecureApiBase


def official_client(credentials: Credentials, transport: Any) -> Any:
    """The official library, for this account and over this transport."""
    from twilio.rest import Client

    username, password = _login(credentials)
    return Client(
        username,
        password,
        account_sid=path_segment(credentials.account_sid),
        http_client=transport,
        # Not empty, so that the library does not look into the process's environment.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
        user_agent_extensions=["openclaw-sms"],
    )


def _login(credentials: Credentials) -> tuple[str, str]:
    username = credentials.api_key_sid if credentials.has_api_key else credentials.account_sid
    password = credentials.api_key_secret if credentials.has_api_key else credentials.auth_token
    return _header_text(username), _header_text(password)


def _header_text(text: str) -> str:
    """`text` so that the HTTP library, which encodes credentials as latin-1, sends it as UTF-8 (RFC 7617)."""
    return text.encode("utf-8", "replace").decode("latin-1")


def path_segment(sid: str) -> str:
    """`sid` as one segment of a path; the library inserts it as it is."""
    return quote(sid, safe="")


def _parameters(outgoing: Outgoing) -> dict[str, Any]:
    sender = (
        {"from_": outgoing.from_number}
        if outgoing.from_number
        else {"messaging_service_sid": outgoing.messaging_service_sid}
    )
    optional = {
        "body": outgoing.body,
        "status_callback": outgoing.status_callback,
        "media_url": list(outgoing.media_urls),
    }
    return {"to": outgoing.to, **{name: value for name, value in (sender | optional).items() if value}}


def understood(ask: Callable[[], Answer], otherwise: TwilioFault) -> Answer:
    """The answer, or `otherwise` when Twilio's JSON is not what the library or we expect of it."""
    try:
        return ask()
    except (TwilioException, AttributeError, LookupError, TypeError, ValueError):
        pass  # raised below: the original exception would quote the answer
    raise TwilioError(otherwise)


def _sent(message: Any) -> Sent:
    return Sent(
        sid=_sid_of(message),
        status=str(message.status or ""),
        error_code=_number(message.error_code),
        num_segments=_number(message.num_segments),
        created_at=message.date_created,
    )


def _found(message: Any) -> Found:
    return Found(
        sid=_sid_of(message),
        status=str(message.status or ""),
        body=str(message.body or ""),
        error_code=_number(message.error_code),
        created_at=message.date_created,
    )


def _received(message: Any) -> Received:
    return Received(
        sid=_sid_of(message),
        account_sid=str(message.account_sid or ""),
        messaging_service_sid=str(message.messaging_service_sid or ""),
        sender=str(message.from_ or ""),
        recipient=str(message.to or ""),
        body=str(message.body or ""),
        num_media=_number(message.num_media) or 0,
        num_segments=_number(message.num_segments) or 1,
        sent_at=message.date_sent or message.date_created,
    )


def _sid_of(message: Any) -> str:
    if not isinstance(message.sid, str) or not message.sid:
        raise ValueError("no sid")
    return message.sid


def _number(value: Any) -> int | None:
    """Twilio gives some numbers as text."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None
