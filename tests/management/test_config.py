"""`manage.py config`: words, exit statuses, one sentence for each problem, and nothing secret."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from openclaw_sms.models import AuditEvent, ChannelSettings, SmsAccount
from tests.config.cases import COMPLETE, apply, sms

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("config", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def patch(tmp_path: Path) -> Any:
    file = tmp_path / "sms.json5"

    def patch(document: Any, *options: str) -> str:
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        return run("patch", "--file", str(file), *options)

    return patch


class TestPatch:
    def test_is_on_record_with_paths_and_without_values(self, patch: Any) -> None:
        patch(sms(authToken="s3cret", accounts={"support": {"fromNumber": "+15551234567", "webhookPath": "/s"}}))
        event = AuditEvent.objects.get()
        assert (event.action, event.subject) == ("config.patched", "channels.sms")
        assert event.actor.startswith("cli:")
        assert event.detail == {
            "paths": [
                "channels.sms.authToken",
                "channels.sms.accounts.support",
                "channels.sms.accounts.support.fromNumber",
                "channels.sms.accounts.support.webhookPath",
            ]
        }

    def test_that_is_only_tried_changes_nothing(self, patch: Any) -> None:
        assert patch(sms(name="x"), "--dry-run") == '+ channels.sms.name: "x"\nDry run: nothing was changed.\n'
        assert not ChannelSettings.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_reads_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = io.TextIOWrapper(io.BytesIO(b'{channels: {sms: {name: "x"}}}'))
        monkeypatch.setattr(sys, "stdin", text)
        assert '+ channels.sms.name: "x"' in run("patch", "--file", "-")

    def test_says_all_that_is_wrong_one_a_line(self, patch: Any) -> None:
        with pytest.raises(CommandError) as refused:
            patch(sms(textChunkLimit=0, dmPolicy="closed", accounts={"support": {"nmae": "x"}}))
        first, second, third = str(refused.value).splitlines()
        assert first.startswith("channels.sms.textChunkLimit must be")
        assert second.startswith("channels.sms.dmPolicy must be one of")
        assert third == "channels.sms.accounts.support.nmae is not a key of this channel; did you mean name?"
        assert not AuditEvent.objects.exists()

    def test_says_where_the_syntax_is_wrong(self, patch: Any) -> None:
        with pytest.raises(CommandError) as refused:
            patch("{\n channels: {sms: {dmPolicy: open}}\n}")
        assert str(refused.value).endswith(
            "sms.json5 is not JSON5: line 2, column 29: a text needs quotes around it."
        )

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (None, "cannot be read: No such file"),
            (b"\xff{}", "is not UTF-8 text: byte 1"),
            (b" " * (1024 * 1024 + 1), "is larger than a configuration can be"),
        ],
    )
    def test_names_a_file_that_cannot_be_read(self, tmp_path: Path, content: bytes | None, sentence: str) -> None:
        file = tmp_path / "sms.json5"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(CommandError, match=sentence):
            run("patch", "--file", str(file))

    def test_refuses_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="cannot be read: Is a directory"):
            run("patch", "--file", str(tmp_path))


class TestGet:
    def test_prints_one_value_with_its_origin(self) -> None:
        apply(sms(accounts={"support": COMPLETE}))
        said = run("get", "channels.sms.accounts.support.fromNumber")
        assert said == '"+15551234567" // document: channels.sms.accounts.support\n'
        assert run("get", "channels.sms.accounts.SUPPORT.authToken").startswith('"***" //')

    def test_prints_everything_as_json_too(self) -> None:
        apply(sms(**COMPLETE))
        said = json.loads(run("get", "--json"))
        assert said["path"] == ""
        assert said["value"]["channels"]["sms"]["authToken"] == "***"
        assert said["sources"]["channels.sms.authToken"] == "document: channels.sms"
        assert said["sources"]["channels.sms.textChunkLimit"] == "default"

        one = json.loads(run("get", "channels.sms.dmPolicy", "--json"))
        assert one == {
            "path": "channels.sms.dmPolicy",
            "value": "pairing",
            "sources": {"channels.sms.dmPolicy": "default"},
        }

    def test_refuses_a_path_that_leads_nowhere(self) -> None:
        with pytest.raises(CommandError, match=r"did you mean fromNumber\?"):
            run("get", "channels.sms.fromNumbr")


class TestValidate:
    def test_is_content_with_nothing(self) -> None:
        assert run("validate") == "The configuration can be used.\n"

    def test_lists_all_that_is_wrong(self, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        apply(sms(accounts={"a": {**COMPLETE, "webhookPath": "/a"}}))
        SmsAccount.objects.create(account_id="b", dm_policy="open", from_number="call me")
        settings.SECRET_KEY = "another"
        monkeypatch.setenv("SMS_TEXT_CHUNK_LIMIT", "0")
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACbad")
        with pytest.raises(CommandError) as refused:
            run("validate")
        found = str(refused.value).splitlines()
        for beginning in (
            "TWILIO_ACCOUNT_SID must be a SID",
            "SMS_TEXT_CHUNK_LIMIT must be a whole number",
            "channels.sms.accounts.b.fromNumber is not a phone number",
            'channels.sms.accounts.b.dmPolicy is "open", which needs',
            "channels.sms.accounts.a.authToken: A stored secret cannot be decrypted",
        ):
            assert sum(line.startswith(beginning) for line in found) == 1, beginning
        assert len(found) == 5

    def test_finds_two_accounts_on_one_path(self) -> None:
        for account_id in ("a", "b"):
            SmsAccount.objects.create(account_id=account_id)
        with pytest.raises(CommandError, match=r"accounts\.b\.webhookPath is /webhooks/sms, which account a has too"):
            run("validate")

    def test_notes_a_default_account_that_is_none(self) -> None:
        apply(sms(defaultAccount="nobody"))
        assert run("validate").startswith("Note: channels.sms.defaultAccount names nobody")
