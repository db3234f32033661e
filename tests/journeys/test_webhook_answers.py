"""What the webhook answers, to Twilio and to whoever else finds it: the contract's table, on real HTTP."""

import random

import pytest

from tests.support.gateway import PUBLIC_HOST, PUBLIC_URL, WEBHOOK_PATH, Delivery, FakePhone, Gateway, unique
from tests.support.loopback import Answer, send
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio, sign, webhook_headers

pytestmark = pytest.mark.processes

BODY_LIMIT = 32_768


class TestATextFromTwilio:
    @pytest.mark.parametrize(
        "delivery",
        [
            pytest.param(Delivery(), id="plain"),
            pytest.param(Delivery(query="lang=de&name=O%27Neil&blank="), id="signed-query"),
            pytest.param(Delivery(chunked=True), id="chunked"),
            pytest.param(Delivery(host="unrelated.example.org:8443"), id="unrelated-host"),
        ],
    )
    def test_is_taken_with_an_empty_answer_and_answered(self, alice: FakePhone, delivery: Delivery) -> None:
        answer = alice.texts(text := unique("hello"), delivery)

        assert is_empty_twiml(answer)
        assert alice.hears().body == f"You said: {text}"

    def test_may_repeat_a_field(self, alice: FakePhone) -> None:
        also = [("AddOn", "two"), ("AddOn", "one"), ("AddOn", "two"), ("Blank", ""), ("Blank", "")]

        answer = alice.texts(text := unique("hello"), also=also)

        assert is_empty_twiml(answer)
        assert alice.hears().body == f"You said: {text}"

    def test_may_be_in_latin_1(self, gateway: Gateway, agent: PretendAgent, alice: FakePhone) -> None:
        form = alice.form("CAF " + (mark := unique("at noon")), FromCity="MNCHEN")
        form = form.replace(b"CAF", b"caf%E9").replace(b"MNCHEN", b"M%FCnchen")

        answer = gateway.receives(form)

        assert is_empty_twiml(answer)
        assert mark in alice.hears().body
        assert agent.turns_of(alice.number)[-1].text.startswith("caf")

    def test_may_carry_its_sid_under_the_older_names(self, alice: FakePhone, gateway: Gateway) -> None:
        form = alice.form(text := unique("hello")).replace(b"&MessageSid=", b"&Unused=")

        assert is_empty_twiml(gateway.receives(form))
        assert alice.hears().body == f"You said: {text}"

    def test_needs_a_sid(self, gateway: Gateway, alice: FakePhone) -> None:
        form = alice.form("hello").replace(b"MessageSid=", b"Unused=").replace(b"SmsSid=", b"Unused=")
        form = form.replace(b"SmsUnused=", b"Unused=")

        assert gateway.receives(form).status == 400

    def test_may_be_as_large_as_the_limit(self, alice: FakePhone, gateway: Gateway) -> None:
        form = alice.form(text := unique("hello"), AddOns="")
        padded = form.replace(b"AddOns=", b"AddOns=" + b"x" * (BODY_LIMIT - len(form)))
        assert len(padded) == BODY_LIMIT

        assert is_empty_twiml(gateway.receives(padded))
        assert alice.hears().body == f"You said: {text}"

    def test_about_a_delivery_is_taken_in_any_order_and_not_answered(
        self, twilio: PretendTwilio, agent: PretendAgent, alice: FakePhone
    ) -> None:
        alice.texts(unique("hello"))
        reply = alice.hears()
        turns = len(agent.turns)

        answers = twilio.calls_back(reply, "sending", "sent", "delivered", shuffle=random.Random(3))
        answers += twilio.calls_back(reply, "delivered", "delivered")

        assert {answer.status for answer in answers} <= {200, 204}
        assert alice.unheard(within=0.5) == []
        assert len(agent.turns) == turns


class TestATextForSomebodyElse:
    @pytest.mark.parametrize(
        "elsewhere", [{"AccountSid": f"AC{'f' * 32}"}, {"To": "+15550008888"}], ids=["account", "number"]
    )
    def test_is_taken_and_never_answered(
        self, gateway: Gateway, agent: PretendAgent, alice: FakePhone, elsewhere: dict[str, str]
    ) -> None:
        stray = unique("wrong house")

        answer = gateway.receives(alice.form(stray, sid=None, also=(), **elsewhere))
        alice.texts(text := unique("right house"))

        assert is_empty_twiml(answer)
        assert alice.hears().body == f"You said: {text}"
        assert not agent.was_asked(stray)

    @pytest.mark.parametrize("sender", ["24680", "ACMEBANK", "whatsapp:+15550007777", "", "+1555"])
    def test_from_who_cannot_be_texted_is_never_answered(
        self, twilio: PretendTwilio, agent: PretendAgent, alice: FakePhone, sender: str
    ) -> None:
        before = len(twilio.posts)

        answer = alice.texts(stray := unique("your code is 123456"), From=sender)
        alice.texts(text := unique("hello"))

        assert is_empty_twiml(answer)
        assert alice.hears().body == f"You said: {text}"
        assert alice.unheard(within=0.5) == []
        assert len(twilio.posts) == before + 1
        assert not agent.was_asked(stray)


class TestAnybodyElse:
    def test_is_refused_in_the_same_words_whatever_is_wrong(
        self, gateway: Gateway, twilio: PretendTwilio, mallory: FakePhone
    ) -> None:
        forged = mallory.texts(unique("let me in"), Delivery(signature="forged"))
        unsigned = mallory.texts(unique("let me in"), Delivery(signature="none"))
        replayed_elsewhere = send(
            gateway.address,
            "POST",
            f"{WEBHOOK_PATH}?admin=1",
            body=mallory.form("hello"),
            headers={"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "AAAA"},
        )

        answers = [forged, unsigned, replayed_elsewhere]
        assert [answer.status for answer in answers] == [403, 403, 403]
        assert len({answer.body for answer in answers}) == 1
        assert mallory.unheard(within=0.5) == []

    def test_cannot_change_a_signed_text(self, gateway: Gateway, alice: FakePhone) -> None:
        signed = alice.form("pay 10")
        headers = webhook_headers(PUBLIC_HOST, sign(gateway.twilio.auth_token, PUBLIC_URL, signed))
        changed = signed.replace(b"pay+10", b"pay+1000")

        assert send(gateway.address, "POST", WEBHOOK_PATH, body=changed, headers=headers).status == 403
        assert alice.unheard(within=0.5) == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
    def test_may_only_post(self, gateway: Gateway, method: str) -> None:
        answer = send(gateway.address, method, WEBHOOK_PATH, headers={"Host": "unrelated.example.org"})

        assert answer.status == 405
        assert answer.headers["allow"] == "POST"

    @pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
    @pytest.mark.parametrize("size", [BODY_LIMIT + 1, 40 * 1024])
    def test_may_not_post_more_than_the_limit(
        self, gateway: Gateway, mallory: FakePhone, chunked: bool, size: int
    ) -> None:
        form = mallory.form("hello", AddOns="")
        padded = form.replace(b"AddOns=", b"AddOns=" + b"x" * (size - len(form)))

        assert gateway.receives(padded, Delivery(chunked=chunked)).status == 413
        assert mallory.unheard() == []

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("path", ["/webhooks", "/webhooks/smsx", "/webhooks/sms/../sms2", "/nowhere"])
    def test_finds_nothing_elsewhere(self, gateway: Gateway, method: str, path: str) -> None:
        assert send(gateway.address, method, path).status == 404

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "path", ["/webhooks/sms", "/webhooks/sms/", "//webhooks/sms", "/webhooks", "/webhooks/", "/healthz/"]
    )
    def test_is_never_redirected(self, gateway: Gateway, mallory: FakePhone, method: str, path: str) -> None:
        body = mallory.form("hello") if method == "POST" else b""
        headers = {"Host": "unrelated.example.org", "X-Forwarded-Proto": "http"}

        answer = send(gateway.address, method, path, body=body, headers=headers)

        assert 400 <= answer.status < 500
        assert "location" not in answer.headers

    def test_is_refused_like_that_for_what_is_not_even_a_form(self, gateway: Gateway) -> None:
        headers = {"Content-Type": "application/json"}

        answer = send(gateway.address, "POST", WEBHOOK_PATH, body=b"\x00\xff{]", headers=headers)

        assert answer.status == 403


def is_empty_twiml(answer: Answer) -> bool:
    """The 200 that tells Twilio to send nothing of its own."""
    body = answer.text.removeprefix('<?xml version="1.0" encoding="UTF-8"?>').strip()
    return (
        answer.status == 200
        and answer.headers["content-type"].startswith(("text/xml", "application/xml"))
        and body in {"<Response></Response>", "<Response/>", "<Response />"}
    )
