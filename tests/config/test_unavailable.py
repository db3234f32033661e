"""An account whose secret cannot be had rests, alone, and goes on when it can be had again."""

import logging
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from twilio.request_validator import RequestValidator

from openclaw_sms.config import accounts, providers
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.secrets import environment, files, programs, resolver, store
from openclaw_sms.messaging import manual, worker
from openclaw_sms.models import ChannelSettings, OutboundPart, PartState, Reason, SmsAccount
from tests.support import cast
from tests.support.phone import Phone, new_sid, post, work
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db

REF = {"source": "env", "provider": "default", "id": "MY_TOKEN"}
WHY = "authToken: env:default:MY_TOKEN is not set"


def row(account_id: str = "default", **values: object) -> SmsAccount:
    return SmsAccount.objects.create(
        account_id=account_id,
        **{
            "account_sid": cast.ACCOUNT_SID,
            "auth_token_ref": REF,
            "from_number": cast.OUR_NUMBER,
            "public_webhook_url": cast.PUBLIC_URL,
            **values,
        },
    )


def looked_up() -> None:
    """What the refresher's thread would have done by now."""
    resolver.forget()
    accounts.forget()
    accounts.load()


class TestWhoseWordCounts:
    def test_a_reference_gives_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_TOKEN", f" {cast.AUTH_TOKEN} ")
        row()
        account = accounts.choose(None)
        assert (account.auth_token, account.unavailable, account.configured) == (cast.AUTH_TOKEN, "", True)

    def test_the_accounts_own_word_wins_over_the_channels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_TOKEN", "the channel's")
        ChannelSettings.objects.create(id=1, auth_token_ref=REF)
        row("own", auth_token_ref=None, auth_token="its own", webhook_path="/own")
        row("inherits", auth_token_ref=None, webhook_path="/inherits")
        assert accounts.choose("own").auth_token == "its own"
        assert accounts.choose("inherits").auth_token == "the channel's"

    def test_a_reference_that_fails_is_not_replaced_by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", "the environment's")
        row()
        account = accounts.choose("default")
        assert (account.auth_token, account.configured) == ("", True)
        assert account.unavailable.startswith(WHY)

    def test_a_broken_reference_is_said(self) -> None:
        row(auth_token_ref={"source": "env", "provider": "default", "id": "lower"})
        assert accounts.choose(None).unavailable.startswith("authToken: A secret reference's id must, for env, be")

    def test_one_that_is_switched_off_is_not_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = counted(monkeypatch)
        row(enabled=False)
        assert "not looked up while the account is switched off" in accounts.choose(None).unavailable
        assert asked == []

    @pytest.mark.parametrize("column", ["auth_token", "secondary_auth_token", "api_key_secret"])
    @pytest.mark.parametrize("level", ["account", "channel"])
    def test_a_wrong_key_stops_those_it_concerns(self, settings: Settings, column: str, level: str) -> None:
        if level == "channel":
            ChannelSettings.objects.create(id=1, **{column: "sealed-value"})
            row(
                "a",
                auth_token_ref=None,
                webhook_path="/a",
                **({} if column == "auth_token" else {"auth_token": None}),
            )
        else:
            row("a", auth_token_ref=None, webhook_path="/a", **{column: "sealed-value"})
        settings.SECRET_KEY = "another"
        row("b", auth_token_ref=None, webhook_path="/b", auth_token="t", secondary_auth_token="", api_key_secret="")
        known = accounts.load()
        broken, well = known.by_id["a"], known.by_id["b"]
        assert "cannot be decrypted" in broken.unavailable
        assert getattr(broken, column) == ""
        assert (well.unavailable, well.auth_token) == ("", "t")
        assert "fernet:" not in repr([getattr(broken, name) for name in type(broken).__slots__])


class TestWhileItRests:
    def test_posts_are_answered_that_twilio_may_try_again(self) -> None:
        row()
        looked_up()
        form = {"MessageSid": new_sid(), "From": cast.BOB, "Body": "hello"}
        answer = post(form, RequestValidator(cast.AUTH_TOKEN).compute_signature(cast.PUBLIC_URL, form))
        assert (answer.status_code, answer.content) == (503, b"Not available")

    def test_unsigned_posts_are_taken_where_that_was_asked_for(self) -> None:
        row(dangerously_disable_signature_validation=True)
        looked_up()
        assert post({"MessageSid": new_sid(), "From": cast.BOB, "Body": "hello"}, "").status_code == 200

    def test_siblings_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        row("broken", webhook_path="/broken", auth_token_ref={**REF, "id": "NO_TOKEN"})
        row("well", auth_token_ref=None, auth_token=cast.AUTH_TOKEN)
        looked_up()
        form = {"MessageSid": new_sid(), "From": cast.BOB, "To": cast.OUR_NUMBER, "Body": "hello"}
        answer = post(form, RequestValidator(cast.AUTH_TOKEN).compute_signature(cast.PUBLIC_URL, form))
        assert answer.status_code == 200

    def test_replies_wait_and_go_out_when_it_can_be_had(
        self, monkeypatch: pytest.MonkeyPatch, twilio: PretendTwilio
    ) -> None:
        monkeypatch.setenv("MY_TOKEN", cast.AUTH_TOKEN)
        row(dm_policy="open", allow_from=["*"])
        looked_up()
        bob = Phone(cast.BOB, accounts.choose(None))
        assert bob.posts("hello").status_code == 200
        monkeypatch.delenv("MY_TOKEN")
        looked_up()

        work()

        part = OutboundPart.objects.get()
        assert (part.state, part.reason, part.attempts) == (PartState.QUEUED, Reason.SECRET_UNAVAILABLE, 0)
        assert part.detail.startswith(WHY)
        assert part.next_attempt_at is not None
        assert twilio.posts == []

        monkeypatch.setenv("MY_TOKEN", cast.AUTH_TOKEN)
        looked_up()
        OutboundPart.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
        work()
        part.refresh_from_db()
        assert (part.state, part.reason, part.detail) == (PartState.ACCEPTED, Reason.NONE, "")

    def test_a_part_of_unknown_fate_waits_to_be_looked_up(self, twilio: PretendTwilio) -> None:
        account = row()
        looked_up()
        part = manual_part(account)
        OutboundPart.objects.filter(pk=part.pk).update(state=PartState.CHECKING, posted_at=timezone.now())
        worker.send(part.conversation_id)
        part.refresh_from_db()
        assert part.state == PartState.CHECKING
        assert part.next_attempt_at is not None

    def test_a_person_is_told_at_once(self) -> None:
        row()
        with pytest.raises(manual.Unavailable, match=WHY):
            manual.draft(accounts.choose(None), cast.BOB, "hello")

    def test_the_log_says_so_once(self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        row()
        with caplog.at_level(logging.INFO, "openclaw_sms"):
            accounts.current()  # before anything was looked up
            for _ in range(3):
                looked_up()
                accounts.current()
            monkeypatch.setenv("MY_TOKEN", cast.AUTH_TOKEN)
            looked_up()
            accounts.current()
        said = [line for line in caplog.messages if line.startswith("account.")]
        assert len(said) == 2, said
        assert "env:default:MY_TOKEN is not set" in said[0]
        assert said[1] == "account.available account=default"
        assert cast.AUTH_TOKEN not in caplog.text


class TestAFloodOfForgedPosts:
    def test_looks_nothing_up(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        program = tmp_path / "vault"
        program.write_text(f"#!/bin/sh\necho run >> {runs}\necho secret-of-the-vault\n")
        program.chmod(0o755)
        vault = {"source": "exec", "command": str(program), "jsonOnly": False}
        monkeypatch.setattr(providers, "stored", lambda: {"vault": vault})
        row(auth_token_ref={"source": "exec", "provider": "vault", "id": "twilio"})
        looked_up()
        assert accounts.current().by_id["default"].auth_token == "secret-of-the-vault"
        asked = counted(monkeypatch)

        for _ in range(100):
            accounts.forget()  # as if each came when what is known has gone stale
            entry = resolver._entries[next(iter(resolver._entries))]
            entry.due_at = 0.0
            form = {"MessageSid": new_sid(), "From": cast.MALLORY, "Body": "let me in"}
            assert post(form, "forged").status_code == 403

        assert asked == []
        assert runs.read_text().count("run") == 1


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every look-up from now on, whatever the source."""
    asked: list[object] = []
    for provider in (environment.EnvProvider, files.FileProvider, programs.ExecProvider, store.StoreProvider):
        monkeypatch.setattr(provider, "look_up", lambda self, ref: asked.append(ref))
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: asked.append(words))
    monkeypatch.setattr(os, "open", lambda *words, **more: asked.append(words))
    return asked


def manual_part(row: SmsAccount) -> OutboundPart:
    from openclaw_sms.messaging import outbox
    from openclaw_sms.models import Conversation, OutboundKind

    conversation = Conversation.objects.create(account=row, sender=cast.BOB)
    message = outbox.write(
        conversation, "hi", kind=OutboundKind.MESSAGE, author="cli:x", limit=1500, now=timezone.now()
    )
    return message.parts.get()


Dial = Callable[[str], Phone]


class TestTwoTokens:
    """Signatures are checked with both auth tokens, calls to Twilio are made with the API key."""

    KEY, SECRET = "SK" + "1" * 32, "an api key's secret"

    @pytest.mark.parametrize("level", ["account", "channel", "environment"])
    def test_both_sign_and_the_key_calls(
        self, level: str, monkeypatch: pytest.MonkeyPatch, twilio: PretendTwilio
    ) -> None:
        said = {
            "auth_token": cast.AUTH_TOKEN,
            "secondary_auth_token": "the next token",
            "api_key_sid": self.KEY,
            "api_key_secret": self.SECRET,
        }
        if level == "channel":
            ChannelSettings.objects.create(id=1, **said)
        if level == "environment":
            for name, value in said.items():
                monkeypatch.setenv(f"TWILIO_{name.upper()}", value)
        row(auth_token_ref=None, dm_policy="open", allow_from=["*"], **(said if level == "account" else {}))
        bob = Phone(cast.BOB, accounts.choose(None))

        assert bob.posts("old").status_code == 200
        assert bob.posts("new", token="the next token").status_code == 200
        assert bob.posts("forged", token=self.SECRET).status_code == 403
        assert bob.posts("forged", token="").status_code == 403
        twilio.account_sid, twilio.auth_token = self.KEY, self.SECRET  # whose login is asked for
        work()

        login = RequestLogin.of(twilio)
        assert login == {(self.KEY, self.SECRET)}

    def test_an_incomplete_key_is_not_used(self, monkeypatch: pytest.MonkeyPatch, twilio: PretendTwilio) -> None:
        row(auth_token_ref=None, auth_token=cast.AUTH_TOKEN, api_key_sid=self.KEY, dm_policy="open", allow_from=["*"])
        Phone(cast.BOB, accounts.choose(None)).texts("hello")
        assert RequestLogin.of(twilio) == {(cast.ACCOUNT_SID, cast.AUTH_TOKEN)}
        assert len(twilio.messages) == 1


class RequestLogin:
    @staticmethod
    def of(twilio: PretendTwilio) -> set[tuple[str, ...]]:
        """Who called the pretend Twilio."""
        import base64

        return {
            tuple(base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().split(":", 1))
            for request in twilio.requests
        }


def test_no_account_shows_a_secret_in_its_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", cast.AUTH_TOKEN)
    row(secondary_auth_token="the next token", api_key_secret="a key's secret")
    account: Account = accounts.choose(None)
    for secret in (cast.AUTH_TOKEN, "the next token", "a key's secret"):
        assert secret not in repr(account)
        assert secret not in repr(account.credentials)
        assert secret not in repr(account.signing_keys)
