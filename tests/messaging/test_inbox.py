"""The durable inbox, when the database takes the other side first."""

import pytest
from django.db import OperationalError

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import keywords
from openclaw_sms.models import InboundMessage
from tests.support import cast
from tests.support.phone import Phone


class Cause(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__()
        self.sqlstate = sqlstate


@pytest.fixture
def fails_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that storing a text fails with, one a try, before it succeeds."""
    codes: list[str] = []

    def stop_at_once(*_: object) -> None:
        if codes:
            raise OperationalError from Cause(codes.pop(0))

    monkeypatch.setattr(keywords, "stop_at_once", stop_at_once)
    return codes


@pytest.mark.django_db
def test_a_text_that_met_a_deadlock_is_stored_all_the_same(account: Account, fails_once: list[str]) -> None:
    fails_once.append("40P01")
    assert Phone(cast.BOB, account).posts("hello", MessageSid="SM1").status_code == 200
    assert InboundMessage.objects.get().sid == "SM1"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "codes", [["57P03"], ["40P01", "40P01"]], ids=["another trouble", "one deadlock after another"]
)
def test_anything_else_is_said_to_twilio(codes: list[str], account: Account, fails_once: list[str]) -> None:
    fails_once.extend(codes)
    assert Phone(cast.BOB, account).posts("hello").status_code == 503
    assert not InboundMessage.objects.exists()
