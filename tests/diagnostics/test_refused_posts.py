"""Posts that failed the signature: what would have let them verify, and what remembering them may cost."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from twilio.request_validator import RequestValidator

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.diagnostics import doctor, refused_posts
from openclaw_sms.models import InboundMessage, RefusedPosts
from tests.support import cast
from tests.support.phone import Phone

pytestmark = pytest.mark.django_db
PROXY = "TwilioProxy/1.1"


def posts(
    signed_url: str, *, token: str = cast.AUTH_TOKEN, agent: str = PROXY, path: str = "", host: str = ""
) -> int:
    """A text, signed over `signed_url` and posted where that leads to; the status of the answer."""
    form = {
        "MessageSid": "SM1",
        "AccountSid": cast.ACCOUNT_SID,
        "From": cast.BOB,
        "To": cast.OUR_NUMBER,
        "Body": "hi",
    }
    parts = urlsplit(signed_url)
    query = f"?{parts.query}" if parts.query else ""
    answer = Client().post(
        parts.path + query,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={
            "X-Twilio-Signature": RequestValidator(token).compute_signature(signed_url, form),
            "User-Agent": agent,
            "Host": host or parts.netloc,
        },
    )
    return int(answer.status_code)


def findings() -> list[str]:
    refused_posts.flush()
    return [found.cause for found in doctor.refused_posts(accounts.load(), timezone.now())]


@pytest.mark.parametrize(
    ("entered_at_twilio", "variant"),
    [
        ("https://gateway.example.com/webhooks/sms/", "slash"),
        ("http://gateway.example.com/webhooks/sms", "scheme"),
        ("http://gateway.example.com/webhooks/sms/", "slash"),
        ("https://gateway.example.com:8443/webhooks/sms", "port"),
        ("https://other.example.com/webhooks/sms", "host"),
        ("http://other.example.com/webhooks/sms/", "host"),
    ],
)
def test_the_url_that_twilio_has_is_found(entered_at_twilio: str, variant: str, account: Account) -> None:
    for _ in range(12):
        assert posts(entered_at_twilio) == 403
    (said,) = findings()
    assert said == (
        "12 posts from Twilio's proxy failed the signature in the last hour; they verify if the public URL were "
        f"{entered_at_twilio}"
    )
    assert RefusedPosts.objects.get().variant == variant
    assert not InboundMessage.objects.exists()


def test_a_query_that_is_signed_differently(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a query of its own the public URL takes on the one that comes."""
    monkeypatch.setenv("SMS_PUBLIC_WEBHOOK_URL", cast.PUBLIC_URL + "?tenant=a")
    accounts.forget()
    assert posts(cast.PUBLIC_URL + "?tenant=b") == 403
    assert findings()[0].endswith(f"they verify if the public URL were {cast.PUBLIC_URL}")
    assert RefusedPosts.objects.get().variant == "query"


def test_a_host_that_the_proxy_changed_is_found_by_the_host_that_was_asked_for(account: Account) -> None:
    assert posts("https://tunnel.example.net/webhooks/sms") == 403
    assert "https://tunnel.example.net/webhooks/sms" in findings()[0]


def test_posts_that_would_never_verify_are_counted_if_they_call_themselves_twilio(account: Account) -> None:
    posts(cast.PUBLIC_URL, token="another token")
    (said,) = findings()
    assert said.startswith("1 post in the name of Twilio's proxy failed the signature in the last hour")


def test_nonsense_is_not_even_remembered(account: Account, phone: Callable[[str], Phone]) -> None:
    Client().post(cast.WEBHOOK_PATH, b"x" * 1000, content_type="text/plain", headers={"X-Twilio-Signature": "?"})
    assert findings() == []
    assert not RefusedPosts.objects.exists()


def test_a_flood_costs_no_query_and_little_arithmetic(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.current()
    tried: list[object] = []
    monkeypatch.setattr(refused_posts, "would_verify", lambda post: tried.append(post))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(100):
            posts(cast.PUBLIC_URL, token="forged")
    assert [query for query in queries if "refusedposts" in query["sql"] or "counter" in query["sql"]] == []
    refused_posts.flush()
    assert len(tried) <= refused_posts.TRIED_AT_ONCE + 10
    assert sum(RefusedPosts.objects.values_list("count", flat=True)) == 100
    assert RefusedPosts.objects.count() <= 2


def test_what_is_remembered_holds_no_number_and_no_text(account: Account) -> None:
    posts("https://user:secret@other.example.com/webhooks/sms?key=secret", host="other.example.com")
    posts(cast.PUBLIC_URL + "/")
    refused_posts.flush()
    stored = str(list(RefusedPosts.objects.values()))
    assert [word for word in ("secret", cast.BOB, cast.OUR_NUMBER, "hi'", cast.AUTH_TOKEN) if word in stored] == []


def test_two_processes_add_up(account: Account) -> None:
    for _ in range(2):
        posts(cast.PUBLIC_URL + "/")
        refused_posts.flush()
    assert RefusedPosts.objects.get().count == 2


def test_old_rows_go(account: Account) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    RefusedPosts.objects.create(account_id=account.pk, since=long_ago, last_at=long_ago, count=1)
    posts(cast.PUBLIC_URL + "/")
    refused_posts.flush()
    assert RefusedPosts.objects.count() == 1


def test_while_the_database_is_away_the_sums_are_kept(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    posts(cast.PUBLIC_URL + "/")

    def away(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(refused_posts, "_write", away)
        with pytest.raises(OSError):
            refused_posts.flush()
    refused_posts.flush()
    assert RefusedPosts.objects.get().count == 1
