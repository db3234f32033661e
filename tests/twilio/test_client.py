"""Sending and looking up over real HTTP: what goes out, and what each kind of failure is taken for."""

import logging
import socket
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from openclaw_sms.twilio.client import (
    Credentials,
    Found,
    InsecureApiBase,
    Outgoing,
    Received,
    Sent,
    TwilioClient,
)
from openclaw_sms.twilio.errors import FAULTS, ErrorClass, TwilioError
from openclaw_sms.twilio.transport import _clock_ahead
from tests.twilio.pretend_api import PretendApi, Reply, pretend_api, reply_json

ACCOUNT, TOKEN = "AC" + "1" * 32, "auth-token"
ALICE, OURS = "+15550001111", "+15550002222"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
CREDENTIALS = Credentials(ACCOUNT, TOKEN)
TEXT = Outgoing(to=ALICE, body="hello", from_number=OURS)
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def message(**changes: Any) -> dict[str, Any]:
    return {
        "sid": "SM1",
        "status": "queued",
        "body": "hello",
        "num_segments": "1",
        "error_code": None,
        "date_created": "Mon, 23 Nov 2026 12:00:00 +0000",
        "direction": "outbound-api",
        "to": ALICE,
        "from": OURS,
    } | changes


ACCEPTED = reply_json(201, message())


def client_of(api: PretendApi, path: str = "", credentials: Credentials = CREDENTIALS) -> TwilioClient:
    return TwilioClient(credentials, base_url=api.url + path, timeout=timedelta(seconds=0.3))


def failure(*replies: Reply) -> TwilioError:
    with pretend_api(*replies) as api, pytest.raises(TwilioError) as failed:
        client_of(api).send(TEXT)
    assert len(api.asked) == 1, "a post is never repeated by the client itself"
    return failed.value


class TestSending:
    def test_an_accepted_text(self) -> None:
        with pretend_api(ACCEPTED) as api:
            sent = client_of(api).send(TEXT)
        assert sent == Sent(sid="SM1", status="queued", error_code=None, num_segments=1, created_at=NOON)
        [asked] = api.asked
        assert (asked.method, asked.path, asked.query) == ("POST", MESSAGES, ())
        assert dict(asked.form) == {"To": ALICE, "From": OURS, "Body": "hello"}
        assert asked.login == f"{ACCOUNT}:{TOKEN}"
        assert "openclaw-sms" in asked.user_agent

    def test_everything_a_text_can_carry(self) -> None:
        full = Outgoing(
            to=ALICE,
            body="caf\u00e9 🎈 ",
            from_number=OURS,
            messaging_service_sid="MG1",
            status_callback="https://sms.example.com/webhooks/sms?part=1#rc=1",
            media_urls=("https://sms.example.com/1.png", "https://sms.example.com/2.png"),
        )
        with pretend_api(ACCEPTED) as api:
            client_of(api).send(full)
        assert sorted(api.asked[0].form) == sorted(
            [
                ("To", ALICE),
                ("From", OURS),
                ("Body", "caf\u00e9 🎈 "),
                ("StatusCallback", "https://sms.example.com/webhooks/sms?part=1#rc=1"),
                ("MediaUrl", "https://sms.example.com/1.png"),
                ("MediaUrl", "https://sms.example.com/2.png"),
            ]
        )

    def test_a_messaging_service_sends_when_no_number_does(self) -> None:
        with pretend_api(ACCEPTED) as api:
            client_of(api).send(Outgoing(to=ALICE, body="hello", messaging_service_sid="MG1"))
        assert dict(api.asked[0].form) == {"To": ALICE, "MessagingServiceSid": "MG1", "Body": "hello"}

    def test_an_api_key_logs_in_for_the_account(self) -> None:
        with pretend_api(ACCEPTED) as api:
            client_of(api, credentials=Credentials(ACCOUNT, TOKEN, "SK1", "key-secret")).send(TEXT)
        assert (api.asked[0].login, api.asked[0].path) == ("SK1:key-secret", MESSAGES)

    def test_credentials_outside_latin_1_are_sent_as_utf_8(self) -> None:
        with pretend_api(ACCEPTED) as api:
            client_of(api, credentials=Credentials(ACCOUNT, "tok€n")).send(TEXT)
        assert api.asked[0].login == f"{ACCOUNT}:tok€n"

    def test_the_path_of_the_base_url_is_kept(self) -> None:
        with pretend_api(ACCEPTED) as api:
            client_of(api, "/sandbox/twilio/").send(TEXT)
        assert api.asked[0].path == f"/sandbox/twilio{MESSAGES}"

    def test_region_and_edge_of_the_environment_do_not_move_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TWILIO_REGION", "ie1")
        monkeypatch.setenv("TWILIO_EDGE", "dublin")
        with pretend_api(ACCEPTED) as api:
            assert client_of(api).send(TEXT).sid == "SM1"

    def test_a_proxy_of_the_environment_does_not_see_what_is_for_this_machine(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pretend_api(ACCEPTED) as api, pretend_api(ACCEPTED) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            client_of(api).send(TEXT)
        assert (len(api.asked), len(proxy.asked)) == (1, 0)

    @pytest.mark.parametrize(
        ("changes", "num_segments", "created_at"),
        [({"num_segments": "0"}, 0, NOON), ({"num_segments": None}, None, NOON), ({"date_created": None}, 1, None)],
    )
    def test_only_the_sid_is_needed(
        self, changes: dict[str, Any], num_segments: int | None, created_at: datetime | None
    ) -> None:
        with pretend_api(reply_json(201, message(**changes))) as api:
            sent = client_of(api).send(TEXT)
        assert (sent.sid, sent.num_segments, sent.created_at) == ("SM1", num_segments, created_at)

    def test_a_text_that_cannot_be_encoded_is_not_sent(self) -> None:
        with pretend_api(ACCEPTED) as api, pytest.raises(TwilioError) as failed:
            client_of(api).send(Outgoing(to=ALICE, body="\ud800", from_number=OURS))
        assert failed.value.kind is ErrorClass.CONTENT
        assert api.asked == []


class TestRefusals:
    def test_an_error_code(self) -> None:
        error = failure(reply_json(400, {"code": 21610, "message": f"to {ALICE}", "status": 400}))
        assert (error.fault, error.http_status) == (FAULTS[21610], 400)

    def test_throttling_says_for_how_long(self) -> None:
        error = failure(reply_json(429, {"code": 20429, "status": 429}, Retry_After="7"))
        assert (error.kind, error.retry_after) == (ErrorClass.THROTTLED, timedelta(seconds=7))
        assert error.retryable

    @pytest.mark.parametrize("retry_after", ["soon", "-1", "1.5", "", "9" * 30, "Mon, 23 Nov 2026 12:00:00 GMT"])
    def test_an_unusable_retry_after_is_none(self, retry_after: str) -> None:
        assert failure(Reply(429, headers=(("Retry-After", retry_after),))).retry_after is None

    @pytest.mark.parametrize("answer", [{}, [], None, {"code": 401}, {"code": "21610"}, {"code": True}])
    def test_an_answer_without_a_code_is_classified_by_its_status(self, answer: object) -> None:
        error = failure(reply_json(401, answer))
        assert (error.kind, error.code) == (ErrorClass.OPERATOR_CONFIG, None)

    def test_an_error_of_the_newer_format(self) -> None:
        problem = {"type": "about:blank", "title": "no", "status": 400, "code": 21211, "detail": ALICE}
        assert failure(reply_json(400, problem)).fault == FAULTS[21211]

    def test_credentials_do_not_follow_a_redirect(self) -> None:
        with pretend_api(ACCEPTED) as elsewhere:
            for status in (301, 302, 303, 307, 308):
                error = failure(Reply(status, headers=(("Location", elsewhere.url),)))
                assert (error.kind, error.http_status) == (ErrorClass.OPERATOR_CONFIG, status)
        assert elsewhere.asked == []


class TestUncertainty:
    """Whatever may have been accepted is uncertain; whatever never arrived is not."""

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(500, "oops"),
            Reply(502, "<html>bad gateway</html>"),
            reply_json(503, {"code": 20503}),
            Reply(drop=True),
            Reply(hang=0.6),
            Reply(201, "<html>welcome to the hotel's wifi</html>"),
            Reply(201, ""),
            Reply(201, '{"sid": "SM1", "sta'),
            Reply(201, '{"sid": "SM1"}', claimed_length=500),
            Reply(201, "[" * 100_000),
            Reply(200, "[]"),
            reply_json(201, {}),
            reply_json(201, {"status": "queued"}),
            reply_json(201, message(sid="")),
            reply_json(201, message(sid=1)),
            reply_json(201, message(date_created="Mon, 32 Nov 2026 12:00:00 +0000")),
            reply_json(201, message(date_created=5)),
        ],
        ids=lambda reply: f"{reply.status} {reply.body[:30]} drop={reply.drop} hang={reply.hang}",
    )
    def test_perhaps_accepted(self, reply: Reply) -> None:
        error = failure(reply)
        assert error.kind is ErrorClass.AMBIGUOUS
        assert error.uncertain
        assert not error.retryable

    def test_a_refused_connection(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        self.never_arrived(address)

    def test_an_unknown_host(self) -> None:
        self.never_arrived("https://no-such-host.invalid")

    def test_a_server_without_tls(self) -> None:
        with pretend_api(ACCEPTED) as api:
            client = TwilioClient(CREDENTIALS, base_url=api.url.replace("http", "https"))
            with pytest.raises(TwilioError):
                client.send(TEXT)
        assert api.asked == []

    def test_a_connection_that_is_not_answered(self) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            address = full.getsockname()
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            try:
                self.never_arrived(f"http://127.0.0.1:{address[1]}")
            finally:
                for one in waiting:
                    one.close()

    def never_arrived(self, address: str) -> None:
        client = TwilioClient(CREDENTIALS, base_url=address, timeout=timedelta(seconds=0.3))
        with pytest.raises(TwilioError) as failed:
            client.send(TEXT)
        assert failed.value.kind is ErrorClass.UNREACHABLE
        assert failed.value.retryable
        assert not failed.value.uncertain


class TestLookingUp:
    def test_one_text(self) -> None:
        with pretend_api(reply_json(200, message(status="failed", error_code=30003))) as api:
            found = client_of(api).message("SM1")
        assert found == Found(sid="SM1", status="failed", body="hello", error_code=30003, created_at=NOON)
        assert api.asked[0].path == MESSAGES.replace(".json", "/SM1.json")

    def test_a_sid_stays_one_segment_of_the_path(self) -> None:
        with pretend_api(reply_json(404, {"code": 20404})) as api, pytest.raises(TwilioError) as failed:
            client_of(api).message("../SM1?x=1")
        assert api.asked[0].path == MESSAGES.replace(".json", "/..%2FSM1%3Fx%3D1.json")
        assert failed.value.http_status == 404

    def listing(self, *messages: dict[str, Any], from_number: str = OURS) -> tuple[list[Found], PretendApi]:
        page = {"messages": list(messages), "next_page_uri": None, "page": 0, "page_size": 50}
        with pretend_api(reply_json(200, page)) as api:
            since = NOON + timedelta(milliseconds=400)
            return client_of(api).sent_since(to=ALICE, from_number=from_number, since=since), api

    def test_recent_texts_newest_first(self) -> None:
        found, api = self.listing(
            message(sid="SM-noon"),
            message(sid="SM-before", date_created="Mon, 23 Nov 2026 11:59:59 +0000"),
            message(sid="SM-inbound", direction="inbound"),
            message(sid="SM-later", date_created="Mon, 23 Nov 2026 12:00:01 +0000"),
        )
        assert [text.sid for text in found] == ["SM-later", "SM-noon"]
        [asked] = api.asked
        assert (asked.method, asked.path) == ("GET", MESSAGES)
        assert dict(asked.query) == {"To": ALICE, "From": OURS, "PageSize": "50"}

    def test_any_sender(self) -> None:
        _, api = self.listing(from_number="")
        assert dict(api.asked[0].query) == {"To": ALICE, "PageSize": "50"}

    def test_at_most_the_limit(self) -> None:
        page = {"messages": [message(sid=f"SM{number}") for number in range(5)], "next_page_uri": "/more"}
        with pretend_api(reply_json(200, page)) as api:
            found = client_of(api).sent_since(to=ALICE, from_number=OURS, since=NOON, limit=3)
        assert (len(found), len(api.asked)) == (3, 1)

    @pytest.mark.parametrize(
        "reply",
        [Reply(500), Reply(drop=True), Reply(hang=0.6), Reply(200, "<html>"), reply_json(200, {"a": [], "b": []})],
        ids=["500", "dropped", "late", "not JSON", "not a list"],
    )
    def test_a_question_may_always_be_asked_again(self, reply: Reply) -> None:
        with pretend_api(reply) as api, pytest.raises(TwilioError) as failed:
            client_of(api).sent_since(to=ALICE, from_number=OURS, since=NOON)
        assert failed.value.kind is ErrorClass.UNREACHABLE
        assert not failed.value.uncertain


class TestReceived:
    """Twilio's list of what people sent us."""

    def listing(self, *messages: dict[str, Any], to: str = OURS) -> tuple[list[Received], PretendApi]:
        page = {"messages": list(messages), "next_page_uri": None, "page": 0, "page_size": 50}
        with pretend_api(reply_json(200, page)) as api:
            found = client_of(api).received_between(
                to=to, messaging_service_sid="MG1", since=NOON - timedelta(hours=1), until=NOON, limit=100
            )
        return found, api

    def inbound(self, **changes: Any) -> dict[str, Any]:
        theirs = {"direction": "inbound", "from": ALICE, "to": OURS, "account_sid": ACCOUNT, "num_media": "0"}
        dated = {"date_sent": "Mon, 23 Nov 2026 11:30:00 +0000", "messaging_service_sid": None}
        return message(**theirs, **dated) | changes

    def test_comes_oldest_first_with_all_that_a_webhook_tells(self) -> None:
        found, api = self.listing(
            self.inbound(sid="SM2", date_sent="Mon, 23 Nov 2026 11:40:00 +0000"),
            self.inbound(sid="SM1", body="hi", num_media="2", num_segments="3"),
            message(sid="SM-ours"),
        )
        assert [text.sid for text in found] == ["SM1", "SM2"]
        first = found[0]
        assert (first.sender, first.recipient, first.body, first.account_sid) == (ALICE, OURS, "hi", ACCOUNT)
        assert (first.num_media, first.num_segments, first.messaging_service_sid) == (2, 3, "")
        assert first.sent_at == NOON - timedelta(minutes=30)
        asked = dict(api.asked[0].query)
        assert (asked["To"], asked["PageSize"]) == (OURS, "100")
        assert (asked["DateSent>"], asked["DateSent<"]) == ("2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z")

    def test_without_a_number_of_ours_comes_through_our_service(self) -> None:
        found, api = self.listing(
            self.inbound(sid="SM1", messaging_service_sid="MG1"),
            self.inbound(sid="SM2", messaging_service_sid="MG2"),
            self.inbound(sid="SM3"),
            to="",
        )
        assert [text.sid for text in found] == ["SM1"]
        assert "To" not in dict(api.asked[0].query)

    def test_files_have_the_addresses_a_webhook_gives(self) -> None:
        uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1"
        page = {"media_list": [{"sid": "ME1", "uri": f"{uri}.json", "content_type": "image/png"}], "page": 0}
        with pretend_api(reply_json(200, page)) as api:
            (file,) = client_of(api).media_of("MM1")
        assert (file.url, file.content_type) == (f"{api.url}{uri}", "image/png")


class TestAsking:
    def test_a_question_shows_whether_the_login_holds(self) -> None:
        with pretend_api(reply_json(200, {"messages": []}), reply_json(401, {"code": 20003})) as api:
            client = client_of(api)
            client.ask()
            with pytest.raises(TwilioError) as failed:
                client.ask()
        assert failed.value.code == 20003

    def test_the_servers_clock_is_read_off_its_answers(self) -> None:
        with pretend_api(reply_json(200, {"messages": []})) as api:
            client = client_of(api)
            assert client_of(api).clock_ahead is None
            client.ask()
        assert client.clock_ahead is not None
        assert abs(client.clock_ahead) < timedelta(minutes=1)

    def test_an_hour_ahead_is_an_hour_ahead(self) -> None:
        ahead = _clock_ahead(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
        assert ahead is not None
        assert abs(ahead - timedelta(hours=1)) < timedelta(minutes=1)

    @pytest.mark.parametrize("date", ["", "yesterday", "Mon, 23 Nov 2026 12:00:00", "Mon, 99 Nov 2026 12:00:00 GMT"])
    def test_a_date_that_is_none_says_nothing(self, date: str) -> None:
        assert _clock_ahead(date) is None


class TestBaseUrl:
    @pytest.mark.parametrize(
        "base_url",
        [
            "http://api.twilio.com",
            "http://10.0.0.1:8000",
            "http://localhost.example.com",
            "http://127.0.0.1@evil.example",
            "https://alice:secret@api.twilio.com",
            "https://api.twilio.com?x=1",
            "https://api.twilio.com#x",
            "https://api.twilio.com:port",
            "https://[::1",
            "ftp://127.0.0.1",
            "api.twilio.com",
            "https://",
            "",
        ],
    )
    def test_credentials_go_nowhere_in_plain_sight(self, base_url: str) -> None:
        with pytest.raises(InsecureApiBase, match="TWILIO_API_BASE_URL") as refused:
            TwilioClient(CREDENTIALS, base_url=base_url)
        assert "secret" not in str(refused.value)
        assert refused.value.__suppress_context__ or refused.value.__context__ is None

    @pytest.mark.parametrize(
        "base_url", ["https://api.twilio.com", "http://127.0.0.1:1", "http://localhost:1/x", "http://[::1]:1"]
    )
    def test_https_and_this_machine_are_fine(self, base_url: str) -> None:
        TwilioClient(CREDENTIALS, base_url=base_url).close()


class TestSecrecy:
    def test_nothing_is_logged_at_any_level(self, caplog: pytest.LogCaptureFixture) -> None:
        page = reply_json(200, {"messages": [message()]})
        with caplog.at_level(logging.DEBUG), pretend_api(ACCEPTED, page, Reply(drop=True)) as api:
            client = client_of(api)
            client.send(TEXT)
            assert client.sent_since(to=ALICE, from_number=OURS, since=NOON)
            with pytest.raises(TwilioError):
                client.sent_since(to=ALICE, from_number=OURS, since=NOON)
        for private in (ALICE[1:], OURS[1:], TOKEN, "hello", ACCOUNT):
            assert private not in caplog.text

    @pytest.mark.parametrize(
        "reply",
        [reply_json(400, {"code": 21211, "message": f"{ALICE} is wrong"}), Reply(drop=True), Reply(201, ALICE)],
        ids=["refused", "dropped", "unreadable"],
    )
    def test_nothing_in_the_traceback(self, reply: Reply) -> None:
        error: BaseException | None = failure(reply)
        shown = "".join(traceback.format_exception(error))
        while error is not None:
            shown += repr(error)
            error = error.__cause__ or error.__context__
        for private in (ALICE[1:], OURS[1:], TOKEN, "hello"):
            assert private not in shown.replace(f'ALICE, OURS = "{ALICE}"', "")

    def test_nothing_in_a_repr(self) -> None:
        shown = repr((Credentials(ACCOUNT, TOKEN, "SK1", "key-secret"), TEXT, Found("SM1", "", "hello", None, None)))
        for private in (TOKEN, "key-secret", ALICE, OURS, "hello"):
            assert private not in shown


def test_importing_the_package_needs_neither_django_nor_the_library() -> None:
    modules = ("client", "callbacks", "errors", "payloads", "signature")
    imports = "; ".join(f"import openclaw_sms.twilio.{module}" for module in modules)
    check = "import sys; print(sorted({'django', 'requests', 'twilio.rest'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; {check}"], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == "[]"
