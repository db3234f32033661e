"""Pictures on their way out: with the first part, under fresh addresses, once, and on WhatsApp as WhatsApp has it."""

import base64
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access.audit import Actor
from openclaw_sms.agents.base import Reply
from openclaw_sms.config import accounts
from openclaw_sms.messaging import admission, enclosures, hosting, media, outbox, reconcile, worker
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.models import (
    AllowedSender,
    Conversation,
    InboundMessage,
    InboundState,
    MediaItem,
    MediaState,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
)
from openclaw_sms.twilio.client import Found
from tests.messaging import agents
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pictures import CARD, HTML, JPEG, png
from tests.support.pretend_twilio import ACCEPT_THEN_DROP, DROP, Message, PretendTwilio, throttled

pytestmark = pytest.mark.django_db
OURS = re.compile(r"https://gateway\.example\.com/webhooks/sms/media/[A-Za-z0-9_.=-]+")
ELSEWHERE = "https://example.com/cat.png"


@pytest.fixture(autouse=True)
def twilio_is_never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "TAKEN_LATE", timedelta(0))


def send(rounds: int = 1) -> None:
    for _ in range(rounds):
        for conversation in Conversation.objects.all():
            worker.send(conversation.pk)
        OutboundPart.objects.update(next_attempt_at=None)


def write(phone: Phone, text: str, *files: Enclosure) -> OutboundMessage:
    conversation, _ = Conversation.objects.get_or_create(account_id=phone.account.pk, sender=phone.number)
    return outbox.write(
        conversation,
        text,
        kind=OutboundKind.MESSAGE,
        author="cli:anna",
        limit=100,
        now=timezone.now(),
        enclosures=files,
    )


def served(message: Message) -> list[bytes]:
    """What Twilio would find at the addresses of a text, "" where they lead to somebody else."""
    found = []
    for url in message.media_urls:
        token = url.rpartition("/media/")[2] if OURS.fullmatch(url) else ""
        hosted = hosting.find(token, accounts.choose(None))
        found.append(b"" if hosted is None else hosted.data)
    return found


PICTURE = Enclosure("image/png", png())


class TestAnAgentsPicture:
    def test_goes_with_the_first_part(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("word " * 500, (png(), ELSEWHERE)))
        text = alice.texts("draw")
        first, *others = twilio.messages_to(cast.ALICE)
        assert text.state == InboundState.ANSWERED
        assert (served(first), first.media_urls[1]) == ([png(), b""], ELSEWHERE)
        assert {other.media_urls for other in others} == {()}
        assert first.body.startswith("word word")

    def test_needs_no_words(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("", (f"data:image/png;base64,{base64.b64encode(png()).decode()}",)))
        alice.texts("draw")
        [message] = twilio.messages_to(cast.ALICE)
        assert (message.body, served(message)) == ("", [png()])

    def test_inside_its_markdown_is_sent_as_the_picture_it_is(self, alice: Phone, twilio: PretendTwilio) -> None:
        encoded = base64.b64encode(png()).decode()
        agents.answers.append(f"**Here:**\n\n![a cat](data:image/png;base64,{encoded})\n\n![dog]({ELSEWHERE})")
        alice.texts("draw")
        [message] = twilio.messages_to(cast.ALICE)
        assert served(message) == [png()]
        assert message.body == f"Here:\n\ndog ({ELSEWHERE})"

    def test_that_cannot_be_sent_does_not_cost_the_words(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("hello", ("http://10.0.0.1/x.png", HTML)))
        text = alice.texts("draw")
        [message] = twilio.messages_to(cast.ALICE)
        assert (message.body, message.media_urls, text.state) == ("hello", (), InboundState.ANSWERED)
        reasons = [item.why for item in MediaItem.objects.filter(state=MediaState.UNAVAILABLE)]
        assert ["https://" in reasons[0], "kind" in reasons[1]] == [True, True]

    def test_alone_that_cannot_be_sent_is_for_the_operator(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("", (HTML,)))
        text = alice.texts("draw")
        assert (text.state, text.reason) == (InboundState.PARKED, Reason.MEDIA_UNSENDABLE)
        assert "kind that cannot be sent" in text.detail
        assert len(alice.heard()) == 1  # the apology

    def test_beside_a_contact_card_words_go_by_themselves(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("here she is", (CARD,)))
        alice.texts("Bob's number?")
        card, words = twilio.messages_to(cast.ALICE)
        assert (card.body, served(card), words.body, words.media_urls) == ("", [CARD], "here she is", ())


class TestTheAddress:
    def test_is_fresh_for_each_try(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(throttled(0))
        write(alice, "hi", PICTURE)
        send()
        OutboundPart.objects.update(next_attempt_at=None)
        send()
        urls = [post.form["MediaUrl"] for post in twilio.posts_to(cast.ALICE)]
        assert len(urls) == 2
        assert all(map(OURS.fullmatch, urls))
        assert all(hosting.find(url.rpartition("/media/")[2], alice.account) for url in urls)

    def test_is_the_accounts_alone(self, alice: Phone) -> None:
        item = kept(alice)
        other = SmsAccount.objects.create(account_id="other", account_sid="AC2", auth_token="x", from_number="+1")
        token = token_of(hosting.address_of(item, alice.account))
        assert hosting.find(token, alice.account) is not None
        assert hosting.find(token, accounts.load().by_id[other.account_id]) is None

    def test_ends_when_the_file_is_erased(self, alice: Phone) -> None:
        item = kept(alice)
        token = token_of(hosting.address_of(item, alice.account))
        assert item.part is not None
        assert media.erase_sent([item.part.message_id]) == 1
        assert hosting.find(token, alice.account) is None

    def test_keeps_the_public_urls_query_and_drops_its_fragment(self, alice: Phone) -> None:
        item = kept(alice)
        SmsAccount.objects.update(public_webhook_url="https://a.example.com/sms/?key=1#rc=2")
        accounts.forget()
        address = hosting.address_of(item, accounts.choose(None))
        assert re.fullmatch(r"https://a\.example\.com/sms/media/[^/?#]+\?key=1", address)

    def test_of_a_file_received_is_given_to_nobody(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"))
        token = token_of(hosting.address_of(text.media.get(), alice.account))
        assert hosting.find(token, alice.account) is None

    def test_that_twilio_could_not_reach_fails_the_part_with_the_fix(
        self, alice: Phone, twilio: PretendTwilio
    ) -> None:
        write(alice, "hi", PICTURE)
        SmsAccount.objects.update(public_webhook_url="http://gateway.example.com/webhooks/sms")
        accounts.forget()
        send()
        part = OutboundPart.objects.get()
        assert (part.state, part.reason) == (PartState.FAILED, Reason.MEDIA_UNSERVED)
        assert twilio.posts == []


class TestALostAnswer:
    def test_of_a_picture_without_words_is_found_again(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(ACCEPT_THEN_DROP)
        write(alice, "", PICTURE)
        send(rounds=4)
        assert OutboundPart.objects.get().state == PartState.ACCEPTED
        assert len(twilio.messages_to(cast.ALICE)) == 1

    def test_to_a_post_that_was_not_taken_is_sent_again_with_its_picture(
        self, alice: Phone, twilio: PretendTwilio
    ) -> None:
        twilio.fails_next(DROP)
        write(alice, "look", PICTURE)
        send(rounds=6)
        [message] = twilio.messages_to(cast.ALICE)
        assert served(message) == [png()]

    def test_on_a_trial_account_is_found_by_the_words_twilio_put_there(self) -> None:
        assert reconcile._words_of(found("Sent from your Twilio trial account -")) == ""
        assert reconcile._words_of(found("Sent from your Twilio trial account - hi ")) == "hi"


def found(body: str) -> Found:
    return Found(sid="SM" + "0" * 32, status="sent", body=body, error_code=None, created_at=None)


class TestWhatsApp:
    @pytest.fixture
    def bob(self, alice: Phone) -> Phone:
        SmsAccount.objects.update(whatsapp=True)
        accounts.forget()
        return Phone(f"whatsapp:{cast.BOB}", accounts.choose(None))

    @pytest.fixture
    def alice_there(self, bob: Phone) -> Phone:
        return Phone(f"whatsapp:{cast.ALICE}", bob.account)

    def test_is_refused_with_its_reason_unless_the_account_takes_it(self, alice: Phone) -> None:
        text = Phone(f"whatsapp:{cast.ALICE}", alice.account).texts("hi", To=f"whatsapp:{cast.OUR_NUMBER}")
        assert (text.state, text.reason) == (InboundState.REFUSED, Reason.WHATSAPP_DISABLED)

    def test_answers_where_it_was_asked(self, alice_there: Phone, twilio: PretendTwilio) -> None:
        """Alice was approved by her number; on WhatsApp she is the same person, in a conversation of its own."""
        text = alice_there.texts("hi", To=f"whatsapp:{cast.OUR_NUMBER}")
        assert (text.state, text.sender) == (InboundState.ANSWERED, alice_there.number)
        [message] = twilio.messages_to(alice_there.number)
        assert (message.sender, message.body) == (f"whatsapp:{cast.OUR_NUMBER}", "You said hi")
        assert agents.asked[0].sender == alice_there.number
        assert OutboundPart.objects.get().segments == 1

    def test_for_another_number_is_not_ours(self, alice_there: Phone) -> None:
        text = alice_there.texts("hi", To="whatsapp:+15550007777")
        assert (text.state, text.reason) == (InboundState.PARKED, Reason.WRONG_NUMBER)

    def test_strangers_pair_by_their_number(self, bob: Phone, twilio: PretendTwilio) -> None:
        bob.texts("let me in", To=f"whatsapp:{cast.OUR_NUMBER}")
        request = PairingRequest.objects.get()
        assert request.code in twilio.messages_to(bob.number)[0].body
        admission.approve(request.code, actor=Actor("cli:anna"), now=timezone.now(), notify=True)
        work()
        assert AllowedSender.objects.filter(number=cast.BOB).count() == 1
        assert "approved" in twilio.messages_to(bob.number)[1].body
        assert bob.texts("hi", To=f"whatsapp:{cast.OUR_NUMBER}").state == InboundState.ANSWERED
        assert Phone(cast.BOB, bob.account).texts("and by text").state == InboundState.ANSWERED

    def test_parts_are_no_longer_than_twilio_takes(self, alice_there: Phone, twilio: PretendTwilio) -> None:
        SmsAccount.objects.update(text_chunk_limit=1600)
        accounts.forget()
        agents.answers.append("word " * 800)
        alice_there.texts("talk", To=f"whatsapp:{cast.OUR_NUMBER}")
        sizes = [len(message.body) for message in twilio.messages_to(alice_there.number)]
        assert len(sizes) == 3
        assert max(sizes) <= 1600

    def test_pictures_go_one_a_message(self, alice_there: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(Reply("two", (png(), JPEG)))
        alice_there.texts("draw", To=f"whatsapp:{cast.OUR_NUMBER}")
        first, second = twilio.messages_to(alice_there.number)
        assert (first.body, served(first), second.body, served(second)) == ("two", [png()], "", [JPEG])

    def test_a_lost_answer_is_asked_for_under_whatsapps_addresses(
        self, alice_there: Phone, twilio: PretendTwilio
    ) -> None:
        twilio.fails_next(ACCEPT_THEN_DROP)
        write(alice_there, "hi")
        send(rounds=4)
        assert OutboundPart.objects.get().state == PartState.ACCEPTED
        assert len(twilio.messages_to(alice_there.number)) == 1


def test_an_rcs_sender_is_answered_as_the_number_it_is(alice: Phone, twilio: PretendTwilio) -> None:
    text = Phone(f"rcs:{cast.ALICE}", alice.account).texts("hi")
    assert (text.state, text.sender) == (InboundState.ANSWERED, cast.ALICE)
    assert Conversation.objects.count() == 1
    assert len(twilio.messages_to(cast.ALICE)) == 1
    assert InboundMessage.objects.count() == 1


def test_a_file_too_many_is_refused_and_the_others_go() -> None:
    account = accounts.Account(pk=1, id="default", public_webhook_url=cast.PUBLIC_URL)
    enclosed = enclosures.of_reply([ELSEWHERE] * 12, "", account)
    assert (len(enclosed.sendable), len(enclosed.refused)) == (10, 2)


def kept(phone: Phone) -> MediaItem:
    part = write(phone, "hi", PICTURE).parts.get()
    return part.media.get()


def token_of(address: str) -> str:
    return address.rpartition("/media/")[2].partition("?")[0]
