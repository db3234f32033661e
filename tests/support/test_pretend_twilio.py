"""The pretend Twilio, as seen by Twilio's own client and by Twilio's own signature check.

The journeys trust it, so it has to be like the real one where they look: what it accepts, refuses, remembers,
and how it fails.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from tests.support.loopback import Answer, LoopbackServer, Request
from tests.support.pretend_twilio import (
    ACCEPT_THEN_DROP,
    DROP,
    PretendTwilio,
    Refusal,
    Silence,
    count_segments,
    sign,
    throttled,
)

ACCOUNT = "AC" + "0" * 32
TOKEN = "the auth token of a pretend account"
OURS, ALICE, BOB = "+15550009999", "+15550001111", "+15550002222"
CALLBACK = "https://gateway.example.com/webhooks/sms?from=twilio"


@pytest.fixture
def twilio() -> Iterator[PretendTwilio]:
    with PretendTwilio(ACCOUNT, TOKEN, OURS) as pretend:
        yield pretend


class ToLoopback(HTTPAdapter):
    """Leads the library's requests to the pretend Twilio."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = str(request.url).replace("https://api.twilio.com", self.origin)
        return super().send(request, *args, **kwargs)


def client_of(twilio: PretendTwilio, *, token: str = TOKEN, timeout: float = 5.0) -> Client:
    http_client = TwilioHttpClient(timeout=timeout)
    http_client.session.mount("https://", ToLoopback(twilio.origin))
    return Client(ACCOUNT, token, http_client=http_client)


def send(client: Client, body: str = "hello", to: str = ALICE, **options: object) -> MessageInstance:
    return client.messages.create(to=to, from_=OURS, body=body, **options)


class TestAcceptsTexts:
    def test_the_client_gets_a_queued_message_with_a_sid(self, twilio: PretendTwilio) -> None:
        message = send(client_of(twilio))

        assert message.sid is not None
        assert len(message.sid) == 34
        assert message.sid.startswith("SM")
        assert message.status == "queued"
        assert message.num_segments == "1"
        assert message.date_created is not None
        assert abs(message.date_created - datetime.now(UTC)) < timedelta(minutes=1)

    def test_the_test_sees_what_was_posted(self, twilio: PretendTwilio) -> None:
        send(client_of(twilio), "grüße 🦞", status_callback=CALLBACK + "#rc=2")

        (posted,) = twilio.posts_to(ALICE)
        expected = {"To": ALICE, "From": OURS, "Body": "grüße 🦞", "StatusCallback": CALLBACK + "#rc=2"}
        assert posted.form == expected
        assert posted.request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert [message.body for message in twilio.messages_to(ALICE)] == ["grüße 🦞"]
        assert twilio.messages_to(BOB) == []

    def test_a_messaging_service_accepts_and_counts_no_segments_yet(self, twilio: PretendTwilio) -> None:
        message = client_of(twilio).messages.create(to=ALICE, messaging_service_sid="MG" + "0" * 32, body="hello")

        assert (message.status, message.num_segments) == ("accepted", "0")

    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({"From": OURS, "Body": "hello"}, 21604),
            ({"To": "5550001111", "From": OURS, "Body": "hello"}, 21211),
            ({"To": ALICE, "Body": "hello"}, 21603),
            ({"To": ALICE, "From": BOB, "Body": "hello"}, 21606),
            ({"To": ALICE, "From": OURS, "Body": ""}, 21602),
            ({"To": ALICE, "From": OURS, "Body": "x" * 1601}, 21617),
        ],
    )
    def test_a_text_it_would_not_send_is_refused(
        self, twilio: PretendTwilio, form: dict[str, str], code: int
    ) -> None:
        url = f"{twilio.origin}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        answer = requests.post(url, data=form, auth=(ACCOUNT, TOKEN), timeout=5)

        assert answer.status_code == 400
        assert answer.json()["code"] == code
        assert twilio.messages == []

    def test_a_wrong_token_is_refused(self, twilio: PretendTwilio) -> None:
        with pytest.raises(TwilioRestException) as refused:
            send(client_of(twilio, token="not the token"))

        assert (refused.value.status, refused.value.code) == (401, 20003)
        assert twilio.messages == []


class TestRemembersTexts:
    def test_a_message_is_found_by_its_sid(self, twilio: PretendTwilio) -> None:
        client = client_of(twilio)
        sid = send(client, "find me").sid
        assert sid is not None

        assert client.messages(sid).fetch().body == "find me"

    def test_an_unknown_sid_is_not_found(self, twilio: PretendTwilio) -> None:
        with pytest.raises(TwilioRestException) as missing:
            client_of(twilio).messages("SM" + "0" * 32).fetch()

        assert (missing.value.status, missing.value.code) == (404, 20404)

    def test_the_list_is_filtered_and_newest_first(self, twilio: PretendTwilio) -> None:
        client = client_of(twilio)
        for to, body in [(ALICE, "one"), (BOB, "two"), (ALICE, "three")]:
            send(client, body, to=to)
        now = datetime.now(UTC)

        def bodies(**filters: object) -> list[str | None]:
            return [message.body for message in client.messages.list(**filters)]

        assert bodies(to=ALICE, from_=OURS) == ["three", "one"]
        assert bodies(from_=BOB) == []
        assert bodies(to=ALICE, date_sent_after=now - timedelta(minutes=1)) == ["three", "one"]
        assert bodies(to=ALICE, date_sent_after=now + timedelta(minutes=1)) == []
        assert bodies(to=ALICE, date_sent_before=now - timedelta(minutes=1)) == []

    def test_a_long_list_comes_in_pages(self, twilio: PretendTwilio) -> None:
        client = client_of(twilio)
        for number in range(5):
            send(client, str(number))
        before = len(twilio.requests)

        listed = client.messages.list(to=ALICE, page_size=2)

        assert [message.body for message in listed] == ["4", "3", "2", "1", "0"]
        assert len(twilio.requests) - before == 3


class TestFails:
    def test_a_refusal_carries_twilios_code_and_the_time_to_wait(self, twilio: PretendTwilio) -> None:
        twilio.fails_next(throttled(retry_after=3))
        url = f"{twilio.origin}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        form = {"To": ALICE, "From": OURS, "Body": "hello"}

        refused = requests.post(url, data=form, auth=(ACCOUNT, TOKEN), timeout=5)

        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
        assert refused.json() == {
            "code": 20429,
            "message": "Too Many Requests",
            "more_info": "https://www.twilio.com/docs/errors/20429",
            "status": 429,
        }
        assert twilio.messages == []
        assert requests.post(url, data=form, auth=(ACCOUNT, TOKEN), timeout=5).status_code == 201

    def test_a_fault_strikes_as_often_as_told_and_only_where_told(self, twilio: PretendTwilio) -> None:
        client = client_of(twilio)
        twilio.fails_next(Refusal(400, 21610), times=2, to=ALICE, after=1)
        outcomes = []
        for to in [ALICE, BOB, ALICE, BOB, ALICE, ALICE]:
            try:
                send(client, to=to)
            except TwilioRestException as refused:
                outcomes.append(refused.code)
            else:
                outcomes.append(201)

        assert outcomes == [201, 201, 21610, 201, 21610, 201]

    def test_a_dropped_connection_after_accepting_has_sent_the_text(self, twilio: PretendTwilio) -> None:
        twilio.fails_next(ACCEPT_THEN_DROP)

        with pytest.raises(requests.ConnectionError):
            send(client_of(twilio), "did it go out?")

        assert [message.body for message in client_of(twilio).messages.list(to=ALICE)] == ["did it go out?"]
        assert len(twilio.posts) == 1

    def test_a_dropped_connection_before_accepting_has_not(self, twilio: PretendTwilio) -> None:
        client = client_of(twilio)
        send(client, "the connection is now open and kept")
        twilio.fails_next(DROP)

        with pytest.raises(requests.ConnectionError):
            send(client, "did it go out?")

        assert [message.body for message in twilio.messages] == ["the connection is now open and kept"]

    def test_silence_outlasts_a_client_with_a_time_limit(self, twilio: PretendTwilio) -> None:
        twilio.fails_next(Silence(accepts=True, seconds=30))

        with pytest.raises(requests.Timeout):
            send(client_of(twilio, timeout=0.2))

        assert len(twilio.messages) == 1

    def test_closing_ends_a_silence(self) -> None:
        started = time.monotonic()
        with PretendTwilio(ACCOUNT, TOKEN, OURS) as twilio:
            twilio.fails_next(Silence(accepts=False, seconds=30))
            with pytest.raises(requests.Timeout):
                send(client_of(twilio, timeout=0.2))

        assert time.monotonic() - started < 5

    def test_it_behaves_when_told_to(self, twilio: PretendTwilio) -> None:
        twilio.fails_next(DROP, times=100)
        twilio.behaves()

        assert send(client_of(twilio)).sid


class Webhook(LoopbackServer):
    """Where status callbacks arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(204)


class TestCallsBack:
    def test_a_callback_is_signed_for_the_public_url_without_its_fragment(self, twilio: PretendTwilio) -> None:
        send(client_of(twilio), status_callback=CALLBACK + "#rc=2&rp=all")
        (message,) = twilio.messages
        with Webhook() as webhook:
            twilio.routes["gateway.example.com"] = ("127.0.0.1", int(webhook.origin.rpartition(":")[2]))
            answers = twilio.calls_back(message, "sent", "delivered")

        assert [answer.status for answer in answers] == [204, 204]
        statuses = []
        for request in webhook.requests:
            form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
            signature = request.headers["x-twilio-signature"]
            assert RequestValidator(TOKEN).validate(CALLBACK, form, signature)
            assert (request.path, request.query) == ("/webhooks/sms", "from=twilio")
            assert form["MessageSid"] == message.sid
            statuses.append(form["MessageStatus"])
        assert statuses == ["sent", "delivered"]
        assert message.status == "delivered"

    def test_callbacks_may_come_in_any_order(self, twilio: PretendTwilio) -> None:
        send(client_of(twilio), status_callback=CALLBACK)
        (message,) = twilio.messages
        in_order = ["queued", "sending", "sent", "delivered"]
        with Webhook() as webhook:
            twilio.routes["gateway.example.com"] = ("127.0.0.1", int(webhook.origin.rpartition(":")[2]))
            twilio.calls_back(message, *in_order, shuffle=random.Random(7))

        arrived = [parse_qs(request.body.decode())["MessageStatus"][0] for request in webhook.requests]
        assert arrived != in_order
        assert sorted(arrived) == sorted(in_order)

    def test_a_text_that_asked_for_no_callback_gets_none(self, twilio: PretendTwilio) -> None:
        send(client_of(twilio))

        with pytest.raises(ValueError, match="no status callback"):
            twilio.calls_back(twilio.messages[0], "sent")


class TestSigns:
    @given(st.dictionaries(st.text(min_size=1), st.text()))
    def test_as_twilios_library_does(self, form: dict[str, str]) -> None:
        theirs = RequestValidator(TOKEN).compute_signature(CALLBACK, form)

        assert sign(TOKEN, CALLBACK, urlencode(form).encode()) == theirs

    def test_repeated_fields_as_the_librarys_own_vector(self) -> None:
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        form = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"

        assert sign("12345", url, form) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="

    def test_octets_that_are_not_utf8_are_signed_as_they_are(self) -> None:
        assert sign(TOKEN, CALLBACK, b"Body=caf%E9") != sign(TOKEN, CALLBACK, "Body=café".encode())


class TestCountsSegments:
    @pytest.mark.parametrize(
        ("character", "single", "joined"),
        [
            pytest.param("a", 160, 153, id="GSM-7"),
            pytest.param("€", 80, 76, id="GSM-7 extension"),
            pytest.param("—", 70, 67, id="UCS-2"),
            pytest.param("🦞", 35, 33, id="UCS-2 surrogate pair"),
        ],
    )
    def test_at_the_edges(self, character: str, single: int, joined: int) -> None:
        """`single` fit alone, `joined` fit in each part of several."""
        assert count_segments("") == 1
        assert count_segments(character * single) == 1
        assert count_segments(character * (single + 1)) == 2
        assert count_segments(character * joined * 2) == 2
