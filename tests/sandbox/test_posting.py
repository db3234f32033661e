import pytest

from openclaw_sms.sandbox.posting import is_on_this_machine, post_signed
from openclaw_sms.twilio import signature
from openclaw_sms.twilio.signature import SigningKeys
from tests.sandbox.webhook import Webhook, form_of

TOKEN = "0123456789abcdef0123456789abcdef"


def test_the_product_s_own_check_accepts_the_signature(webhook: Webhook) -> None:
    form = {"Body": "naïve ✓ & = +", "From": "+15550001111", "Empty": ""}
    assert post_signed(f"{webhook.origin}/webhooks/sms", form, auth_token=TOKEN) == 200
    (post,) = webhook.posts
    assert form_of(post) == form
    assert signature.verify(
        public_url=f"{webhook.origin}/webhooks/sms",
        query=post.query,
        body=post.body,
        signature=post.headers["x-twilio-signature"],
        settings=None,
        keys=SigningKeys((TOKEN,)),
    )


def test_a_fragment_is_neither_requested_nor_signed(webhook: Webhook) -> None:
    url = f"{webhook.origin}/webhooks/sms?part=7"
    post_signed(f"{url}#rc=1&rp=all", {"MessageSid": "SM1"}, auth_token=TOKEN)
    (post,) = webhook.posts
    assert (post.path, post.query) == ("/webhooks/sms", "part=7")
    assert signature.verify(
        public_url=url,
        query=post.query,
        body=post.body,
        signature=post.headers["x-twilio-signature"],
        settings=None,
        keys=SigningKeys((TOKEN,)),
    )


@pytest.mark.parametrize("status", [200, 403, 503])
def test_the_answer_s_status_is_given(webhook: Webhook, status: int) -> None:
    webhook.status = status
    assert post_signed(webhook.origin, {}, auth_token=TOKEN) == status


def test_a_redirect_is_not_followed(webhook: Webhook) -> None:
    webhook.status = 302
    assert post_signed(webhook.origin, {}, auth_token=TOKEN) == 302
    assert len(webhook.posts) == 1


def test_a_dropped_connection_is_no_answer(webhook: Webhook) -> None:
    webhook.status = None
    assert post_signed(webhook.origin, {}, auth_token=TOKEN) is None


def test_a_proxy_in_the_environment_is_passed_by(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert post_signed(webhook.origin, {}, auth_token=TOKEN) == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]:8000/", "https://127.9.9.9"]
)
def test_this_machine_may_be_posted_to(url: str) -> None:
    assert is_on_this_machine(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://gateway.example.com/webhooks/sms",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "http://127.0.0.1:port/",
    ],
)
def test_no_other_machine_is_posted_to(url: str) -> None:
    assert not is_on_this_machine(url)
    with pytest.raises(ValueError, match="this machine only"):
        post_signed(url, {}, auth_token=TOKEN)
