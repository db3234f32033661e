"""The list of those who are not texted: the last word counts, and everything is on the record."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.access.audit import Actor
from openclaw_sms.models import AuditEvent, OptOut, OptOutSource, SmsAccount
from tests.support.cast import ALICE, BOB

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LATER = NOW + timedelta(minutes=1)
WORD, OPERATOR = OptOutSource.KEYWORD, OptOutSource.OPERATOR


@pytest.fixture
def desk() -> int:
    return SmsAccount.objects.create(account_id="desk").pk


def test_once_out_stays_out_and_the_first_word_is_kept(desk: int) -> None:
    assert opt_out.suppress(desk, ALICE, source=WORD, at=NOW, sid="SM1")
    assert not opt_out.suppress(desk, ALICE, source=OptOutSource.TWILIO_21610, at=LATER)
    row = OptOut.objects.get()
    assert (row.out, row.changed_at, row.source, row.sid) == (True, NOW, WORD, "SM1")
    assert opt_out.is_out(desk, ALICE)


def test_it_holds_for_one_account_and_one_number(desk: int) -> None:
    other = SmsAccount.objects.create(account_id="support").pk
    opt_out.suppress(desk, ALICE, source=WORD, at=NOW)
    assert not opt_out.is_out(other, ALICE)
    assert not opt_out.is_out(desk, BOB)


def test_start_brings_back_and_a_second_start_changes_nothing(desk: int) -> None:
    opt_out.suppress(desk, ALICE, source=WORD, at=NOW)
    assert opt_out.restore(desk, ALICE, source=WORD, at=LATER)
    assert not opt_out.restore(desk, ALICE, source=WORD, at=LATER)
    assert not opt_out.is_out(desk, ALICE)


def test_a_start_of_somebody_who_never_left_leaves_no_trace(desk: int) -> None:
    assert not opt_out.restore(desk, ALICE, source=WORD, at=NOW)
    assert not OptOut.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_last_word_counts_in_whatever_order_they_are_looked_at(desk: int) -> None:
    opt_out.suppress(desk, ALICE, source=WORD, at=LATER)
    assert not opt_out.restore(desk, ALICE, source=WORD, at=NOW)  # said before the stop, read after it
    assert opt_out.is_out(desk, ALICE)

    opt_out.restore(desk, ALICE, source=OPERATOR, at=LATER + timedelta(minutes=1))
    assert not opt_out.suppress(desk, ALICE, source=WORD, at=LATER)  # the same stop once more
    assert not opt_out.is_out(desk, ALICE)


def test_every_change_is_on_the_record_with_who_and_why(desk: int) -> None:
    opt_out.suppress(desk, ALICE, source=WORD, at=NOW, sid="SM1")
    anna = Actor("console:anna")
    opt_out.restore(desk, ALICE, source=OPERATOR, at=LATER, actor=anna, reason="She called and asked for it.")
    back, out = opt_out.history(desk, ALICE)
    assert (out.action, out.actor, out.detail) == (opt_out.RECORDED, "gateway", {"source": "keyword", "sid": "SM1"})
    assert (back.action, back.actor) == (opt_out.LIFTED, "console:anna")
    assert back.detail == {"source": "operator", "reason": "She called and asked for it."}


@pytest.mark.parametrize("formula", ["=1+1", "+1+cmd|' /C calc'!A0", "@SUM(1)", "-1"])
def test_export_is_a_table_that_no_spreadsheet_takes_for_formulas(desk: int, formula: str) -> None:
    opt_out.suppress(desk, ALICE, source=OPERATOR, at=NOW, actor=Actor("cli:anna"), reason=formula)
    header, row = opt_out.as_rows(opt_out.listed(desk))
    assert header == opt_out.CSV_HEADER
    assert (row[0], row[1], row[2], row[4], row[6], row[7]) == (
        "desk", ALICE, "opted out", "operator", "cli:anna", f"'{formula}",
    )  # fmt: skip


def test_the_last_word_counts_also_when_it_changed_nothing(desk: int) -> None:
    """Out of order: a stop that says the same again, and then a start that was said before it."""

    def say(change: Callable[..., bool], second: int) -> bool:
        return change(desk, ALICE, source=WORD, at=NOW + timedelta(seconds=second))

    assert say(opt_out.suppress, 1)
    assert not say(opt_out.suppress, 3)
    assert not say(opt_out.restore, 2)
    assert opt_out.is_out(desk, ALICE)
    assert say(opt_out.restore, 4)
    assert not say(opt_out.restore, 6)
    assert not say(opt_out.suppress, 5)
    assert not opt_out.is_out(desk, ALICE)
