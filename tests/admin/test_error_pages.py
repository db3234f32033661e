"""No secret on an error page, with DEBUG on, wherever the code breaks while it holds one."""

import html
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings
from twilio.request_validator import RequestValidator

from openclaw_sms.admin import connection_test
from openclaw_sms.config import accounts, entry
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.environment import EnvProvider
from openclaw_sms.config.secrets.reference import SecretRef, Source
from openclaw_sms.messaging import inbox
from openclaw_sms.models import SmsAccount, StoredSecret
from openclaw_sms.web import error_pages
from tests.support import cast
from tests.support.phone import new_sid, post

pytestmark = pytest.mark.django_db

TOKEN = "row-token-<&>-5f0e1d2c3b4a"
KEY_SECRET = "key-secret 'quoted' 77"
FRESH = "fresh-token-just-typed-31"
RESOLVED = "resolved-token-of-the-env-12"
QUEUE_PASSWORD, AGENT_TOKEN, ENCRYPTION_KEY = "queue-password", "agents-token-4242", "some-encryption-key"
ENV_TOKEN = "env-token-00aa11bb22cc33"


@pytest.fixture(autouse=True)
def debug(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEBUG = True
    monkeypatch.setenv("MY_TOKEN", RESOLVED)


@pytest.fixture
def row(db: None) -> SmsAccount:
    return SmsAccount.objects.create(
        account_id="support",
        account_sid=cast.ACCOUNT_SID,
        auth_token=TOKEN,
        api_key_secret=KEY_SECRET,
        from_number=cast.OUR_NUMBER,
        public_webhook_url=cast.PUBLIC_URL,
    )


def is_clean(page: str, *secrets: str) -> None:
    assert "Traceback" in page, "this is no debug page"
    for secret in (TOKEN, KEY_SECRET, FRESH, RESOLVED, ENV_TOKEN, *secrets):
        for spelling in (secret, html.escape(secret), repr(secret)[1:-1]):
            assert spelling not in page


def breaks(*words: Any, **more: Any) -> Any:
    raise RuntimeError("it broke")


def broken_page(client: Client, address: str, data: dict[str, str] | None = None) -> str:
    client.raise_request_exception = False
    response = client.post(address, data) if data is not None else client.get(address)
    assert response.status_code == 500
    return response.content.decode()


def test_not_while_a_form_is_read(console: Client, row: SmsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "fit", breaks)
    page = reverse("admin:openclaw_sms_smsaccount_change", args=[row.pk])
    is_clean(broken_page(console, page, {"new_auth_token": FRESH, "name": "x"}))


def test_not_while_a_secret_is_written(
    console: Client,
    row: SmsAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("openclaw_sms.models.fields._keyring", breaks)
    is_clean(broken_page(console, reverse("admin:openclaw_sms_storedsecret_add"), {"name": "A", "new_value": FRESH}))


def test_not_while_credentials_are_used(
    console: Client,
    row: SmsAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leaks(subject: Any, base_url: str) -> None:
        headers = {"authorization": subject.credentials.auth_token}
        copied = [subject.credentials.api_key_secret, headers]
        raise RuntimeError(f"could not send {copied}")

    monkeypatch.setattr(connection_test, "inspect", leaks)
    is_clean(broken_page(console, reverse("admin:openclaw_sms_smsaccount_test", args=[row.pk]), {}))


def test_not_while_a_text_is_taken(row: SmsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(account: Any, *words: Any, **more: Any) -> None:
        raise RuntimeError(account.auth_token)

    monkeypatch.setattr(inbox, "accept", broken)
    form = {"MessageSid": new_sid(), "From": cast.BOB, "Body": "hello"}
    with pytest.raises(RuntimeError) as raised:
        post(form, RequestValidator(TOKEN).compute_signature(cast.PUBLIC_URL, form))
    is_clean(report(raised))


def test_not_while_a_reference_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaks(provider: EnvProvider, ref: SecretRef) -> str:
        anything = RESOLVED
        return breaks(anything)  # type: ignore[no-any-return]

    ref = SecretRef(Source.ENV, "default", "MY_TOKEN")
    assert resolver.resolve(ref) == RESOLVED
    resolver._entries[ref].due_at = 0.0
    monkeypatch.setattr(EnvProvider, "look_up", leaks)
    with pytest.raises(RuntimeError) as raised:
        resolver.resolve(ref)
    is_clean(report(raised))


def test_not_from_settings_or_the_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", ENV_TOKEN)
    settings.SMS_QUEUE_URL = f"redis://u:{QUEUE_PASSWORD}@127.0.0.1/0"
    settings.SMS_AGENT_TOKEN = AGENT_TOKEN
    settings.SMS_ENCRYPTION_KEYS = [ENCRYPTION_KEY]
    with pytest.raises(RuntimeError) as raised:
        breaks(accounts.of_environment().auth_token, settings.SMS_AGENT_TOKEN)
    is_clean(report(raised), QUEUE_PASSWORD, AGENT_TOKEN, ENCRYPTION_KEY)


def test_not_from_a_row_whose_key_is_wrong(settings: Settings, row: SmsAccount) -> None:
    StoredSecret.objects.create(name="A", value=FRESH, updated_at=timezone.now())
    settings.SECRET_KEY = "another"
    with pytest.raises(Exception, match="cannot be decrypted") as raised:
        StoredSecret.objects.get()
    is_clean(report(raised))


def report(raised: Any) -> str:
    """Both kinds of Django's report, as the page or a mail would have it."""
    request = RequestFactory().get("/")
    reporter = error_pages.Reporter(request, raised.type, raised.value, raised.tb)
    return str(reporter.get_traceback_html() + reporter.get_traceback_text())
