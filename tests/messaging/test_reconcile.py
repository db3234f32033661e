"""A lost answer is settled by what Twilio shows, and never by a guess that could text somebody twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access.audit import Actor
from openclaw_sms.messaging import decisions, delivery, outbox, reconcile
from openclaw_sms.messaging.decisions import AlreadyDecided, UnusableSid
from openclaw_sms.models import Conversation, Delivery, OutboundPart, PartState
from tests.messaging.outgoing import only, send, write
from tests.messaging.test_delivery import _account, told
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db
ANNA = Actor("cli:anna")
SID = "SM" + "a" * 32


@pytest.fixture
def conversation(alice: Phone) -> Conversation:
    return Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)


@pytest.fixture
def orphan(conversation: Conversation) -> OutboundPart:
    """A part that a dead worker left "being sent"."""
    return left_in_the_middle(conversation)


def left_in_the_middle(conversation: Conversation) -> OutboundPart:
    part = only(write(conversation, "hi"))
    part.move(PartState.SENDING, attempts=1, posted_at=timezone.now())
    return part


def at_twilio(twilio: PretendTwilio, part: OutboundPart, *, ago: float = 0, body: str = "hi") -> str:
    """A text that Twilio took, from us or from another program."""
    outgoing = replace(outbox._outgoing(part, _account()), body=body, status_callback="")
    sid = outbox.carrier(_account()).send(outgoing).sid
    message = next(message for message in twilio.messages if message.sid == sid)
    message.created -= timedelta(seconds=ago)
    return sid


def state_of(part: OutboundPart) -> str:
    part.refresh_from_db()
    return part.state


def test_another_programs_same_words_a_while_ago_are_not_taken_for_ours(
    orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio
) -> None:
    foreign = at_twilio(twilio, orphan, ago=30)
    send(conversation, rounds=6)
    assert state_of(orphan) == PartState.ACCEPTED
    assert orphan.sid != foreign
    assert len(twilio.messages) == 2


def test_two_texts_with_the_same_words_at_that_moment_are_left_to_the_operator(
    orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio
) -> None:
    twins = {at_twilio(twilio, orphan), at_twilio(twilio, orphan)}
    send(conversation, rounds=6)
    assert state_of(orphan) == PartState.UNCERTAIN
    assert set(orphan.candidates) == twins


def test_a_text_marked_as_sent_without_its_sid_is_not_claimed_by_the_next_one(
    orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio
) -> None:
    """The operator marks the first; the same words go out again, and the answer to those is lost too."""
    at_twilio(twilio, orphan)
    orphan.move(PartState.CHECKING)
    orphan.move(PartState.UNCERTAIN)
    decisions.mark_sent(orphan, actor=ANNA, now=timezone.now())
    second = left_in_the_middle(conversation)
    send(conversation, rounds=6)
    assert (state_of(orphan), state_of(second)) == (PartState.ACCEPTED, PartState.UNCERTAIN)
    assert len(twilio.messages) == 1


@pytest.mark.parametrize("ahead", [timedelta(hours=1), -timedelta(hours=1)], ids=["ahead", "behind"])
def test_a_wrong_clock_here_hides_no_text(
    ahead: timedelta, orphan: OutboundPart, conversation: Conversation, twilio: PretendTwilio
) -> None:
    """Twilio's clock is read off its answers. `ahead` of ours is ours when it posted and ours no more."""
    sid = at_twilio(twilio, orphan)
    OutboundPart.objects.filter(pk=orphan.pk).update(posted_at=timezone.now() + ahead)
    send(conversation, rounds=6)
    assert (state_of(orphan), orphan.sid) == (PartState.ACCEPTED, sid)
    assert len(twilio.messages) == 1


@pytest.mark.parametrize(
    ("posted", "ahead", "earliest"),
    [
        (-10, 0, -15),
        (-10, 3600, -15),  # our clock is behind Twilio's: earlier is safe
        (-10, -3600, -3615),  # ours is ahead
        (-10, None, -130),
        (10, 0, None),  # ours was set back since the post
    ],
)
def test_where_the_search_begins(posted: float, ahead: float | None, earliest: float | None) -> None:
    now = timezone.now()
    offset = None if ahead is None else timedelta(seconds=ahead)
    begins = reconcile._earliest(now + timedelta(seconds=posted), offset, now)
    assert begins == (None if earliest is None else now + timedelta(seconds=earliest))


class TestMarkedAsSent:
    @pytest.fixture
    def uncertain(self, orphan: OutboundPart) -> OutboundPart:
        orphan.move(PartState.CHECKING)
        orphan.move(PartState.UNCERTAIN, candidates=[SID])
        return orphan

    def test_with_its_sid_it_gets_the_reports_that_came_before(self, uncertain: OutboundPart) -> None:
        delivery.record(_account(), told(uncertain, "delivered", sid=SID, token=False), now=timezone.now())
        decisions.mark_sent(uncertain, actor=ANNA, now=timezone.now(), sid=f" {SID} ")
        uncertain.refresh_from_db()
        assert (uncertain.sid, uncertain.delivery, uncertain.candidates) == (SID, Delivery.DELIVERED, [])

    def test_without_it_a_later_report_brings_it(self, uncertain: OutboundPart) -> None:
        decisions.mark_sent(uncertain, actor=ANNA, now=timezone.now())
        delivery.record(_account(), told(uncertain, "delivered", sid=SID), now=timezone.now())
        uncertain.refresh_from_db()
        assert (uncertain.sid, uncertain.delivery) == (SID, Delivery.DELIVERED)

    @pytest.mark.parametrize("sid", ["SM1", "SMS" + "a" * 31, "SM" + "A" * 32, "'; drop"])
    def test_what_is_no_sid_is_refused_in_one_sentence(self, sid: str, uncertain: OutboundPart) -> None:
        with pytest.raises(UnusableSid, match="copy it from Twilio's log"):
            decisions.mark_sent(uncertain, actor=ANNA, now=timezone.now(), sid=sid)
        assert state_of(uncertain) == PartState.UNCERTAIN

    def test_a_sid_of_another_text_of_ours_is_refused(
        self, uncertain: OutboundPart, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        message = write(conversation, "another")
        send(conversation)
        with pytest.raises(UnusableSid, match="another text of ours"):
            decisions.mark_sent(uncertain, actor=ANNA, now=timezone.now(), sid=only(message).sid)


class TestAnUndeliveredText:
    @pytest.fixture
    def undelivered(self, conversation: Conversation, twilio: PretendTwilio) -> OutboundPart:
        message = write(conversation, "hi")
        send(conversation)
        part = only(message)
        delivery.record(_account(), told(part, "undelivered", sid=part.sid, code=30003), now=timezone.now())
        return only(message)

    def test_can_be_sent_again_once_as_a_new_text(
        self, undelivered: OutboundPart, conversation: Conversation, twilio: PretendTwilio
    ) -> None:
        twin = OutboundPart.objects.get(pk=undelivered.pk)
        decisions.send_again(undelivered, actor=ANNA, now=timezone.now())
        with pytest.raises(AlreadyDecided):
            decisions.send_again(twin, actor=ANNA, now=timezone.now())
        send(conversation)
        assert [message.body for message in twilio.messages] == ["hi", "hi"]
        assert Delivery(undelivered.delivery) is Delivery.UNDELIVERED
