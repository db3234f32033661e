import logging
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from openclaw_sms.sandbox import posting
from openclaw_sms.sandbox.carrier import Carrier
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Direction, Store, Text
from openclaw_sms.twilio import payloads, signature
from openclaw_sms.twilio.payloads import StatusCallback
from openclaw_sms.twilio.signature import SigningKeys
from tests.sandbox.webhook import Webhook
from tests.support.loopback import Answer, LoopbackServer, Request
from tests.support.pictures import png

NOW = datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)
SANDBOX = Sandbox("http://127.0.0.1:8000", f"AC{secrets.token_hex(16)}", secrets.token_hex(16))
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def carrier(texts: Store) -> Carrier:
    return Carrier(texts, SANDBOX)


def queued(texts: Store, status_callback: str = "") -> Text:
    return texts.add(
        Direction.TO_PHONE,
        sender=SANDBOX.from_number,
        recipient="+15550001111",
        body="hi",
        status_callback=status_callback,
        now=NOW,
    )


def status_of(texts: Store, text: Text) -> str:
    found = texts.get(text.sid)
    assert found is not None
    return found.status


def test_a_text_is_sent_and_then_delivered(texts: Store, carrier: Carrier) -> None:
    text = queued(texts)
    assert carrier.carry(NOW)
    assert status_of(texts, text) == "queued"
    assert carrier.carry(LATER)
    assert status_of(texts, text) == "sent"
    assert carrier.carry(LATER)
    assert status_of(texts, text) == "delivered"
    assert not carrier.carry(LATER)


class Gateway(LoopbackServer):
    """Whoever serves the file of a text to a phone."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, png(), {"Content-Type": "image/png"}) if request.path == "/1" else Answer(404)


def test_a_file_is_fetched_before_the_text_is_sent(texts: Store, carrier: Carrier) -> None:
    with Gateway() as gateway:
        text = with_media(texts, f"{gateway.origin}/1", f"{gateway.origin}/gone")
        carrier.carry(LATER)
        assert status_of(texts, text) == "sent"
    here, missing = texts.media_of([text.sid])[text.sid]
    assert (here.state, here.content_type, missing.state) == ("here", "image/png", "missing")
    found = texts.file(key=here.key)
    assert found is not None
    assert found[1] == png()


def test_a_file_on_another_machine_is_not_asked_for(texts: Store, carrier: Carrier) -> None:
    text = with_media(texts, "https://example.com/cat.png", "file:///etc/passwd")
    carrier.carry(LATER)
    assert {media.state for media in texts.media_of([text.sid])[text.sid]} == {"missing"}
    with pytest.raises(ValueError, match="this machine only"):
        posting.fetch("https://example.com/cat.png")


def with_media(texts: Store, *urls: str) -> Text:
    return texts.add(
        Direction.TO_PHONE,
        sender=SANDBOX.from_number,
        recipient="+15550001111",
        body="",
        media_urls=urls,
        now=NOW,
    )


def test_each_step_is_reported_in_a_form_the_product_reads(texts: Store, carrier: Carrier, webhook: Webhook) -> None:
    text = queued(texts, f"{webhook.origin}/webhooks/sms?part=7#rc=1&rt=5000&rp=ct,rt,5xx")
    carrier.carry(LATER)
    carrier.carry(LATER)
    reports = [payloads.classify(payloads.parse_form(post.body)) for post in webhook.after(2)]
    assert reports == [
        StatusCallback(sid=text.sid, account_sid=SANDBOX.account_sid, status=status, error_code=None, done_date="")
        for status in ("sent", "delivered")
    ]


def test_reports_are_signed_for_the_whole_url(texts: Store, carrier: Carrier, webhook: Webhook) -> None:
    queued(texts, f"{webhook.origin}/webhooks/sms?part=7#rc=1")
    carrier.carry(LATER)
    (post,) = webhook.after(1)
    assert signature.verify(
        public_url=f"{webhook.origin}/webhooks/sms",
        query=post.query,
        body=post.body,
        signature=post.headers["x-twilio-signature"],
        settings=None,
        keys=SigningKeys((SANDBOX.auth_token,)),
    )


def test_another_machine_hears_nothing(texts: Store, carrier: Carrier) -> None:
    text = queued(texts, "https://gateway.example.com/webhooks/sms?part=7")
    carrier.carry(LATER)
    carrier.carry(LATER)
    assert status_of(texts, text) == "delivered"


def test_two_carriers_on_one_store_report_each_step_once(texts: Store, webhook: Webhook) -> None:
    queued(texts, webhook.origin)
    first, second = Carrier(texts, SANDBOX), Carrier(Store(texts.path), SANDBOX)
    first.carry(LATER)
    first.carry(LATER)
    second.carry(LATER)
    assert len(webhook.posts) == 2


def test_of_two_that_saw_the_same_text_one_moves_it(texts: Store, webhook: Webhook) -> None:
    seen = queued(texts, webhook.origin)
    carrier = Carrier(texts, SANDBOX)
    carrier._move(seen, "sent", LATER)
    carrier._move(seen, "sent", LATER)
    assert len(webhook.posts) == 1


def test_a_refused_report_is_logged_without_number_or_body(
    texts: Store, carrier: Carrier, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.status = 403
    text = queued(texts, webhook.origin)
    with caplog.at_level(logging.WARNING):
        carrier.carry(LATER)
    assert f"sandbox.callback_refused sid={text.sid} status=sent answer=403" in caplog.text
    assert text.recipient not in caplog.text


def test_woken_it_finishes_within_about_a_second(texts: Store, carrier: Carrier, webhook: Webhook) -> None:
    text = texts.add(
        Direction.TO_PHONE,
        sender=SANDBOX.from_number,
        recipient="+15550001111",
        body="hi",
        status_callback=webhook.origin,
        now=datetime.now(UTC),
    )
    carrier.wake()
    sent, delivered = webhook.after(2)
    assert delivered.at - sent.at < 2
    assert status_of(texts, text) == "delivered"


def test_what_an_earlier_gateway_left_behind_goes_on(texts: Store, webhook: Webhook) -> None:
    text = queued(texts, webhook.origin)
    texts.move(text, "sent", sent=NOW)
    Carrier(texts, SANDBOX).wake()
    (post,) = webhook.after(1)
    assert b"MessageStatus=delivered" in post.body
