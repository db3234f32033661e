"""`channels dead-letters`: what is listed, what is shown of it, and that resubmitting twice is resubmitting once."""

import json

import pytest
from django.core.management.base import CommandError

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import AuditEvent, InboundMessage, InboundState, Reason, SmsAccount
from tests.management.test_commands import Dial, run
from tests.support import cast
from tests.support.phone import work
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db
WORDS = "words nobody should read over a shoulder"


@pytest.fixture
def letter(phone: Dial, twilio: PretendTwilio) -> InboundMessage:
    """A text of Bob's that went to a number which is not ours."""
    text = phone(cast.BOB).texts(WORDS, To="+15550007777")
    assert text.state == InboundState.PARKED
    return text


def test_none_are_said_to_be_none(account: Account) -> None:
    assert run("channels", "dead-letters", "list") == "No dead letters.\n"
    assert json.loads(run("channels", "dead-letters", "list", "--json")) == {"channel": "sms", "deadLetters": []}


def test_as_json_each_says_why_and_what_to_do(letter: InboundMessage) -> None:
    (listed,) = json.loads(run("channels", "dead-letters", "list", "--json"))["deadLetters"]
    assert (listed["id"], listed["sid"], listed["account"]) == (str(letter.pk), letter.sid, "default")
    assert (listed["reason"], listed["attempts"]) == (Reason.WRONG_NUMBER, 0)
    assert listed["why"]
    assert listed["fix"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_numbers_are_masked_and_words_not_shown(letter: InboundMessage, form: tuple[str, ...]) -> None:
    shown = run("channels", "dead-letters", "list", *form)
    assert cast.BOB not in shown
    assert WORDS not in shown
    assert "+1555***2222" in shown


def test_of_another_account_are_left_out(letter: InboundMessage) -> None:
    SmsAccount.objects.create(account_id="sales", account_sid="AC1", auth_token="x", from_number="+15550008888")
    assert run("channels", "dead-letters", "list", "--account", "sales") == "No dead letters.\n"
    with pytest.raises(CommandError, match="No text has that ID"):
        run("channels", "dead-letters", "resubmit", str(letter.pk), "--account", "sales")


@pytest.mark.parametrize("key", ["pk", "sid"])
def test_one_is_resubmitted_and_judged_again(letter: InboundMessage, key: str) -> None:
    said = run("channels", "dead-letters", "resubmit", str(getattr(letter, key)))
    assert letter.sid in said
    assert cast.BOB not in said
    event = AuditEvent.objects.get()
    assert (event.action, event.subject) == ("text.answer_asked", cast.BOB)
    assert event.actor.startswith("cli:")
    work()
    letter.refresh_from_db()
    assert letter.reason == Reason.WRONG_NUMBER


def test_twice_is_once_and_the_second_is_told(letter: InboundMessage) -> None:
    run("channels", "dead-letters", "resubmit", str(letter.pk))
    with pytest.raises(CommandError, match="already decided: the text is now “waiting”"):
        run("channels", "dead-letters", "resubmit", str(letter.pk))
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("word", ["999999", "SM" + "0" * 32, "9" * 30, "-1", "x"])
def test_an_unknown_id_is_one_sentence(account: Account, word: str) -> None:
    with pytest.raises(CommandError, match="No text has that ID"):
        run("channels", "dead-letters", "resubmit", "--", word)
