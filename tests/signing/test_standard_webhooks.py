"""Signatures as the specification's own library verifies them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from openclaw_sms.signing import standard_webhooks
from openclaw_sms.signing.standard_webhooks import InvalidSecret

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()


@given(st.binary(max_size=200).map(lambda raw: b'{"text": "%s"}' % base64.b64encode(raw)))
def test_hold_for_the_librarys_verifier(payload: bytes) -> None:
    headers = standard_webhooks.parse(SECRET).headers(message_id="evt_1", at=datetime.now(UTC), payload=payload)
    assert Webhook(SECRET).verify(payload, dict(headers))


def test_are_the_specifications_own_example() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    payload = b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = standard_webhooks.parse(secret).headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, payload=payload
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("known", [SECRET, OTHER])
def test_of_several_secrets_hold_for_whoever_knows_one(known: str) -> None:
    headers = standard_webhooks.parse(f"{SECRET} {OTHER}").headers(
        message_id="evt_1", at=datetime.now(UTC), payload=b"{}"
    )
    assert len(headers["webhook-signature"].split()) == 2
    assert Webhook(known).verify(b"{}", dict(headers)) == {}


@pytest.mark.parametrize(
    ("changed", "payload", "age"),
    [
        ({"webhook-id": "evt_2"}, b"{}", 0),
        ({}, b"{ }", 0),
        ({}, b"{}", 600),
        ({"webhook-signature": "v1,AAAA"}, b"{}", 0),
    ],
)
def test_fail_for_another_id_other_bytes_and_another_time(changed: dict[str, str], payload: bytes, age: int) -> None:
    at = datetime.now(UTC) - timedelta(seconds=age)
    headers = standard_webhooks.parse(SECRET).headers(message_id="evt_1", at=at, payload=b"{}")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(payload, {**headers, **changed})


@pytest.mark.parametrize(
    "raw", ["", " , ", "secret", "whsec_***", "whsec_c2hvcnQ=", "whsec_" + "A" * 120, f"{SECRET} x"]
)
def test_need_a_secret_of_the_right_form_which_no_error_shows(raw: str) -> None:
    with pytest.raises(InvalidSecret) as caught:
        standard_webhooks.parse(raw)
    assert not raw.strip(" ,") or raw not in str(caught.value)


def test_never_show_the_secret() -> None:
    assert SECRET[6:] not in repr(standard_webhooks.parse(SECRET))


def test_of_an_id_with_a_full_stop_are_not_made() -> None:
    with pytest.raises(ValueError, match="full stop"):
        standard_webhooks.parse(SECRET).headers(message_id="a.b", at=datetime.now(UTC), payload=b"")
