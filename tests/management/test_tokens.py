"""`manage.py tokens`: made and shown once, listed without themselves, revoked."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from openclaw_sms.access import tokens
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import ApiToken

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("tokens", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_prints_a_token_that_lets_in_and_nothing_else_on_stdout() -> None:
    out, err = run("create", "planner", "--scope", "send", "--scope", "read")
    row = tokens.find(out.strip(), now=timezone.now())
    assert row is not None
    assert (row.name, row.scopes, row.account_id) == ("planner", ["send", "read"], None)
    assert row.created_by.startswith("cli:")
    assert "not be shown again" in err


def test_restricts_it_to_an_account_and_a_time(account: Account) -> None:
    made = json.loads(
        run("create", "planner", "--scope", "send", "--account", "default", "--days", "30", "--json")[0]
    )
    row = tokens.find(made["token"], now=timezone.now())
    assert row is not None
    assert (made["account"], row.account_id) == ("default", account.pk)
    assert row.expires_at is not None
    assert (row.expires_at - row.created_at).days == 30


def test_lists_tokens_without_themselves() -> None:
    assert "no tokens" in run("list")[0]
    plain = run("create", "planner", "--scope", "admin")[0].strip()
    run("create", "old", "--scope", "read")
    run("revoke", "old")
    shown, as_json = run("list")[0], run("list", "--json")[0]
    assert plain not in shown + as_json
    assert plain[:10] in shown
    assert {token["name"]: token["state"] for token in json.loads(as_json)["tokens"]} == {
        "planner": "live",
        "old": "revoked",
    }


@pytest.mark.parametrize("by", ["name", "prefix"])
def test_revokes_by_name_or_beginning(by: str) -> None:
    plain = run("create", "planner", "--scope", "read")[0].strip()
    assert "is revoked" in run("revoke", "planner" if by == "name" else plain[:10])[0]
    assert "already" in run("revoke", "planner")[0]
    assert tokens.find(plain, now=timezone.now()) is None


@pytest.mark.parametrize(
    "words",
    [
        ["create", "planner"],
        ["create", "planner", "--scope", "root"],
        ["create", "planner", "--scope", "read", "--account", "nobody"],
        ["create", "planner", "--scope", "read", "--days", "0"],
        ["create", "planner", "--scope", "read", "--days", "99999999999"],
        ["revoke", "nobody"],
    ],
)
def test_refuses_in_one_sentence(words: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*words)
    assert ApiToken.objects.count() == 0


def test_mcp_is_off_without_a_token() -> None:
    with pytest.raises(CommandError, match="SMS_MCP_TOKEN is not set"):
        call_command("mcp")
