"""What the log of a running gateway says when its accounts change."""

import logging
import time
from dataclasses import replace

import pytest

from openclaw_sms.config import accounts, changes
from openclaw_sms.config.accounts import Account, Accounts
from openclaw_sms.models import SmsAccount
from tests.config.cases import COMPLETE, apply, sms
from tests.support.cast import ACCOUNT_SID, ALICE, AUTH_TOKEN, OUR_NUMBER, PUBLIC_URL

ONE = Account(
    pk=1,
    id="one",
    account_sid=ACCOUNT_SID,
    auth_token=AUTH_TOKEN,
    from_number=OUR_NUMBER,
    public_webhook_url=PUBLIC_URL,
    webhook_path="/one",
)


def known(*each: Account) -> Accounts:
    return accounts._index(list(each))


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ([], [ONE], "account.added account=one path=/one"),
        ([], [replace(ONE, auth_token="")], "account.added account=one path=none"),
        ([ONE], [], "account.removed account=one path=/one"),
        ([ONE], [replace(ONE, enabled=False)], "account.disabled account=one path=/one"),
        ([replace(ONE, enabled=False)], [ONE], "account.enabled account=one path=/one"),
        ([ONE], [replace(ONE, webhook_path="/two")], "account.route_changed account=one from=/one to=/two"),
        ([ONE], [replace(ONE, auth_token="")], "account.route_changed account=one from=/one to=none"),
        (
            [ONE],
            [replace(ONE, from_number=ALICE, allow_from=frozenset([ALICE]))],
            "account.changed account=one settings=from_number,allow_from",
        ),
    ],
)
def test_each_change_is_one_line(before: list[Account], after: list[Account], line: str) -> None:
    assert list(changes.events(known(*before), known(*after))) == [line]


def test_no_change_is_no_line() -> None:
    assert list(changes.events(known(ONE), known(replace(ONE)))) == []


def test_a_secret_that_comes_and_goes_with_its_source_is_no_change_of_settings() -> None:
    rests = replace(ONE, auth_token="", unavailable="authToken: env:default:X is not set.")
    assert list(changes.events(known(ONE), known(rests))) == []
    assert list(changes.events(known(rests), known(ONE))) == []
    moved = replace(rests, from_number=ALICE)
    assert list(changes.events(known(ONE), known(moved))) == ["account.changed account=one settings=from_number"]
    assert list(changes.events(known(ONE), known(replace(ONE, auth_token="rotated")))) == [
        "account.changed account=one settings=auth_token"
    ]


def test_a_path_that_another_account_takes_over_is_told() -> None:
    second = replace(ONE, pk=2, id="a", webhook_path="/one")
    lines = list(changes.events(known(ONE), known(second, ONE)))
    assert lines == ["account.added account=a path=/one", "account.route_changed account=one from=/one to=none"]


def test_lines_hold_no_number_no_token_and_no_address() -> None:
    everything = replace(ONE, from_number=ALICE, auth_token="other", public_webhook_url="https://s3cret.example.com/")
    said = "\n".join([*changes.events(known(), known(ONE)), *changes.events(known(ONE), known(everything))])
    assert not any(value in said for value in (ALICE, OUR_NUMBER, AUTH_TOKEN, "other", "s3cret", ACCOUNT_SID))


@pytest.mark.django_db
class TestAProcessThatRuns:
    @pytest.fixture(autouse=True)
    def log(self, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
        caplog.set_level(logging.INFO, logger="openclaw_sms.accounts")
        return caplog

    def test_tells_what_it_finds_when_it_looks_again(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        accounts.current()
        apply(sms(accounts={"support": {**COMPLETE, "webhookPath": "/s"}}))
        later = time.monotonic() + accounts.FRESH_FOR.total_seconds()
        monkeypatch.setattr(time, "monotonic", lambda: later)
        accounts.current()
        assert caplog.messages == ["account.added account=support path=/s"]

    def test_tells_what_it_changed_itself(
        self, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: object
    ) -> None:
        accounts.current()
        SmsAccount.objects.create(account_id="support")
        accounts.forget()
        accounts.current()
        accounts.current()
        assert caplog.messages == ["account.added account=support path=none"]

    def test_says_nothing_of_what_it_begins_with(self, caplog: pytest.LogCaptureFixture) -> None:
        apply(sms(accounts={"support": COMPLETE}))
        accounts.current()
        assert caplog.messages == []

    def test_says_what_is_not_served_once(self, caplog: pytest.LogCaptureFixture) -> None:
        accounts.current()
        for account_id in ("a", "b"):
            apply(sms(accounts={account_id: {**COMPLETE, "webhookPath": f"/{account_id}"}}))
        SmsAccount.objects.update(webhook_path="/same")
        for _ in range(2):
            accounts.forget()
            accounts.current()
        refused = [message for message in caplog.messages if message.startswith("account.not_served")]
        assert refused == ["account.not_served reason='Account b: webhookPath /same belongs to a.'"]
