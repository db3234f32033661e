"""The simulator: its page, and a text's way from a phone to the webhook and back."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from openclaw_sms.sandbox.phones import PHONES
from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.store import Direction, Store
from openclaw_sms.twilio import payloads, signature
from openclaw_sms.twilio.client import Credentials
from openclaw_sms.twilio.media import MediaSource
from openclaw_sms.twilio.payloads import InboundText
from openclaw_sms.twilio.signature import SigningKeys
from tests.sandbox.conftest import TurnOn
from tests.sandbox.webhook import Webhook
from tests.support.pictures import JPEG, filled, png

ALICE, BOB = "+15550001111", "+15550002222"


@pytest.fixture
def sandbox(turn_on: TurnOn, webhook: Webhook) -> Sandbox:
    """The sandbox of a gateway that only writes down what it is sent."""
    return turn_on(webhook.origin)


@pytest.fixture
def browser(sandbox: Sandbox) -> Client:
    return Client(headers={"Host": "127.0.0.1:8000"})


class TestThePage:
    def test_every_phone_is_there_to_pick(self, browser: Client) -> None:
        page = browser.get("/sandbox/").content.decode()
        for phone in PHONES:
            assert f'data-number="{phone.number}"' in page
            assert phone.name in page

    def test_it_says_what_to_do_first_and_where_to_approve(self, browser: Client) -> None:
        page = browser.get("/sandbox/").content.decode()
        assert "Text <strong>hello</strong> to start." in page
        assert ".venv/bin/python manage.py pairing approve sms" in page
        assert 'href="/admin/openclaw_sms/pairingrequest/"' in page

    def test_it_allows_nothing_that_is_not_its_own(self, browser: Client) -> None:
        policy = browser.get("/sandbox/")["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy

    def test_it_needs_nothing_the_policy_forbids(self, browser: Client) -> None:
        page = browser.get("/sandbox/").content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", page)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page)

    def test_its_script_and_style_ask_nobody_else(self, browser: Client) -> None:
        page = browser.get("/sandbox/").content.decode()
        files = re.findall(rf'"{settings.STATIC_URL}(openclaw_sms/sandbox/[^"]+)"', page)
        assert sorted(Path(file).suffix for file in files) == [".css", ".js", ".svg"]
        for file in files:
            found = finders.find(file)
            assert found, file
            content = Path(found).read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|@import|url\(", content), file

    def test_no_secret_is_on_it(self, browser: Client, sandbox: Sandbox) -> None:
        page = browser.get("/sandbox/").content.decode()
        assert sandbox.auth_token not in page
        assert sandbox.account_sid not in page
        assert sandbox.password not in page


class TestTexting:
    def test_a_text_is_a_signed_post_to_the_webhook(
        self, browser: Client, sandbox: Sandbox, webhook: Webhook
    ) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "naïve ✓ & =\n+"})
        (post,) = webhook.after(1)
        assert post.path == "/webhooks/sms"
        assert signature.verify(
            public_url=sandbox.public_webhook_url,
            query=post.query,
            body=post.body,
            signature=post.headers["x-twilio-signature"],
            settings=None,
            keys=SigningKeys((sandbox.auth_token,)),
        )

    def test_it_reads_as_an_inbound_text_to_our_number(
        self, browser: Client, sandbox: Sandbox, webhook: Webhook
    ) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "✓" * 71})
        (post,) = webhook.after(1)
        text = payloads.classify(payloads.parse_form(post.body))
        assert isinstance(text, InboundText)
        assert re.fullmatch(r"SM[0-9a-f]{32}", text.sid)
        assert (text.sender, text.recipient, text.body) == (ALICE, sandbox.from_number, "✓" * 71)
        assert (text.account_sid, text.num_media, text.num_segments) == (sandbox.account_sid, 0, 2)

    @pytest.mark.parametrize(("answer", "status"), [(200, "200"), (403, "403"), (503, "503"), (None, "none")])
    def test_the_phone_is_told_what_the_webhook_said(
        self, browser: Client, webhook: Webhook, answer: int | None, status: str
    ) -> None:
        webhook.status = answer
        posted = browser.post("/sandbox/messages", {"phone": ALICE, "body": "hello"})
        assert (posted.status_code, posted.json()["status"]) == (201, status)
        (shown,) = browser.get("/sandbox/messages", {"after": 0}).json()["messages"]
        assert shown == posted.json()

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"phone": ALICE, "body": ""}, "nothing to send"),
            ({"phone": ALICE, "body": " \n "}, "nothing to send"),
            ({"phone": ALICE, "body": "a" * 1601}, "at most 1600"),
            ({"phone": "Alice", "body": "hello"}, "not a phone number"),
            ({"phone": "+15552000000", "body": "hello"}, "assistant's own number"),
            ({"body": "hello"}, "not a phone number"),
        ],
    )
    def test_what_cannot_be_texted_is_refused_in_a_sentence(
        self, browser: Client, webhook: Webhook, form: dict[str, str], words: str
    ) -> None:
        refused = browser.post("/sandbox/messages", form)
        assert refused.status_code == 400
        assert words in refused.json()["error"]
        assert webhook.posts == []

    def test_a_picture_is_text_with_media_that_the_product_can_fetch(
        self, browser: Client, sandbox: Sandbox, webhook: Webhook
    ) -> None:
        files = [SimpleUploadedFile("a.png", png(), "image/png"), SimpleUploadedFile("b.jpg", JPEG, "image/jpeg")]
        posted = browser.post("/sandbox/messages", {"phone": ALICE, "body": "", "media": files}).json()
        (post,) = webhook.after(1)
        text = payloads.classify(payloads.parse_form(post.body))
        assert isinstance(text, InboundText)
        assert (text.sid[:2], text.num_media, text.body) == ("MM", 2, "")
        assert [each.content_type for each in text.media] == ["image/png", "image/jpeg"]
        source = MediaSource(Credentials(sandbox.account_sid, sandbox.auth_token), text.sid, sandbox.api_base_url)
        assert all(source.is_own(each.url) for each in text.media)
        assert browser.get(posted["media"][0]["url"]).content == png()

    @pytest.mark.parametrize(
        ("count", "size", "words"), [(11, 1_000, "at most 10 pictures"), (2, 3_000_000, "too large")]
    )
    def test_too_many_or_too_large_pictures_are_refused(
        self, browser: Client, webhook: Webhook, count: int, size: int, words: str
    ) -> None:
        files = [SimpleUploadedFile("a.png", filled(png(), size), "image/png") for _ in range(count)]
        refused = browser.post("/sandbox/messages", {"phone": ALICE, "body": "", "media": files})
        assert (refused.status_code, words in refused.json()["error"]) == (400, True)
        assert webhook.posts == []

    def test_another_site_cannot_text_for_the_visitor(self, sandbox: Sandbox, webhook: Webhook) -> None:
        careful = Client(enforce_csrf_checks=True, headers={"Host": "127.0.0.1:8000"})
        form = {"phone": ALICE, "body": "hello"}
        assert careful.post("/sandbox/messages", form).status_code == 403
        assert webhook.posts == []
        careful.get("/sandbox/")
        token = careful.cookies["csrftoken"].value
        assert careful.post("/sandbox/messages", form, headers={"X-CSRFToken": token}).status_code == 201


class TestWatching:
    def test_both_directions_show_with_their_segments(self, browser: Client, sandbox: Sandbox, texts: Store) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "hello"})
        texts.add(
            Direction.TO_PHONE, sender=sandbox.from_number, recipient=ALICE, body="✓" * 71, now=datetime.now(UTC)
        )
        hello, reply = browser.get("/sandbox/messages", {"phone": ALICE, "after": "0"}).json()["messages"]
        assert (hello["outgoing"], hello["segments"], hello["encoding"]) == (True, 1, "GSM-7")
        assert (reply["outgoing"], reply["segments"], reply["encoding"]) == (False, 2, "UCS-2")
        assert (reply["status"], reply["phone"]) == ("queued", ALICE)

    def test_only_changes_are_sent_again(self, browser: Client) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "hello"})
        cursor = browser.get("/sandbox/messages", {"after": 0}).json()["cursor"]
        assert browser.get("/sandbox/messages", {"after": cursor}).json() == {"cursor": cursor, "messages": []}

    def test_one_phone_does_not_show_another_s_texts(self, browser: Client) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "hello"})
        assert browser.get("/sandbox/messages", {"phone": BOB, "after": "0"}).json()["messages"] == []

    @pytest.mark.parametrize("after", ["", "-1", "x", "9" * 40])
    def test_a_cursor_that_is_none_starts_from_the_beginning(self, browser: Client, after: str) -> None:
        browser.post("/sandbox/messages", {"phone": ALICE, "body": "hello"})
        assert len(browser.get("/sandbox/messages", {"after": after}).json()["messages"]) == 1


@pytest.mark.parametrize("page", ["/sandbox/", "/sandbox/messages"])
def test_another_machine_finds_nothing_here(browser: Client, page: str) -> None:
    assert browser.get(page).status_code == 200
    assert browser.get(page, REMOTE_ADDR="203.0.113.9").status_code == 404
    assert browser.get(page, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
