"""Rotating what is stored: everything, once, and nothing half."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config import at_rest
from openclaw_sms.config.at_rest import CannotRotate
from openclaw_sms.models import ChannelSettings, SmsAccount, StoredSecret
from openclaw_sms.models.fields import WrongEncryptionKey, encrypted_columns

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
VALUES = {
    (SmsAccount, "auth_token"): "secret-one",
    (SmsAccount, "secondary_auth_token"): "secret-two",
    (SmsAccount, "api_key_secret"): "secret-three",
    (ChannelSettings, "auth_token"): "secret-four",
    (ChannelSettings, "secondary_auth_token"): "secret-five",
    (ChannelSettings, "api_key_secret"): "secret-six",
    (StoredSecret, "value"): "secret-seven",
}


@pytest.fixture(autouse=True)
def stored(settings: Settings) -> None:
    """A value in every encrypted column there is, under the old key."""
    settings.SMS_ENCRYPTION_KEYS = [OLD]
    SmsAccount.objects.create(pk=1, account_id="support", **of(SmsAccount))
    SmsAccount.objects.create(pk=2, account_id="without", auth_token="")
    ChannelSettings.objects.create(id=1, **of(ChannelSettings))
    StoredSecret.objects.create(pk=1, name="MY_TOKEN", updated_at=timezone.now(), **of(StoredSecret))


def of(model: type) -> dict[str, str]:
    return {column: value for (owner, column), value in VALUES.items() if owner is model}


def everything() -> str:
    """All ciphertexts, as the tables hold them."""
    found = []
    for model, column in VALUES:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {column} FROM {model._meta.db_table} ORDER BY 1")
            found += [str(value) for (value,) in cursor.fetchall()]
    return "\n".join(found)


def readable() -> dict[str, str]:
    """What was stored, and what is read now."""
    return {value: getattr(model._default_manager.get(pk=1), column) for (model, column), value in VALUES.items()}


def test_every_encrypted_column_is_in_this_test() -> None:
    assert {(model, column) for model in at_rest._models() for column in encrypted_columns(model)} == set(VALUES)


def test_everything_is_under_the_first_key_afterwards(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    done = {one.table: (one.rotated, one.kept) for one in at_rest.rotate()}
    assert done == {"account": (3, 0), "channel settings": (3, 0), "stored secret": (1, 0)}
    settings.SMS_ENCRYPTION_KEYS = [NEW]
    assert all(before == after for before, after in readable().items())


def test_a_second_time_changes_nothing(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    at_rest.rotate()
    before = everything()
    assert [(one.rotated, one.kept) for one in at_rest.rotate()] == [(0, 3), (0, 3), (0, 1)]
    assert everything() == before


def test_one_that_was_interrupted_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    rewrite, left = at_rest._rewrite, [3]

    def dies(place: at_rest._Place) -> int:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rewrite(place)

    with monkeypatch.context() as patched:
        patched.setattr(at_rest, "_rewrite", dies)
        with pytest.raises(KeyboardInterrupt):
            at_rest.rotate()
    assert sum(one.rotated for one in at_rest.rotate()) == len(VALUES) - 3
    settings.SMS_ENCRYPTION_KEYS = [NEW]
    assert all(before == after for before, after in readable().items())


def test_what_is_changed_meanwhile_is_not_overwritten(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    (place,) = at_rest._places(StoredSecret)
    StoredSecret.objects.update(value="entered meanwhile")
    assert at_rest._rewrite(place) == 0
    assert StoredSecret.objects.get().value == "entered meanwhile"


def test_a_value_without_its_key_stops_it_before_it_begins(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    StoredSecret.objects.update(value="under the key of today")
    settings.SMS_ENCRYPTION_KEYS = [NEW, *settings.SMS_ENCRYPTION_KEYS]
    before = everything()
    with pytest.raises(CannotRotate) as refused:
        at_rest.rotate()
    assert everything() == before
    sentence = str(refused.value)
    assert "account support, auth_token; account support, secondary_auth_token" in sentence
    assert "channel settings channels.sms, api_key_secret" in sentence
    assert "stored secret" not in sentence
    assert not any(value in sentence for value in VALUES.values())


def test_secret_key_moves_over_to_encryption_keys(settings: Settings) -> None:
    settings.SMS_ENCRYPTION_KEYS = []
    StoredSecret.objects.update(value="under SECRET_KEY")
    settings.SMS_ENCRYPTION_KEYS = [NEW, OLD]
    assert StoredSecret.objects.get().value == "under SECRET_KEY"
    at_rest.rotate()
    settings.SECRET_KEY = "another"
    assert StoredSecret.objects.get().value == "under SECRET_KEY"


class TestADump:
    def test_holds_ciphertext_and_is_read_again(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("dump") / "dump.json"
        call_command("dumpdata", "openclaw_sms", output=str(path), verbosity=0)
        dump = path.read_text()
        assert dump.count("fernet:") == len(VALUES)
        assert not any(value in dump for value in VALUES.values())

        for model in (SmsAccount, ChannelSettings, StoredSecret):
            model.objects.all().delete()
        call_command("loaddata", str(path), verbosity=0)
        assert all(before == after for before, after in readable().items())
        assert SmsAccount.objects.get(account_id="without").auth_token == ""

    def test_is_not_read_with_another_key(self, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("dump") / "dump.json"
        call_command("dumpdata", "openclaw_sms", output=str(path), verbosity=0)
        settings.SMS_ENCRYPTION_KEYS = [NEW]
        with pytest.raises((DeserializationError, WrongEncryptionKey)):
            call_command("loaddata", str(path), verbosity=0)
