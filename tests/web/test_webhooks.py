"""Twilio's door: the contract's table of answers, and what a stranger learns from it."""

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client, RequestFactory

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import DeliveryEvent, InboundMessage, SmsAccount
from openclaw_sms.twilio.payloads import MAX_BODY_BYTES
from openclaw_sms.web.bodies import BodyTooLarge, read_body
from tests.support import cast
from tests.support.phone import Phone, post

pytestmark = pytest.mark.django_db
Dial = Callable[[str], Phone]


def test_a_signed_text_is_stored_and_answered_with_empty_twiml(phone: Dial) -> None:
    answer = phone(cast.BOB).posts("hello", MessageSid="SM1")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    assert answer.content.decode().endswith("<Response></Response>")
    stored = InboundMessage.objects.get()
    assert (stored.sid, stored.sender, stored.body) == ("SM1", cast.BOB, "hello")
    assert b"Body=hello" in bytes(stored.form)


def test_the_same_sid_is_one_text_for_ever(phone: Dial) -> None:
    for _ in range(3):
        assert phone(cast.BOB).posts("hello", MessageSid="SM1").status_code == 200
    assert InboundMessage.objects.count() == 1


@pytest.mark.parametrize("name", ["MessageSid", "SmsSid", "SmsMessageSid"])
def test_any_of_the_three_sids_will_do(name: str, phone: Dial) -> None:
    fields = {"MessageSid": "", name: "SM9"}
    assert phone(cast.BOB).posts("hello", **fields).status_code == 200
    assert InboundMessage.objects.get().sid == "SM9"


def test_without_a_sid_it_is_a_bad_request(phone: Dial) -> None:
    answer = phone(cast.BOB).posts("hello", MessageSid="")
    assert (answer.status_code, answer.content) == (400, b"Missing MessageSid")
    assert not InboundMessage.objects.exists()


def test_refusals_are_the_same_whatever_failed(account: Account, phone: Dial) -> None:
    forged = phone(cast.MALLORY).posts("hello", token="not the token")
    unsigned = Client().post(cast.WEBHOOK_PATH, "MessageSid=SM1", content_type="application/x-www-form-urlencoded")
    garbled = post({"MessageSid": "SM1"}, "????")
    answers = {(a.status_code, a.content, a["Content-Type"]) for a in (forged, unsigned, garbled)}
    assert answers == {(403, b"Invalid signature", "text/plain; charset=utf-8")}
    assert not InboundMessage.objects.exists()


def test_a_refused_post_touches_no_table(
    phone: Dial, django_assert_num_queries: Callable[[int], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "FRESH_FOR", timedelta(hours=1))  # however slow this machine is
    mallory = phone(cast.MALLORY)
    mallory.posts("warms the cache", token="wrong")
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        mallory.posts("hello", token="wrong")


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options", "patch"])
def test_other_methods_are_told_which_one_is_allowed(method: str, account: Account) -> None:
    answer = getattr(Client(), method)(cast.WEBHOOK_PATH)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"


def test_a_body_over_the_cap_is_refused_before_anything_else(phone: Dial) -> None:
    assert phone(cast.MALLORY).posts("x" * 40_000, token="wrong").status_code == 413
    assert phone(cast.BOB).posts("x" * (MAX_BODY_BYTES - 600)).status_code == 200


def test_the_cap_holds_for_a_body_of_undeclared_length() -> None:
    stream = io.BytesIO(b"x" * 10 * MAX_BODY_BYTES)
    request = RequestFactory().post("/", **{"wsgi.input": stream, "wsgi.input_terminated": True})  # type: ignore[arg-type]
    del request.META["CONTENT_LENGTH"]
    with pytest.raises(BodyTooLarge):
        read_body(request, limit=MAX_BODY_BYTES)
    assert stream.tell() == MAX_BODY_BYTES + 1


@pytest.mark.parametrize("path", ["/webhooks/sms", "/webhooks/sms/"])
def test_neither_slash_nor_host_nor_scheme_ever_redirects(path: str, account: Account, settings: object) -> None:
    settings.SECURE_SSL_REDIRECT = True  # type: ignore[attr-defined]
    answer = Client().post(path, "MessageSid=SM1", content_type="text/plain", headers={"host": "unknown.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["testserver", "unknown.example"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_paths_are_not_found_under_any_host(method: str, host: str, account: Account) -> None:
    answer = Client().generic(method.upper(), "/webhooks/other", headers={"host": host})
    assert answer.status_code == 404
    assert answer.content == b"Not found"


def test_a_path_may_be_written_in_any_encoding(account: Account) -> None:
    SmsAccount.objects.filter(pk=account.pk).update(webhook_path="/hooks/caf%C3%A9 & co;v=1")
    accounts.forget()
    for path in ("/hooks/caf%C3%A9%20%26%20co%3Bv=1", "/hooks/caf%c3%a9%20&%20co;v=1/"):
        assert Client().post(path, "x", content_type="text/plain").status_code == 403
    assert Client().post("/hooks/cafe%20&%20co;v=1", "x", content_type="text/plain").status_code == 404


def test_a_text_that_cannot_be_stored_is_never_acknowledged(phone: Dial) -> None:
    with mock.patch.object(InboundMessage, "save", side_effect=OperationalError("disk full, for +15550002222")):
        answer = phone(cast.BOB).posts("hello")
    assert (answer.status_code, answer.content) == (503, b"Not stored")


def test_a_repeated_field_and_a_signed_query_are_accepted(account: Account) -> None:
    from twilio.request_validator import RequestValidator

    class Fields(dict[str, list[str]]):
        def getlist(self, name: str) -> list[str]:
            return self[name]

    fields = Fields(MessageSid=["SM1"], AccountSid=[cast.ACCOUNT_SID], From=[cast.BOB], To=[cast.OUR_NUMBER])
    fields["Body"] = ["two", "one", "two"]
    signature = RequestValidator(cast.AUTH_TOKEN).compute_signature(cast.PUBLIC_URL + "?a=1&b=%20x", fields)
    answer = Client().post(
        cast.WEBHOOK_PATH + "?a=1&b=%20x",
        "&".join(f"{name}={value.replace('+', '%2B')}" for name, values in fields.items() for value in values),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 200
    assert InboundMessage.objects.get().body == "two"


def test_a_status_callback_is_not_taken_for_a_text(phone: Dial) -> None:
    answer = phone(cast.BOB).posts("", MessageSid="SM7", MessageStatus="delivered")
    assert answer.status_code == 200
    assert not InboundMessage.objects.exists()
    assert DeliveryEvent.objects.get().status == "delivered"


def test_nul_and_latin_1_bytes_are_stored(account: Account) -> None:
    import base64
    import hashlib
    import hmac

    body = b"AccountSid=" + cast.ACCOUNT_SID.encode() + b"&Body=caf%E9%00&From=%2B15550002222&MessageSid=SM1"
    signed = b"AccountSid" + cast.ACCOUNT_SID.encode() + b"Bodycaf\xe9\x00From+15550002222MessageSidSM1"
    mac = hmac.new(cast.AUTH_TOKEN.encode(), cast.PUBLIC_URL.encode() + signed, hashlib.sha1)
    answer = Client().post(
        cast.WEBHOOK_PATH,
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": base64.b64encode(mac.digest()).decode()},
    )
    assert answer.status_code == 200
    stored = InboundMessage.objects.get()
    assert stored.body == "café\N{REPLACEMENT CHARACTER}"
    assert bytes(stored.form) == body


def test_nothing_is_logged_that_should_not_be(phone: Dial, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    phone(cast.BOB).texts("my secret words")
    phone(cast.MALLORY).posts("my secret words", token="wrong")
    assert "text.accepted" in caplog.text
    assert "text.refused" in caplog.text
    for secret in ("my secret words", cast.BOB, cast.MALLORY, cast.OUR_NUMBER, cast.AUTH_TOKEN):
        assert secret not in caplog.text
    assert "+1555***2222" in caplog.text


def test_while_the_database_is_away_forged_posts_are_still_told_from_real_ones(phone: Dial) -> None:
    phone(cast.BOB).posts("hello")
    accounts._cache._stale_at = 0.0
    with mock.patch.object(accounts, "load", side_effect=OperationalError):
        assert phone(cast.MALLORY).posts("hello", token="wrong").status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("postgres" in str(settings.DATABASES["default"]["ENGINE"]), reason="SQLite's own conditions")
class TestADatabaseThatCannotWrite:
    """Real conditions, not a patched function: each draws a 503, and nothing is pretended."""

    @pytest.fixture
    def bob(self, phone: Dial) -> Iterator[Phone]:
        yield phone(cast.BOB)
        connection.close()  # what a test set on the connection ends with it

    def refuses(self, bob: Phone) -> None:
        answer = bob.posts("hello", MessageSid="SM1")
        assert (answer.status_code, answer.content) == (503, b"Not stored")
        assert not InboundMessage.objects.exists()

    def test_because_it_is_full(self, bob: Phone) -> None:
        pragma("PRAGMA max_page_count = 1")  # no fewer than it has
        body = {"MessageSid": "SM1", "Filler": "x" * 30_000}
        assert bob.posts("hello", **body).status_code == 503
        assert not InboundMessage.objects.exists()
        pragma("PRAGMA max_page_count = 1000000")
        assert bob.posts("hello", **body).status_code == 200

    def test_because_it_is_read_only(self, bob: Phone) -> None:
        pragma("PRAGMA query_only = 1")
        self.refuses(bob)
        pragma("PRAGMA query_only = 0")
        assert bob.posts("hello", MessageSid="SM1").status_code == 200

    def test_because_somebody_holds_it_locked(self, bob: Phone) -> None:
        pragma("PRAGMA busy_timeout = 50")
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.refuses(bob)
        assert bob.posts("hello", MessageSid="SM1").status_code == 200


def pragma(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
