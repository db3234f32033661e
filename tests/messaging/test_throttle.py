"""A sender over the account's limit: every text is kept and shown, and the limit's share of them is answered."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.messaging import decisions
from openclaw_sms.models import InboundMessage, InboundState, Reason, SmsAccount
from tests.messaging import agents
from tests.support.phone import Phone, work

pytestmark = pytest.mark.django_db
ANNA = Actor("console:anna")


@pytest.fixture(autouse=True)
def two_a_minute(account: object) -> None:
    SmsAccount.objects.update(inbound_per_minute=2)
    accounts.forget()


def states() -> list[str]:
    return list(InboundMessage.objects.order_by("id").values_list("state", flat=True))


def test_what_is_over_the_limit_is_kept_and_not_given_to_the_agent(alice: Phone) -> None:
    for words in ("one", "two", "three"):
        alice.texts(words)
    assert states() == [InboundState.ANSWERED, InboundState.ANSWERED, InboundState.THROTTLED]
    assert InboundMessage.objects.order_by("id").last().reason == Reason.THROTTLED  # type: ignore[union-attr]
    assert [question.text for question in agents.asked] == ["one", "two"]


def test_a_backlog_is_no_flood(alice: Phone) -> None:
    """Three texts of three minutes, looked at in the same second."""
    for words in ("one", "two", "three"):
        alice.posts(words)
    for minutes, text in enumerate(InboundMessage.objects.order_by("-id")):
        InboundMessage.objects.filter(pk=text.pk).update(received_at=timezone.now() - timedelta(minutes=minutes))
    work()
    assert states() == [InboundState.ANSWERED] * 3


def test_the_minute_rolls(alice: Phone) -> None:
    alice.texts("one")
    alice.texts("two")
    InboundMessage.objects.update(received_at=timezone.now() - timedelta(seconds=61))
    alice.texts("three")
    assert states() == [InboundState.ANSWERED] * 3


def test_throttled_texts_do_not_keep_the_limit_used_up(alice: Phone) -> None:
    for words in ("one", "two", "three", "four"):
        alice.texts(words)
    first, second = InboundMessage.objects.order_by("id")[:2]
    InboundMessage.objects.filter(pk__in=[first.pk, second.pk]).update(
        received_at=timezone.now() - timedelta(seconds=61)
    )
    alice.texts("five")
    assert states()[-1] == InboundState.ANSWERED


def test_senders_do_not_share_a_limit(alice: Phone, bob: Phone) -> None:
    alice.texts("one")
    alice.texts("two")
    assert bob.texts("hello").state == InboundState.HELD


def test_a_strangers_throttled_texts_draw_no_reply(bob: Phone) -> None:
    for words in ("one", "two", "three", "four"):
        bob.texts(words)
    assert states() == [InboundState.HELD, InboundState.HELD, InboundState.THROTTLED, InboundState.THROTTLED]
    assert len(bob.heard()) == 1


def test_the_operator_may_have_one_answered(alice: Phone) -> None:
    for words in ("one", "two", "three"):
        alice.texts(words)
    text = InboundMessage.objects.get(state=InboundState.THROTTLED)
    decisions.answer_now(text, actor=ANNA, now=timezone.now())
    work()
    assert states() == [InboundState.ANSWERED] * 3


def test_stop_and_its_kin_do_not_count(alice: Phone) -> None:
    for word in ("STOP", "is anybody there", "START", "HELP", "STOP", "START"):
        alice.texts(word)
    assert alice.texts("hello").state == InboundState.ANSWERED
