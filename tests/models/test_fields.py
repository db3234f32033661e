"""Secrets at rest: never readable in the table, never the ciphertext in place of the secret."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django.fixtures import Settings

from openclaw_sms.models import SmsAccount
from openclaw_sms.models.fields import WrongEncryptionKey, decrypt, encrypt

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT auth_token FROM openclaw_sms_smsaccount")
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
def test_the_table_holds_no_secret() -> None:
    SmsAccount.objects.create(account_id="home", auth_token="the token")
    assert "the token" not in stored()
    assert stored().startswith("fernet:")
    assert SmsAccount.objects.get().auth_token == "the token"


@pytest.mark.django_db
@pytest.mark.parametrize("empty", [None, ""])
def test_nothing_stays_nothing(empty: str | None) -> None:
    SmsAccount.objects.create(account_id="home", auth_token=empty)
    assert SmsAccount.objects.get().auth_token == empty


def test_the_first_key_encrypts_and_all_decrypt(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = [OLD]
    before = encrypt("the token")
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(before) == "the token"
    after = encrypt("the token")
    settings.SMS_ENCRYPTION_KEYS = [NEW]
    assert decrypt(after) == "the token"
    with pytest.raises(WrongEncryptionKey):
        decrypt(before)


def test_without_keys_the_secret_key_serves(settings: Settings) -> None:
    before = encrypt("the token")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert decrypt(before) == "the token"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(WrongEncryptionKey, match="SMS_ENCRYPTION_KEYS"):
        decrypt(before)


@pytest.mark.django_db
def test_plain_text_in_the_table_is_an_error_and_not_a_token() -> None:
    SmsAccount.objects.create(account_id="home")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE openclaw_sms_smsaccount SET auth_token = 'plain'")
    with pytest.raises(WrongEncryptionKey):
        SmsAccount.objects.get()


def test_a_key_that_is_none_names_the_variable(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = ["not a key"]
    with pytest.raises(ImproperlyConfigured, match="SMS_ENCRYPTION_KEYS"):
        encrypt("x")
