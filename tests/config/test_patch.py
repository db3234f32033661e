"""Merging a patch, and applying it: all of it, or nothing."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts, document, patch, providers
from openclaw_sms.config.patch import Refused
from openclaw_sms.models import (
    AllowedSender,
    ChannelSettings,
    Conversation,
    PairingRequest,
    SecretProvider,
    SenderSource,
    SmsAccount,
)
from tests.config.cases import COMPLETE, apply, lines, sms
from tests.support.cast import ALICE

pytestmark = pytest.mark.django_db

REF = {"source": "env", "provider": "default", "id": "TWILIO_AUTH_TOKEN"}


@pytest.mark.parametrize(
    ("target", "change", "result"),
    [  # RFC 7396, Appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_objects_merge_as_the_rfc_says(target: Any, change: Any, result: Any) -> None:
    assert patch.merged(target, change) == result


objects = st.recursive(
    st.integers() | st.none(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


@hypothesis_settings(deadline=None)
@given(objects, objects)
def test_a_patch_applied_twice_changes_no_more(target: Any, change: Any) -> None:
    once = patch.merged(target, change)
    assert patch.merged(once, change) == once


class TestKeys:
    def test_are_merged_one_by_one_and_null_removes(self) -> None:
        apply(sms(**COMPLETE, name="One", textChunkLimit=300, allowFrom=["+15557654321"]))
        plan = apply(sms(name="Two", textChunkLimit=None, allowFrom=["+15557654322"]))

        assert lines(plan) == [
            '~ channels.sms.name: "One" → "Two"',
            '~ channels.sms.allowFrom: ["+15557654321"] → ["+15557654322"]',
            "- channels.sms.textChunkLimit: 300",
        ]
        row = ChannelSettings.objects.get()
        assert (row.name, row.text_chunk_limit, row.allow_from) == ("Two", None, ["+15557654322"])
        assert (row.account_sid, row.auth_token) == (COMPLETE["accountSid"], "first-token")

    def test_that_say_nothing_new_change_nothing(self) -> None:
        apply(sms(**COMPLETE, accounts={"support": {"enabled": True, "webhookPath": "/s"}}))
        assert apply(sms(**COMPLETE, accounts={"Support": {"enabled": True, "webhookPath": "s/"}})).changes == ()

    def test_are_checked_in_the_result_and_not_in_the_patch_alone(self) -> None:
        apply(sms(dmPolicy="open", allowFrom=["*"]))
        with pytest.raises(Refused, match=r"channels\.sms\.dmPolicy is .open., which needs"):
            apply(sms(allowFrom=None))
        apply(sms(allowFrom=None, dmPolicy=None))
        assert document.stored()["channels"]["sms"] == {}

    def test_are_removed_together_with_the_channel(self) -> None:
        apply(sms(**COMPLETE, accounts={"support": {"webhookPath": "/s"}}))
        apply({"channels": {"sms": None}})
        assert document.stored() == {"channels": {"sms": {}}, "secrets": {"providers": {}}}
        assert accounts.load().by_id == {}

    def test_of_what_the_console_stored_are_the_same_keys(self) -> None:
        SmsAccount.objects.create(account_id="support", from_number="+15551234567", enabled=False)
        assert lines(apply(sms(accounts={"support": {"fromNumber": None, "enabled": None}}))) == [
            '- channels.sms.accounts.support.fromNumber: "+15551234567"',
            "- channels.sms.accounts.support.enabled: false",
        ]
        row = SmsAccount.objects.get()
        assert (row.from_number, row.enabled, row.declared) == (None, True, True)

    def test_that_cannot_be_used_leave_everything_as_it_was(self) -> None:
        apply(sms(name="One"))
        with pytest.raises(Refused):
            apply(sms(name="Two", accounts={"a": {}, "b": {"textChunkLimit": 0}}))
        assert ChannelSettings.objects.get().name == "One"
        assert not SmsAccount.objects.exists()

    def test_that_fail_half_way_leave_everything_as_it_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        apply(sms(name="One"))
        monkeypatch.setattr(document, "_store_providers", _fails)
        with pytest.raises(RuntimeError):
            apply(sms(name="Two", accounts={"a": {}}))
        assert ChannelSettings.objects.get().name == "One"
        assert not SmsAccount.objects.exists()


def _fails(*_: object) -> None:
    raise RuntimeError("the disk is full")


class TestASecret:
    def test_is_masked_in_what_is_printed(self) -> None:
        said = lines(
            apply(sms(authToken="s3cret-1", apiKeySecret="s3cret-2", accounts={"a": {"authToken": "s3cret-3"}}))
        )
        said += lines(apply(sms(authToken="s3cret-4", accounts={"a": {"authToken": REF}})))
        said += lines(apply(sms(authToken=None, apiKeySecret=None)))
        assert "s3cret" not in "\n".join(said)
        assert '~ channels.sms.authToken: "***" → another value' in said
        assert (
            '~ channels.sms.accounts.a.authToken: "***" → '
            '{ source: "env", provider: "default", id: "TWILIO_AUTH_TOKEN" }' in said
        )

    def test_in_an_address_is_masked_too(self) -> None:
        (line,) = lines(apply(sms(publicWebhookUrl="https://me:s3cret@a.example.com/x?y=1")))
        assert line == '+ channels.sms.publicWebhookUrl: "https://me:***@a.example.com/x?y=1"'

    def test_in_a_programs_variables_is_masked_too(self) -> None:
        exec_ = {"source": "exec", "command": "/bin/op", "env": {"OP_TOKEN": "s3cret"}}
        said = lines(apply({"secrets": {"providers": {"op": exec_}}}))
        assert '+ secrets.providers.op.env: { OP_TOKEN: "***" }' in said
        assert "s3cret" not in "\n".join(said)

    def test_is_stored_encrypted(self) -> None:
        apply(sms(authToken="s3cret-1"))
        with_raw = ChannelSettings.objects.extra(select={"raw": "auth_token"}).values_list("raw", flat=True)
        assert str(with_raw.get()).startswith("fernet:")

    def test_that_cannot_be_decrypted_can_be_kept_and_replaced(self, settings: Settings) -> None:
        apply(sms(authToken="first", accounts={"a": {"authToken": "second"}}))
        settings.SECRET_KEY = "another"
        assert lines(apply(sms(name="x"))) == ['+ channels.sms.name: "x"']

        apply(sms(authToken="third", accounts={"a": {"authToken": None}}))
        assert (ChannelSettings.objects.get().auth_token, SmsAccount.objects.get().auth_token) == ("third", None)

    def test_that_cannot_be_decrypted_goes_with_its_account(self, settings: Settings) -> None:
        apply(sms(accounts={"a": {"authToken": "second"}}))
        settings.SECRET_KEY = "another"
        apply(sms(accounts={"a": None}))
        assert not SmsAccount.objects.exists()

    def test_reference_is_merged_like_any_object(self) -> None:
        apply(sms(authToken=REF))
        apply(sms(authToken={"id": "OTHER_TOKEN"}))
        assert ChannelSettings.objects.get().auth_token_ref == {**REF, "id": "OTHER_TOKEN"}


class TestAnAccount:
    def test_is_known_by_one_spelling(self) -> None:
        apply(sms(accounts={" Support  Team ": {"name": "One"}}))
        apply(sms(accounts={"SUPPORT TEAM": {"name": "Two"}}, defaultAccount="Support Team"))
        assert SmsAccount.objects.get().account_id == "support-team"
        assert ChannelSettings.objects.get().default_account == "support-team"

    def test_may_not_be_spelled_twice(self) -> None:
        with pytest.raises(Refused, match='"Support Team" and "support-team" are both account support-team'):
            apply(sms(accounts={"Support Team": {}, "support-team": {}}))

    def test_that_is_removed_is_gone_when_nothing_hangs_on_it(self) -> None:
        apply(sms(accounts={"support": {"name": "x"}}))
        said = lines(apply(sms(accounts={"support": None})))
        assert said == ["- channels.sms.accounts.support", '- channels.sms.accounts.support.name: "x"']
        assert not SmsAccount.objects.exists()

    def test_that_is_removed_keeps_its_conversations_and_nothing_else(self) -> None:
        apply(sms(accounts={"support": {**COMPLETE, "enabled": False}}))
        row = SmsAccount.objects.get()
        Conversation.objects.create(account=row, sender=ALICE)
        apply(sms(accounts={"support": None}))

        row.refresh_from_db()
        assert (row.declared, row.enabled, row.account_sid, row.auth_token) == (False, True, None, None)
        assert accounts.load().by_id == {}
        assert document.stored()["channels"]["sms"] == {}

        apply(sms(accounts={"support": COMPLETE}))
        assert accounts.load().by_id["support"].pk == row.pk

    def test_that_is_removed_keeps_whom_the_owner_let_in(self) -> None:
        apply(sms(accounts={"support": COMPLETE}))
        AllowedSender.objects.create(account=SmsAccount.objects.get(), number=ALICE, source=SenderSource.PAIRING)
        apply(sms(accounts={"support": None}))
        assert AllowedSender.objects.exists()
        assert accounts.load().by_id == {}

    def test_that_is_removed_takes_its_requests_along(self) -> None:
        apply(sms(accounts={"support": COMPLETE}))
        now = timezone.now()
        PairingRequest.objects.create(
            account=SmsAccount.objects.get(),
            sender=ALICE,
            code="ABCDEFGH",
            created_at=now,
            last_seen_at=now,
            expires_at=now,
        )
        apply(sms(accounts={"support": None}))
        assert not PairingRequest.objects.exists()

    def test_called_default_may_be_at_the_top_in_its_entry_or_both(self) -> None:
        apply(sms(**COMPLETE))
        assert accounts.load().by_id["default"].from_number == "+15551234567"

        apply(sms(accounts={"default": {"fromNumber": "+15551234568"}}))
        account = accounts.load().by_id["default"]
        assert (account.from_number, account.auth_token) == ("+15551234568", "first-token")

        apply(sms(accounts={"default": None}))
        assert accounts.load().by_id["default"].from_number == "+15551234567"
        assert "accounts" not in document.stored()["channels"]["sms"]

        apply(sms(**dict.fromkeys(COMPLETE), accounts={"default": COMPLETE}))
        assert accounts.load().by_id["default"].serves_webhook

    def test_without_settings_is_an_account(self) -> None:
        assert lines(apply(sms(accounts={"default": {}}))) == ["+ channels.sms.accounts.default"]
        assert list(accounts.load().by_id) == ["default"]
        assert lines(apply(sms(accounts={"default": {"name": "x"}}))) == ['+ channels.sms.accounts.default.name: "x"']


class TestBesideTheSandbox:
    def test_a_plan_says_what_must_be_done_first(self, settings: Settings) -> None:
        settings.SMS_SANDBOX = {"account_sid": "AC"}
        assert "sandbox off" in patch.plan(sms(**COMPLETE)).notes[0]

    @pytest.mark.parametrize("changes", [COMPLETE, {"accounts": {"support": COMPLETE}}])
    def test_no_real_account_is_added(self, settings: Settings, changes: dict[str, Any]) -> None:
        settings.SMS_SANDBOX = {"account_sid": "AC"}
        with pytest.raises(Refused, match="sandbox off"):
            apply(sms(**changes))
        assert document.stored() == document.stored() | {"channels": {"sms": {}}}

    def test_what_adds_no_account_is_applied_and_accounts_of_before_can_be_removed(self, settings: Settings) -> None:
        apply(sms(accounts={"support": COMPLETE}))
        settings.SMS_SANDBOX = {"account_sid": "AC"}
        assert lines(apply(sms(inboundPerMinute=10))) == ["+ channels.sms.inboundPerMinute: 10"]
        apply(sms(accounts={"support": None}))
        assert "accounts" not in document.stored()["channels"]["sms"]


@pytest.mark.django_db(transaction=True)
def test_of_two_patches_at_once_each_is_merged_into_what_the_other_left() -> None:
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def add(account_id: str) -> None:
        start.wait()
        try:
            apply(sms(accounts={account_id: {"webhookPath": "/same"}}))
            outcomes.append("applied")
        except Refused as refused:
            outcomes.append("refused" if "/same" in str(refused) else str(refused))
        finally:
            connection.close()

    owners = [threading.Thread(target=add, args=(account_id,)) for account_id in ("a", "b")]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
    assert sorted(outcomes) == ["applied", "refused"]
    assert SmsAccount.objects.count() == 1


def test_providers_of_secrets_are_kept_and_handed_out() -> None:
    vault = {"source": "file", "path": "/etc/sms/secrets.json", "mode": "json"}
    apply({"secrets": {"providers": {"vault": vault, "shell": {"source": "env"}}}})
    assert providers.stored() == {"vault": vault, "shell": {"source": "env"}}

    apply({"secrets": {"providers": {"vault": {"mode": "singleValue"}, "shell": None}}})
    assert providers.stored() == {"vault": {**vault, "mode": "singleValue"}}
    assert SecretProvider.objects.get().name == "vault"


def test_a_default_account_that_is_none_is_noted_and_not_refused() -> None:
    plan = apply(sms(**COMPLETE, defaultAccount="nobody"))
    assert plan.notes == ("channels.sms.defaultAccount names nobody, and there is no such account.",)


@pytest.mark.parametrize("short", ["${MY_TOKEN}", "$MY_TOKEN"])
def test_the_short_form_of_a_reference_is_kept_as_a_reference_and_not_as_a_token(short: str) -> None:
    apply({"channels": {"sms": {"authToken": short}}})
    channel = ChannelSettings.objects.get()
    assert channel.auth_token is None
    assert channel.auth_token_ref == {"source": "env", "provider": "default", "id": "MY_TOKEN"}
