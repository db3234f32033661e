"""The pretend API, asked by Twilio's own library."""

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client as Browser
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Direction, Store, Text
from openclaw_sms.twilio.client import Credentials, Outgoing, TwilioClient
from openclaw_sms.twilio.media import MediaSource
from tests.sandbox.webhook import Webhook, form_of
from tests.support.pictures import PDF, png

ALICE, BOB = "+15550001111", "+15550002222"


class AtTheSandbox(TwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """The library's HTTP client, with api.twilio.com found on this machine."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        asked = urlsplit(url)
        query = f"?{asked.query}" if asked.query else ""
        return super().request(method, f"{self._base_url}{asked.path}{query}", *args, **kwargs)


def library(sandbox: Sandbox, *, account_sid: str = "", token: str = "") -> Any:
    return Client(
        sandbox.account_sid,
        token or sandbox.auth_token,
        account_sid=account_sid or sandbox.account_sid,
        http_client=AtTheSandbox(sandbox.api_base_url),
    )


@pytest.fixture
def twilio(sandbox: Sandbox) -> Any:
    return library(sandbox)


def keep(texts: Store, sandbox: Sandbox, to: str, body: str, *, sent: datetime | None = None) -> str:
    """A text that was sent at `sent`, without waiting for the carrier."""
    text = texts.add(
        Direction.TO_PHONE, sender=sandbox.from_number, recipient=to, body=body, now=sent or datetime.now(UTC)
    )
    texts.move(text, "delivered", sent=sent)
    return text.sid


class TestSending:
    def test_an_accepted_text_is_queued(self, twilio: Any, sandbox: Sandbox) -> None:
        message = twilio.messages.create(to=ALICE, from_=sandbox.from_number, body="a" * 161)
        assert message.sid.startswith("SM")
        assert (message.status, message.num_segments, message.direction) == ("queued", "2", "outbound-api")
        assert (message.to, message.from_, message.body) == (ALICE, sandbox.from_number, "a" * 161)
        assert (message.error_code, message.date_sent) == (None, None)
        assert abs(datetime.now(UTC) - message.date_created) < timedelta(seconds=5)

    def test_it_is_delivered_soon_and_says_so(self, twilio: Any, sandbox: Sandbox, webhook: Webhook) -> None:
        message = twilio.messages.create(
            to=ALICE, from_=sandbox.from_number, body="hi", status_callback=f"{webhook.origin}/sms?part=1#rc=1"
        )
        sent, delivered = webhook.after(2)
        assert [form_of(post)["MessageStatus"] for post in (sent, delivered)] == ["sent", "delivered"]
        assert form_of(sent)["MessageSid"] == message.sid
        fetched = twilio.messages(message.sid).fetch()
        assert fetched.status == "delivered"
        assert fetched.date_sent is not None

    def test_the_number_may_be_written_with_spaces(self, twilio: Any, sandbox: Sandbox) -> None:
        assert twilio.messages.create(to="+1 555 000 1111", from_=sandbox.from_number, body="hi").to == ALICE

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"to": ""}, 21604),
            ({"to": "call me"}, 21211),
            ({"to": "+1555"}, 21211),
            ({"from_": ""}, 21603),
            ({"from_": BOB}, 21606),
            ({"body": ""}, 21602),
            ({"body": " \n"}, 21602),
            ({"body": "a" * 1601}, 21617),
        ],
    )
    def test_what_twilio_would_not_send_is_refused_with_its_code(
        self, twilio: Any, sandbox: Sandbox, texts: Store, changed: dict[str, str], code: int
    ) -> None:
        asked = {"to": ALICE, "from_": sandbox.from_number, "body": "hi", **changed}
        with pytest.raises(TwilioRestException) as refused:
            twilio.messages.create(**asked)
        assert (refused.value.status, refused.value.code) == (400, code)
        assert texts.changes(after=0).texts == ()

    def test_the_longest_body_is_sent(self, twilio: Any, sandbox: Sandbox) -> None:
        assert twilio.messages.create(to=ALICE, from_=sandbox.from_number, body="a" * 1600).num_segments == "11"


class TestWhoMayAsk:
    def test_a_wrong_token_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(TwilioRestException) as refused:
            library(sandbox, token="f" * 32).messages.create(to=ALICE, from_=sandbox.from_number, body="hi")
        assert (refused.value.status, refused.value.code) == (401, 20003)

    def test_another_account_is_not_found(self, sandbox: Sandbox) -> None:
        with pytest.raises(TwilioRestException) as refused:
            library(sandbox, account_sid="AC" + "0" * 32).messages("SM" + "0" * 32).fetch()
        assert (refused.value.status, refused.value.code) == (404, 20404)

    @pytest.mark.parametrize("header", ["", "Basic", "Basic !", "Basic é", "Bearer x", "Basic " + "A" * 4])
    def test_a_header_that_is_no_login_is_refused_and_asked_for(self, sandbox: Sandbox, header: str) -> None:
        page = f"/sandbox/twilio/2010-04-01/Accounts/{sandbox.account_sid}/Messages.json"
        answer = Browser(headers={"Host": "127.0.0.1"}).get(page, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic ")

    def test_the_token_opens_no_door_from_another_machine(self, sandbox: Sandbox) -> None:
        page = f"/sandbox/twilio/2010-04-01/Accounts/{sandbox.account_sid}/Messages.json"
        login = base64.b64encode(f"{sandbox.account_sid}:{sandbox.auth_token}".encode()).decode()
        asked = {"Host": "127.0.0.1", "Authorization": f"Basic {login}"}
        assert Browser().get(page, headers=asked).status_code == 200
        assert Browser(REMOTE_ADDR="203.0.113.9").get(page, headers=asked).status_code == 404

    def test_other_methods_are_refused(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        sid = keep(texts, sandbox, ALICE, "hi")
        with pytest.raises(TwilioRestException) as refused:
            twilio.messages(sid).delete()
        assert (refused.value.status, refused.value.code) == (405, 20004)

    def test_an_error_is_twilio_s_json(self, sandbox: Sandbox) -> None:
        page = f"{sandbox.api_base_url}/2010-04-01/Accounts/{sandbox.account_sid}/Messages.json"
        assert httpx.get(page, trust_env=False).json() == {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        }


class TestLookingUp:
    def test_an_unknown_sid_is_not_found(self, twilio: Any) -> None:
        with pytest.raises(TwilioRestException) as refused:
            twilio.messages("SM" + "0" * 32).fetch()
        assert (refused.value.status, refused.value.code) == (404, 20404)

    def test_texts_are_filtered_by_number(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        keep(texts, sandbox, ALICE, "one")
        keep(texts, sandbox, BOB, "two")
        keep(texts, sandbox, ALICE, "three")
        assert [message.body for message in twilio.messages.list(to=ALICE)] == ["three", "one"]
        assert len(twilio.messages.list(from_=sandbox.from_number)) == 3
        assert twilio.messages.list(from_=BOB) == []

    def test_texts_are_filtered_by_the_time_they_were_sent(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        noon = datetime(2030, 5, 6, 12, 0, 0, tzinfo=UTC)
        for hours in (0, 1, 24):
            keep(texts, sandbox, ALICE, str(hours), sent=noon + timedelta(hours=hours))

        def found(**asked: Any) -> list[str]:
            return [message.body for message in twilio.messages.list(**asked)]

        assert found(date_sent_after=noon + timedelta(hours=1)) == ["24", "1"]
        assert found(date_sent_before=noon) == ["0"]
        assert found(date_sent=noon.date()) == ["1", "0"]

    def test_a_text_from_a_phone_is_listed_as_inbound(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        texts.add(
            Direction.FROM_PHONE, sender=ALICE, recipient=sandbox.from_number, body="hello", now=datetime.now(UTC)
        )
        (message,) = twilio.messages.list(from_=ALICE)
        assert (message.direction, message.status) == ("inbound", "received")

    def test_pages_follow_each_other(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        for number in range(5):
            keep(texts, sandbox, ALICE, str(number))
        listed = twilio.messages.list(to=ALICE, page_size=2, limit=10)
        assert [message.body for message in listed] == ["4", "3", "2", "1", "0"]

    @pytest.mark.parametrize("size", ["0", "many", "-1"])
    def test_a_page_size_that_is_none_is_ignored(
        self, twilio: Any, sandbox: Sandbox, texts: Store, size: str
    ) -> None:
        keep(texts, sandbox, ALICE, "one")
        page = f"{sandbox.api_base_url}/2010-04-01/Accounts/{sandbox.account_sid}/Messages.json"
        login = (sandbox.account_sid, sandbox.auth_token)
        assert httpx.get(page, params={"PageSize": size}, auth=login, trust_env=False).json()["page_size"] == 50

    def test_a_date_that_is_none_is_refused(self, sandbox: Sandbox) -> None:
        page = f"{sandbox.api_base_url}/2010-04-01/Accounts/{sandbox.account_sid}/Messages.json"
        login = (sandbox.account_sid, sandbox.auth_token)
        answer = httpx.get(page, params={"DateSent>": "soon"}, auth=login, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_the_product_s_own_client_finds_what_it_sent(sandbox: Sandbox) -> None:
    client = TwilioClient(Credentials(sandbox.account_sid, sandbox.auth_token), base_url=sandbox.api_base_url)
    before = datetime.now(UTC) - timedelta(seconds=2)
    sent = client.send(Outgoing(to=ALICE, body="hi", from_number=sandbox.from_number))
    (found,) = client.sent_since(to=ALICE, from_number=sandbox.from_number, since=before)
    assert (found.sid, found.body, sent.num_segments) == (sent.sid, "hi", 1)
    client.close()


def test_the_product_s_own_client_finds_what_a_phone_sent(sandbox: Sandbox, texts: Store) -> None:
    now = datetime.now(UTC)
    texts.add(Direction.FROM_PHONE, sender=ALICE, recipient=sandbox.from_number, body="missed", now=now)
    client = TwilioClient(Credentials(sandbox.account_sid, sandbox.auth_token), base_url=sandbox.api_base_url)
    hour = timedelta(hours=1)
    asked = {"to": sandbox.from_number, "messaging_service_sid": "", "limit": 50}
    (found,) = client.received_between(since=now - hour, until=now + hour, **asked)  # type: ignore[arg-type]
    assert (found.sender, found.body, found.num_media) == (ALICE, "missed", 0)
    assert client.received_between(since=now - 2 * hour, until=now - hour, **asked) == []  # type: ignore[arg-type]


class TestMedia:
    def test_the_product_fetches_what_a_phone_sent(self, sandbox: Sandbox, texts: Store) -> None:
        text = from_phone(texts, sandbox)
        (held,) = texts.media_of([text.sid])[text.sid]
        source = MediaSource(Credentials(sandbox.account_sid, sandbox.auth_token), text.sid, sandbox.api_base_url)
        fetched = source.fetch(resource(sandbox, text.sid, held.sid), limit=10_000, deadline=time.monotonic() + 20)
        assert (fetched.declared, fetched.data) == ("image/png", png())

    def test_nobody_else_is_told_where_it_is(self, sandbox: Sandbox, texts: Store) -> None:
        text = from_phone(texts, sandbox)
        (held,) = texts.media_of([text.sid])[text.sid]
        url = resource(sandbox, text.sid, held.sid)
        assert httpx.get(url).status_code == 401
        login = (sandbox.account_sid, sandbox.auth_token)
        assert httpx.get(url.replace(text.sid, "MM" + "0" * 32), auth=login).status_code == 404
        assert httpx.get(url, auth=login).status_code == 307
        assert httpx.post(url, auth=login).status_code == 405

    @pytest.mark.parametrize(("data", "shown"), [(png(), True), (b"<svg onload=alert(1)>", False), (PDF, False)])
    def test_a_browser_shows_pictures_and_saves_the_rest(
        self, data: bytes, shown: bool, sandbox: Sandbox, texts: Store
    ) -> None:
        text = from_phone(texts, sandbox, data)
        (held,) = texts.media_of([text.sid])[text.sid]
        answer = Browser(headers={"Host": "127.0.0.1:8000"}).get(f"/sandbox/media/{held.key}")
        assert (answer.content, "Content-Disposition" in answer) == (data, not shown)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]

    def test_a_key_that_is_none_is_not_found(self, sandbox: Sandbox, texts: Store) -> None:
        browser = Browser(headers={"Host": "127.0.0.1:8000"})
        assert browser.get("/sandbox/media/nothing").status_code == 404
        assert Browser(headers={"Host": "sms.example.com"}).get("/sandbox/media/nothing").status_code in (400, 404)

    def test_an_outgoing_picture_is_kept_with_its_text(self, twilio: Any, sandbox: Sandbox, texts: Store) -> None:
        sent = twilio.messages.create(
            to=ALICE, from_=sandbox.from_number, media_url=["https://example.com/1.png", "https://example.com/2.png"]
        )
        assert (sent.sid[:2], sent.num_media) == ("MM", "2")
        assert [media.source[-5:] for media in texts.media_of([sent.sid])[sent.sid]] == ["1.png", "2.png"]

    def test_eleven_are_too_many(self, twilio: Any, sandbox: Sandbox) -> None:
        urls = ["https://example.com/1.png"] * 11
        with pytest.raises(TwilioRestException) as refused:
            twilio.messages.create(to=ALICE, from_=sandbox.from_number, media_url=urls)
        assert refused.value.code == 21623


def from_phone(texts: Store, sandbox: Sandbox, data: bytes | None = None) -> Text:
    return texts.add(
        Direction.FROM_PHONE,
        sender=ALICE,
        recipient=sandbox.from_number,
        body="",
        now=datetime.now(UTC),
        files=[("image/png", png() if data is None else data)],
    )


def resource(sandbox: Sandbox, text_sid: str, media_sid: str) -> str:
    account = f"{sandbox.api_base_url}/2010-04-01/Accounts/{sandbox.account_sid}"
    return f"{account}/Messages/{text_sid}/Media/{media_sid}"
