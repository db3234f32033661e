"""A pretend Twilio: its Messages API on loopback, and the signature it puts on what it posts to a webhook.

It keeps the texts it accepted, so that whoever lost an answer can ask what happened, and it can be told to
misbehave the way the real one does. Signatures come from Twilio's own library: the product checks them with
its own code, and two independent sides have to agree.

It refuses to guess: a request outside the pages below is answered 404, a text it would not send is refused
with Twilio's code. It sends no callback unless a test asks for it. Media of texts received are handed out the way
Twilio does it: to whoever knows the token, by a redirect to a place that asks for none.

Sources: Twilio's Messages resource, "REST API: your request to Twilio" (errors), and "Webhooks security".
"""

import base64
import json
import math
import random
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlencode, urlsplit

from twilio.request_validator import RequestValidator

from tests.support.loopback import Address, Answer, LoopbackServer, Request, send
from tests.support.twilio_account import ACCOUNT, AccountPages

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
MEDIA_LIST = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages/(?P<sid>[^/]+)/Media\.json")
MEDIA = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages/[^/]+/Media/(?P<sid>ME[0-9a-f]{32})")
CDN = re.compile(r"/cdn/(?P<sid>ME[0-9a-f]{32})")
MESSAGES = re.compile(r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages(?:/(?P<sid>[^/]+))?\.json")
BODY_LIMIT = 1600

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer; nothing is sent. `retry_after` is in seconds."""

    status: int
    code: int
    message: str = "The request was refused"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: the connection is dropped after `seconds`. `accepts`: the text is sent all the same."""

    accepts: bool
    seconds: float = 0.0


Fault = Refusal | Silence
ACCEPT_THEN_DROP = Silence(accepts=True)
DROP = Silence(accepts=False)


def throttled(retry_after: int) -> Refusal:
    """Twilio's 429, which promises that the text was not processed."""
    return Refusal(429, 20429, "Too Many Requests", retry_after)


@dataclass(slots=True)
class Message:
    """A text that was accepted for sending."""

    sid: str
    form: Mapping[str, str]
    status: str
    num_segments: int
    created: datetime
    sent: datetime | None = None
    error_code: int | None = None
    inbound: bool = False
    media: tuple[str, ...] = ()
    media_urls: tuple[str, ...] = ()

    @property
    def to(self) -> str:
        return self.form["To"]

    @property
    def sender(self) -> str | None:
        return self.form.get("From")

    @property
    def body(self) -> str:
        return self.form.get("Body", "")

    @property
    def status_callback(self) -> str | None:
        return self.form.get("StatusCallback")


@dataclass(slots=True)
class HeldMedia:
    """A file of a text somebody sent: `url` is its media resource, `asked` how often it was asked for.

    `elsewhere` is where its resource redirects to instead of the CDN; `failures` are answered first, one each.
    """

    url: str
    content_type: str
    data: bytes = field(repr=False)
    elsewhere: str = ""
    failures: list[int] = field(default_factory=list)
    asked: int = 0


@dataclass(slots=True)
class _Plan:
    """A fault in waiting: it lets `after` matching posts through, then strikes `times` times."""

    fault: Fault
    times: int
    to: str | None
    after: int


@dataclass(slots=True)
class PostedText:
    """One POST to Messages.json, whatever became of it."""

    form: Mapping[str, str]
    request: Request = field(repr=False)


class PretendTwilio(LoopbackServer):
    """Twilio's Messages API for one account, as long as the `with` block lasts."""

    def __init__(self, account_sid: str, auth_token: str, phone_number: str) -> None:
        super().__init__()
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.phone_number = phone_number
        self.requests: list[Request] = []
        self.posts: list[PostedText] = []
        self.messages: list[Message] = []
        self.routes: dict[str, Address] = {}
        self.media: dict[str, HeldMedia] = {}
        self._plans: list[_Plan] = []
        self.account = AccountPages(account_sid, phone_number)
        self.hangs_for = 0.0  # seconds that every question but a post waits
        self._rotated_to = ""
        self.api_key: tuple[str, str] | None = None  # a standard one, which may not look at the account itself

    # What a test asks

    def messages_to(self, number: str) -> list[Message]:
        """The accepted texts to one number, oldest first."""
        with self.changed:
            return [message for message in self.messages if message.to == number]

    def received_without_calling(
        self, sender: str, body: str, *, ago: float = 300, media: Sequence[str] = (), **form: str
    ) -> str:
        """A text came `ago` seconds ago and its webhook never did; its sid. `media`: content types."""
        when = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago)
        message = Message(
            sid=f"{'MM' if media else 'SM'}{secrets.token_hex(16)}",
            form={"To": self.phone_number, "From": sender, "Body": body, **form},
            status="received",
            num_segments=count_segments(body),
            created=when,
            sent=when,
            inbound=True,
            media=tuple(media),
        )
        with self.changed:
            self.messages.append(message)
        return message.sid

    def ends(self, message: Message, status: str, error_code: int | None = None) -> None:
        """A text came to its end, and no callback says so."""
        with self.changed:
            message.status, message.error_code = status, error_code

    def locks_out(self) -> None:
        """Nobody knows the auth token any more, as after a rotation."""
        self._rotated_to = secrets.token_hex(16)

    def lets_in(self) -> None:
        self._rotated_to = ""

    def posts_to(self, number: str) -> list[PostedText]:
        """Every attempt to text one number, oldest first, refused ones too."""
        with self.changed:
            return [post for post in self.posts if post.form.get("To") == number]

    def holds(self, message_sid: str, data: bytes, content_type: str = "image/png") -> HeldMedia:
        """Keep a file of a text that a phone sends, for the gateway to fetch."""
        sid = f"ME{secrets.token_hex(16)}"
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{message_sid}/Media/{sid}"
        with self.changed:
            self.media[sid] = HeldMedia(self.origin + path, content_type, data)
            return self.media[sid]

    def fetches(self, url: str, method: str = "GET") -> Answer:
        """Ask for a MediaUrl as Twilio does before it sends a text: without any credentials."""
        parts = urlsplit(url)
        headers = {"Host": parts.netloc, "User-Agent": "TwilioProxy/1.1", "Accept": "*/*"}
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return send(self.routes[parts.netloc], method, target, headers=headers)

    def fails_next(self, fault: Fault, *, times: int = 1, to: str | None = None, after: int = 0) -> None:
        """Misbehave for the next `times` posts (to one number, if given), once `after` went through."""
        with self.changed:
            self._plans.append(_Plan(fault, times, to, after))

    def behaves(self) -> None:
        """Forget every fault that has not struck yet."""
        with self.changed:
            self._plans.clear()

    def calls_back(self, message: Message, *statuses: str, shuffle: random.Random | None = None) -> list[Answer]:
        """Post signed status callbacks for a text, in order or shuffled; the answers in posting order.

        The text must have asked for them. Its URL's fragment carries connection overrides for Twilio and is
        neither requested nor signed. The URL's host is looked up in `routes`, as there is no DNS here.
        """
        if message.status_callback is None:
            raise ValueError("this text asked for no status callback")
        order = list(statuses)
        if shuffle is not None:
            shuffle.shuffle(order)
        return [self._call_back(message, urldefrag(message.status_callback).url, status) for status in order]

    # What a client asks

    def answer(self, request: Request) -> Answer | None:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        if cdn := CDN.fullmatch(request.path):
            return self._serve(self.media.get(cdn["sid"]))
        page = MESSAGES.fullmatch(request.path)
        if not self._is_authentic(request):
            return _error(Refusal(401, 20003, "Authenticate"))
        if self.hangs_for and request.method == "GET":
            self.waits(self.hangs_for)
        if page is None and (told := self.account.answer(request)) is not None:
            return told
        if (files := MEDIA_LIST.fullmatch(request.path)) is not None:
            return self._media(files["sid"])
        if media := MEDIA.fullmatch(request.path):
            return self._point_to(media["sid"])
        if page is None or page["account"] != self.account_sid:
            return _error(Refusal(404, 20404, "The requested resource was not found"))
        if page["sid"]:
            return self._fetch(page["sid"])
        return self._create(request) if request.method == "POST" else self._list(request)

    def _point_to(self, sid: str) -> Answer:
        """Where the bytes of a media resource are."""
        with self.changed:
            held = self.media.get(sid)
            if held is None:
                return _error(Refusal(404, 20404, "The requested resource was not found"))
            held.asked += 1
            status = held.failures.pop(0) if held.failures else 307
        if status != 307:
            return _error(Refusal(status, 20500, "told to fail"))
        return Answer(307, headers={"Location": held.elsewhere or f"{self.origin}/cdn/{sid}"})

    def _serve(self, held: HeldMedia | None) -> Answer:
        if held is None:
            return Answer(404)
        return Answer(200, held.data, {"Content-Type": held.content_type})

    def _is_authentic(self, request: Request) -> bool:
        sees_account = ACCOUNT.fullmatch(request.path) is not None
        logins = [(self.account_sid, self._rotated_to or self.auth_token)]
        if self.api_key is not None and not sees_account:
            logins.append(self.api_key)
        return request.headers.get("authorization") in [_basic(*login) for login in logins]

    def _create(self, request: Request) -> Answer | None:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
        form = dict(pairs)
        media_urls = tuple(value for name, value in pairs if name == "MediaUrl")
        with self.changed:
            self.posts.append(PostedText(form, request))
            fault = self._fault_for(form.get("To"))
        refusal = fault if isinstance(fault, Refusal) else self._refusal_of(form)
        if refusal is not None:
            return _error(refusal)
        if isinstance(fault, Silence):
            if fault.accepts:
                self._accept(form, media_urls)
            self.waits(fault.seconds)
            return None
        return _json(201, self._resource(self._accept(form, media_urls)))

    def _fault_for(self, to: str | None) -> Fault | None:
        for plan in self._plans:
            if plan.to not in (None, to):
                continue
            if plan.after:
                plan.after -= 1
                continue
            plan.times -= 1
            if not plan.times:
                self._plans.remove(plan)
            return plan.fault
        return None

    def _refusal_of(self, form: Mapping[str, str]) -> Refusal | None:
        if not form.get("To"):
            return Refusal(400, 21604, "A 'To' phone number is required.")
        if not E164.fullmatch(_number(form["To"])):
            return Refusal(400, 21211, "Invalid 'To' Phone Number")
        if not (form.get("From") or form.get("MessagingServiceSid")):
            return Refusal(400, 21603, "A 'From' phone number is required.")
        if form.get("From", own := _like(form["To"], self.phone_number)) != own:
            return Refusal(400, 21606, "The 'From' phone number is not one of this account's.")
        if not (form.get("Body") or form.get("MediaUrl")):
            return Refusal(400, 21602, "Message body is required.")
        if len(form.get("Body", "")) > BODY_LIMIT:
            return Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        return None

    def _accept(self, form: Mapping[str, str], media_urls: tuple[str, ...] = ()) -> Message:
        through_service = not form.get("From")
        message = Message(
            sid=f"SM{secrets.token_hex(16)}",
            form=form,
            status="accepted" if through_service else "queued",
            num_segments=0 if through_service else count_segments(form.get("Body", "")),
            created=datetime.now(UTC).replace(microsecond=0),
            media_urls=media_urls,
        )
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
        return message

    def _fetch(self, sid: str) -> Answer:
        with self.changed:
            found = [message for message in self.messages if message.sid == sid]
        if not found:
            return _error(Refusal(404, 20404, f"The requested resource /Messages/{sid}.json was not found"))
        return _json(200, self._resource(found[0]))

    def _media(self, sid: str) -> Answer:
        with self.changed:
            types = next((message.media for message in self.messages if message.sid == sid), ())
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}/Media"
        files = [
            {
                "sid": f"ME{number:032x}",
                "parent_sid": sid,
                "account_sid": self.account_sid,
                "content_type": content_type,
                "date_created": format_datetime(datetime.now(UTC)),
                "date_updated": format_datetime(datetime.now(UTC)),
                "uri": f"{uri}/ME{number:032x}.json",
            }
            for number, content_type in enumerate(types)
        ]
        return _json(
            200, {"media_list": files, "page": 0, "page_size": 50, "next_page_uri": None, "uri": f"{uri}.json"}
        )

    def _list(self, request: Request) -> Answer:
        wanted = {name: values[-1] for name, values in parse_qs(request.query).items()}
        with self.changed:
            newest_first = sorted(self.messages, key=lambda message: message.created)[::-1]
            matching = [message for message in newest_first if _matches(message, wanted)]
        size, page = int(wanted.get("PageSize", "50")), int(wanted.get("Page", "0"))
        shown = matching[page * size : (page + 1) * size]
        received = [text for text in self.account.inbound if wanted.get("To", text["to"]) == text["to"]]
        more = len(matching) > (page + 1) * size
        following = f"{request.path}?{urlencode({**wanted, 'Page': page + 1})}" if more else None
        listing = {
            "messages": [*received, *(self._resource(message) for message in shown)],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "uri": f"{request.path}?{request.query}",
            "first_page_uri": f"{request.path}?{urlencode({**wanted, 'Page': 0})}",
            "previous_page_uri": None,
            "next_page_uri": following,
        }
        return _json(200, listing)

    def _resource(self, message: Message) -> dict[str, Any]:
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{message.sid}"
        created = format_datetime(message.created)
        return {
            "sid": message.sid,
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "messaging_service_sid": message.form.get("MessagingServiceSid"),
            "to": message.to,
            "from": message.sender,
            "body": message.body,
            "direction": "inbound" if message.inbound else "outbound-api",
            "status": message.status,
            "num_segments": str(message.num_segments),
            "num_media": str(len(message.media or message.media_urls)),
            "date_created": created,
            "date_updated": created,
            "date_sent": None if message.sent is None else format_datetime(message.sent),
            "error_code": message.error_code,
            "error_message": None,
            "price": None,
            "price_unit": "USD",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "uri": f"{uri}.json",
        }

    def _call_back(self, message: Message, url: str, status: str) -> Answer:
        with self.changed:
            message.status = status
            message.sent = message.sent or datetime.now(UTC).replace(microsecond=0)
        form = {
            "ApiVersion": "2010-04-01",
            "AccountSid": self.account_sid,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "To": message.to,
            "From": message.sender or self.phone_number,
        }
        parts = urlsplit(url)
        body = urlencode(form).encode()
        headers = webhook_headers(parts.netloc, sign(self.auth_token, url, body))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return send(self.routes[parts.netloc], "POST", target, body=body, headers=headers)


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def webhook_headers(host: str, signature: str | None) -> dict[str, str]:
    """The headers Twilio puts on a webhook; `None` leaves the signature out."""
    headers = {
        "Host": host,
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
    }
    return headers if signature is None else {**headers, "X-Twilio-Signature": signature}


def sign(auth_token: str, url: str, body: bytes) -> str:
    """The `X-Twilio-Signature` of a form post: computed by Twilio's library over the octets of the form."""
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1"):
        fields.setdefault(name, []).append(value)
    octets = _Octets(url.encode().decode("latin-1"))
    return str(RequestValidator(auth_token).compute_signature(octets, _Form(fields)))


class _Form(dict[str, list[str]]):
    """A form with repeated fields, in the shape the library reads."""

    def getlist(self, name: str) -> Sequence[str]:
        return self[name]


class _Octets(str):
    """Octets as characters 0 to 255, which encode to themselves.

    The library joins strings and encodes them as UTF-8 at the end, so a form that is not UTF-8 would be
    signed over other octets than were sent. This keeps them, and changes nothing for UTF-8.
    """

    __slots__ = ()

    def __add__(self, other: str) -> "_Octets":
        return _Octets(super().__add__(other))

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("latin-1", errors)


def count_segments(body: str) -> int:
    """Segments of a text by size alone: GSM-7 160 or 153 septets each, else UCS-2 70 or 67 UTF-16 units."""
    if set(body) <= _GSM_BASIC | _GSM_EXTENDED:
        size, single, joined = len(body) + sum(char in _GSM_EXTENDED for char in body), 160, 153
    else:
        size, single, joined = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= single else math.ceil(size / joined)


def _number(address: str) -> str:
    return address.removeprefix("whatsapp:")


def _like(address: str, number: str) -> str:
    """`number` on the channel of `address`: whoever is on WhatsApp is texted from WhatsApp."""
    return f"whatsapp:{number}" if address.startswith("whatsapp:") else number


def _matches(message: Message, wanted: Mapping[str, str]) -> bool:
    when = message.sent or message.created
    return (
        wanted.get("To", message.to) == message.to
        and wanted.get("From", message.sender) == message.sender
        and ("DateSent>" not in wanted or when >= _moment(wanted["DateSent>"]))
        and ("DateSent<" not in wanted or when <= _moment(wanted["DateSent<"]))
        and ("DateSent" not in wanted or when.date() == _moment(wanted["DateSent"]).date())
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def _error(refusal: Refusal) -> Answer:
    later = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    value = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return _json(refusal.status, value, later)
