"""Looking secrets up, and what is remembered of them for how long."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.files import FileProvider
from openclaw_sms.config.secrets.reference import SecretRef, Source
from openclaw_sms.models import StoredSecret
from tests.config.secrets.conftest import Define

IN_ENV = SecretRef(Source.ENV, "default", "MY_TOKEN")
IN_STORE = SecretRef(Source.STORE, "default", "MY_TOKEN")
IN_FILE = SecretRef(Source.FILE, "files", "value")
TOKEN = "a-resolved-token-99"

Wait = Callable[[timedelta], None]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Let time pass."""
    passed = [0.0]
    real = time.monotonic

    def wait(interval: timedelta) -> None:
        passed[0] += interval.total_seconds()

    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])
    return wait


@pytest.fixture
def file(tmp_path: Path, providers: Define) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    providers(files={"source": "file", "path": str(path), "mode": "singleValue"})
    return path


class TestTheEnvironment:
    @pytest.fixture(autouse=True)
    def _no_definitions(self, providers: Define) -> None:
        providers()

    def test_needs_no_definition(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_TOKEN", TOKEN)
        assert resolver.resolve(IN_ENV) == TOKEN

    def test_may_be_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "t").write_text(f"{TOKEN}\n")
        monkeypatch.setenv("MY_TOKEN_FILE", str(tmp_path / "t"))
        assert resolver.resolve(IN_ENV) == TOKEN

    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_that_is_not_set_is_said(self, monkeypatch: pytest.MonkeyPatch, blank: str | None) -> None:
        if blank is not None:
            monkeypatch.setenv("MY_TOKEN", blank)
        with pytest.raises(SecretUnavailable, match="env:default:MY_TOKEN is not set"):
            resolver.resolve(IN_ENV)

    def test_gives_only_what_its_list_allows(self, monkeypatch: pytest.MonkeyPatch, providers: Define) -> None:
        monkeypatch.setenv("MY_TOKEN", TOKEN)
        providers(default={"source": "env", "allowlist": ["OTHER"]})
        with pytest.raises(SecretUnavailable, match=r"not on secrets\.providers\.default\.allowlist"):
            resolver.resolve(IN_ENV)
        providers(default={"source": "env", "allowlist": ["MY_TOKEN"]})
        assert resolver.resolve(IN_ENV) == TOKEN


@pytest.mark.django_db
class TestTheStore:
    def test_gives_what_is_stored(self) -> None:
        StoredSecret.objects.create(name="MY_TOKEN", value=TOKEN, updated_at=timezone.now())
        assert resolver.resolve(IN_STORE) == TOKEN

    def test_names_the_command_for_what_is_not(self) -> None:
        with pytest.raises(SecretUnavailable, match=r"manage\.py secrets set MY_TOKEN"):
            resolver.resolve(IN_STORE)

    def test_never_gives_ciphertext(self, settings: Settings) -> None:
        StoredSecret.objects.create(name="MY_TOKEN", value=TOKEN, updated_at=timezone.now())
        settings.SECRET_KEY = "another"
        with pytest.raises(SecretUnavailable, match="SMS_ENCRYPTION_KEYS"):
            resolver.resolve(IN_STORE)

    def test_forgets_what_was_removed(self, waits: Wait) -> None:
        stored = StoredSecret.objects.create(name="MY_TOKEN", value=TOKEN, updated_at=timezone.now())
        resolver.resolve(IN_STORE)
        stored.delete()
        waits(timedelta(seconds=2))
        resolver.refresh_due()
        with pytest.raises(SecretUnavailable):
            resolver.peek(IN_STORE)


class TestProviders:
    @pytest.mark.parametrize(
        ("definitions", "ref", "words"),
        [
            ({}, IN_FILE, "define secrets.providers.files with source file"),
            ({"files": {"source": "env"}}, IN_FILE, "define secrets.providers.files with source file"),
            ({"files": {"source": "file", "path": "x"}}, IN_FILE, "files.path must be an absolute path"),
            ({}, SecretRef(Source.ENV, "other", "A"), "define secrets.providers.other with source env"),
        ],
    )
    def test_that_cannot_answer_are_said(
        self, providers: Define, definitions: dict[str, dict[str, object]], ref: SecretRef, words: str
    ) -> None:
        providers(**definitions)
        with pytest.raises(SecretUnavailable, match=words):
            resolver.resolve(ref)


class TestMemory:
    def test_answers_for_a_while(self, file: Path, monkeypatch: pytest.MonkeyPatch, waits: Wait) -> None:
        assert resolver.resolve(IN_FILE) == TOKEN
        file.write_text("another")
        assert resolver.resolve(IN_FILE) == TOKEN
        waits(FileProvider.fresh_for)
        assert resolver.resolve(IN_FILE) == "another"

    def test_outlives_a_source_that_cannot_be_asked_and_not_for_ever(self, file: Path, waits: Wait) -> None:
        resolver.resolve(IN_FILE)
        file.unlink()
        waits(FileProvider.fresh_for)
        assert resolver.resolve(IN_FILE) == TOKEN
        waits(resolver.OUTLIVES_ITS_SOURCE)
        with pytest.raises(SecretUnavailable, match="No such file"):
            resolver.resolve(IN_FILE)

    def test_does_not_outlive_a_refusal(self, file: Path, waits: Wait) -> None:
        resolver.resolve(IN_FILE)
        file.chmod(0o644)
        waits(FileProvider.fresh_for)
        with pytest.raises(SecretUnavailable, match="others may open"):
            resolver.resolve(IN_FILE)

    def test_does_not_outlive_another_definition(
        self, file: Path, waits: Wait, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolver.resolve(IN_FILE)
        elsewhere = {"files": {"source": "file", "path": "/nowhere/at/all", "mode": "singleValue"}}
        monkeypatch.setattr("openclaw_sms.config.providers.stored", lambda: elsewhere)
        waits(FileProvider.fresh_for)
        with pytest.raises(SecretUnavailable, match="No such file"):
            resolver.resolve(IN_FILE)

    def test_sees_a_mended_source_soon(self, file: Path, waits: Wait) -> None:
        file.chmod(0o644)
        with pytest.raises(SecretUnavailable):
            resolver.resolve(IN_FILE)
        file.chmod(0o600)
        waits(resolver.FAILURE_HOLDS_FOR)
        assert resolver.resolve(IN_FILE) == TOKEN

    def test_is_looked_at_without_asking_anybody(self, file: Path, waits: Wait) -> None:
        with pytest.raises(SecretUnavailable, match="has not been looked up yet"):
            resolver.peek(IN_FILE)
        resolver.refresh_due()
        assert resolver.peek(IN_FILE) == TOKEN
        file.write_text("another")
        waits(timedelta(minutes=2))
        assert resolver.peek(IN_FILE) == TOKEN

    def test_goes_on_while_it_is_looked_at_again(self, file: Path) -> None:
        resolver.resolve(IN_FILE)
        file.write_text("another")
        resolver.look_again()
        assert resolver.peek(IN_FILE) == TOKEN
        resolver.refresh_due()
        assert resolver.peek(IN_FILE) == "another"

    def test_is_not_refreshed_for_nobody(self, file: Path, waits: Wait) -> None:
        resolver.resolve(IN_FILE)
        waits(resolver.WANTED_FOR + timedelta(seconds=1))
        resolver.refresh_due()
        assert resolver.known() == set()

    def test_shows_no_value(self, file: Path) -> None:
        resolver.resolve(IN_FILE)
        assert TOKEN not in repr(resolver._entries)
