"""Pictures received: fetched for those who may talk, kept, handed on, explained where they are missing."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.messaging import media
from openclaw_sms.messaging.media import MOST_TOGETHER, MOST_TRIES
from openclaw_sms.models import (
    AllowedSender,
    InboundMessage,
    InboundState,
    MediaBytes,
    MediaItem,
    MediaState,
    Reason,
    SenderSource,
    SmsAccount,
)
from tests.messaging import agents
from tests.support.loopback import Answer, LoopbackServer, Request
from tests.support.phone import Phone, mms, work
from tests.support.pictures import AMR, CARD, HTML, JPEG, PDF, SVG, filled, png
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db


def asked_for(twilio: PretendTwilio) -> int:
    return sum(held.asked for held in twilio.media.values())


def let_it_be_due() -> None:
    """As if the back-off were over."""
    InboundMessage.objects.filter(state=InboundState.RECEIVED).update(next_attempt_at=timezone.now())


class TestAPicture:
    def test_of_an_approved_sender_reaches_the_agent(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"), body="look")
        [question] = agents.asked
        [attachment] = question.attachments
        assert (question.text, attachment.content_type, attachment.data) == ("look", "image/png", png())
        assert text.state == InboundState.ANSWERED
        assert alice.heard() == ["You said look"]

    def test_alone_reaches_the_agent_too(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (JPEG, "image/jpeg"))
        assert (agents.asked[0].text, agents.asked[0].words) == ("", "[1 picture]")
        assert text.state == InboundState.ANSWERED

    def test_is_kept(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"))
        [item] = text.media.all()
        assert (item.state, item.content_type, item.size) == (MediaState.KEPT, "image/png", len(png()))
        assert bytes(item.content.data) == png()

    def test_keeps_its_place_among_others(self, alice: Phone, twilio: PretendTwilio) -> None:
        files = [(png((shade, 0, 0)), "image/png") for shade in range(10)]
        alice.sends(twilio, *files)
        assert [each.data for each in agents.asked[0].attachments] == [data for data, _ in files]

    def test_is_named_in_the_history_of_later_texts(
        self, alice: Phone, twilio: PretendTwilio, settings: Settings
    ) -> None:
        settings.SMS_AGENT_HISTORY = 5
        alice.sends(twilio, (png(), "image/png"), (AMR, "audio/amr"))
        alice.texts("and now?")
        assert agents.asked[1].history[0].text == "[1 picture, 1 recording]"

    def test_of_other_kinds_is_handed_on_as_what_it_is(self, alice: Phone, twilio: PretendTwilio) -> None:
        alice.sends(twilio, (PDF, "application/pdf"), (CARD, "text/x-vcard"), (AMR, "audio/amr"))
        types = [each.content_type for each in agents.asked[0].attachments]
        assert types == ["application/pdf", "text/vcard", "audio/amr"]


class TestNothingIsFetched:
    def test_for_a_stranger(self, bob: Phone, twilio: PretendTwilio) -> None:
        text = bob.sends(twilio, (png(), "image/png"))
        assert text.state == InboundState.HELD
        assert asked_for(twilio) == 0
        assert text.media.get().state == MediaState.WAITING

    def test_until_the_owner_has_the_text_answered(self, bob: Phone, twilio: PretendTwilio) -> None:
        text = bob.sends(twilio, (png(), "image/png"))
        let_in(bob)
        text.move(InboundState.RECEIVED)
        work()
        assert [each.data for each in agents.asked[0].attachments] == [png()]

    def test_for_a_text_that_is_for_another_account(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"), To="+15550007777")
        assert (text.state, asked_for(twilio)) == (InboundState.PARKED, 0)

    def test_twice(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"))
        InboundMessage.objects.filter(pk=text.pk).update(state=InboundState.RECEIVED)
        agents.answers.append("again")
        text.replies.all().delete()
        work()
        assert asked_for(twilio) == 1
        assert len(agents.asked[1].attachments) == 1

    def test_of_an_rcs_message(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"), body="hi", To="rcs:our_agent")
        assert (text.state, asked_for(twilio), text.media.count()) == (InboundState.ANSWERED, 0, 0)

    @pytest.mark.django_db(transaction=True)  # the owner is another thread
    def test_when_the_owner_shuts_the_sender_out_meanwhile(
        self, alice: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second judgement comes after the fetching: the agent sees nothing of it."""
        accounts.current()
        serve = twilio._serve

        def shut_out(held: object) -> Answer:
            SmsAccount.objects.update(dm_policy="disabled")
            return serve(held)  # type: ignore[arg-type]

        monkeypatch.setattr(twilio, "_serve", shut_out)
        text = alice.sends(twilio, (png(), "image/png"))
        assert (text.state, text.reason) == (InboundState.REFUSED, Reason.CHANNEL_DISABLED)
        assert agents.asked == []


class TestWhatCannotBeFetched:
    @pytest.mark.parametrize(
        ("data", "declared", "words"),
        [
            (HTML, "image/png", "[1 picture could not be fetched: of a kind that is not known here]"),
            (SVG, "image/svg+xml", "[1 picture could not be fetched: of a kind that is not known here]"),
            (png(), "video/mp4", "[1 video could not be fetched: not of the kind it is said to be]"),
            (b"", "image/png", "[1 picture could not be fetched: it is empty]"),
            (
                filled(JPEG, MOST_TOGETHER + 1),
                "image/jpeg",
                "[1 picture could not be fetched: too large]",
            ),
        ],
        ids=["html", "svg", "other family", "empty", "large"],
    )
    def test_is_said_to_the_agent_and_kept_for_the_operator(
        self, data: bytes, declared: str, words: str, alice: Phone, twilio: PretendTwilio
    ) -> None:
        text = alice.sends(twilio, (data, declared), body="look")
        assert agents.asked[0].text == f"look\n\n{words}"
        item = text.media.get()
        assert (item.state, item.why) == (MediaState.UNAVAILABLE, words[:-1].partition(": ")[2])
        assert not MediaBytes.objects.exists()

    def test_is_counted_by_kind_and_cause(self, alice: Phone, twilio: PretendTwilio) -> None:
        alice.sends(twilio, (HTML, "image/png"), (png(), "image/png"), (HTML, "image/png"), (HTML, "audio/amr"))
        unknown = "could not be fetched: of a kind that is not known here"
        assert agents.asked[0].text == f"[2 pictures {unknown}]\n[1 recording {unknown}]"
        assert len(agents.asked[0].attachments) == 1

    def test_together_five_megabytes_and_no_more(self, alice: Phone, twilio: PretendTwilio) -> None:
        half = filled(JPEG, MOST_TOGETHER // 2)
        alice.sends(twilio, (half, "image/jpeg"), (half, "image/jpeg"), (png(), "image/png"))
        assert len(agents.asked[0].attachments) == 2
        assert agents.asked[0].text == "[1 picture could not be fetched: too large]"

    def test_each_as_large_as_the_account_allows(self, alice: Phone, twilio: PretendTwilio) -> None:
        SmsAccount.objects.update(media_max_mb=0.01)
        accounts.forget()
        alice.sends(twilio, (filled(JPEG, 20_000), "image/jpeg"), (png(), "image/png"))
        assert [each.data for each in agents.asked[0].attachments] == [png()]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"NumMedia": "2"}, "[2 files could not be fetched: Twilio gave no address for it]"),
            ({"NumMedia": "many"}, "[1 file could not be fetched: Twilio did not say how many there are]"),
            ({"NumMedia": "-1"}, "[1 file could not be fetched: Twilio did not say how many there are]"),
            (
                {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x", "MediaContentType0": "image/png"},
                "[1 picture could not be fetched: not an address of Twilio's]",
            ),
            (
                {"NumMedia": "1", "MediaUrl0": "file:///etc/passwd\x00", "MediaContentType0": "image/png\x00"},
                "[1 picture could not be fetched: not an address of Twilio's]",
            ),
        ],
    )
    def test_when_the_form_is_odd(self, fields: dict[str, str], words: str, alice: Phone) -> None:
        text = alice.texts("", **fields)
        assert (text.state, agents.asked[0].text) == (InboundState.ANSWERED, words)

    def test_beyond_the_tenth(self, alice: Phone, twilio: PretendTwilio) -> None:
        fields = {**mms(twilio, *[(png(), "image/png")] * 10), "NumMedia": "12"}
        text = alice.texts("", **fields)
        assert len(agents.asked[0].attachments) == 10
        assert agents.asked[0].text == "[2 files could not be fetched: a text has at most 10]"
        assert text.media.count() == 11

    def test_for_good_is_not_asked_for_again(self, alice: Phone, twilio: PretendTwilio) -> None:
        fields = mms(twilio, (png(), "image/png"))
        next(iter(twilio.media.values())).failures.append(404)
        text = alice.texts("look", **fields)
        assert agents.asked[0].text == "look\n\n[1 picture could not be fetched: Twilio no longer has it]"
        assert (text.state, asked_for(twilio)) == (InboundState.ANSWERED, 1)


class TestTroubleThatPasses:
    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_is_waited_for_and_later_texts_wait_too(self, status: int, alice: Phone, twilio: PretendTwilio) -> None:
        fields = mms(twilio, (png(), "image/png"))
        next(iter(twilio.media.values())).failures.append(status)
        first = alice.texts("first", **fields)
        second = alice.texts("second")
        assert (first.state, first.reason) == (InboundState.RECEIVED, Reason.MEDIA_DELAYED)
        assert first.next_attempt_at is not None
        assert first.next_attempt_at > timezone.now() - timedelta(seconds=1)
        assert (second.state, agents.asked) == (InboundState.RECEIVED, [])
        let_it_be_due()
        work()
        assert [question.text for question in agents.asked] == ["first", "second"]
        assert len(agents.asked[0].attachments) == 1

    def test_costs_none_of_the_agents_tries(self, alice: Phone, twilio: PretendTwilio) -> None:
        fields = mms(twilio, (png(), "image/png"))
        next(iter(twilio.media.values())).failures.extend([500] * 3)
        alice.texts("look", **fields)
        for _ in range(3):
            let_it_be_due()
            work()
        assert [question.attempt for question in agents.asked] == [1]

    def test_that_does_not_pass_is_said(self, alice: Phone, twilio: PretendTwilio) -> None:
        fields = mms(twilio, (png(), "image/png"))
        next(iter(twilio.media.values())).failures.extend([503] * 99)
        text = alice.texts("look", **fields)
        for _ in range(MOST_TRIES):
            let_it_be_due()
            work()
        assert asked_for(twilio) == MOST_TRIES
        assert [question.text for question in agents.asked] == [
            "look\n\n[1 picture could not be fetched: Twilio answered 503]"
        ]
        text.refresh_from_db()
        assert (text.state, text.reason) == (InboundState.ANSWERED, "")

    def test_fetches_only_what_is_missing_the_next_time(self, alice: Phone, twilio: PretendTwilio) -> None:
        fields = mms(twilio, (png(), "image/png"), (JPEG, "image/jpeg"))
        first, second = twilio.media.values()
        second.failures.append(500)
        alice.texts("", **fields)
        let_it_be_due()
        work()
        assert (first.asked, second.asked) == (1, 2)
        assert [each.data for each in agents.asked[0].attachments] == [png(), JPEG]

    def test_a_crash_while_fetching_fetches_again(
        self, alice: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dies(*_: object, **__: object) -> None:
            raise DatabaseError("gone")

        with monkeypatch.context() as broken:
            broken.setattr(media, "_settle", dies)
            text = alice.sends(twilio, (png(), "image/png"))
        assert (text.state, text.reason) == (InboundState.RECEIVED, Reason.CRASHED)
        let_it_be_due()
        work()
        assert len(agents.asked[0].attachments) == 1


class Listener(LoopbackServer):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(200, png(), {"Content-Type": "image/png"})


def test_a_redirect_to_a_private_address_is_never_followed(alice: Phone, twilio: PretendTwilio) -> None:
    with Listener() as listener:
        fields = mms(twilio, (png(), "image/png"))
        next(iter(twilio.media.values())).elsewhere = f"{listener.origin}/secret"
        alice.texts("look", **fields)
        assert listener.requests == []
    assert "could not be fetched: Twilio pointed to an address that is not its own" in agents.asked[0].text


def test_a_repeated_post_notes_its_files_once(alice: Phone, twilio: PretendTwilio) -> None:
    fields = mms(twilio, (png(), "image/png"))
    for _ in range(2):
        alice.posts("look", **fields)
    assert MediaItem.objects.count() == 1


class TestErasing:
    def test_forgets_bytes_and_addresses_and_keeps_the_count(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"), (JPEG, "image/jpeg"))
        other = alice.sends(twilio, (png(), "image/png"))
        assert media.erase([text.pk]) == 2
        assert media.erase([text.pk]) == 0
        assert {(each.state, each.url, each.content_type) for each in text.media.all()} == {
            (MediaState.ERASED, "", "image/png"),
            (MediaState.ERASED, "", "image/jpeg"),
        }
        assert [each.item.inbound_id for each in MediaBytes.objects.all()] == [other.pk]

    def test_goes_with_the_text(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = alice.sends(twilio, (png(), "image/png"))
        text.replies.all().delete()
        InboundMessage.objects.filter(pk=text.pk).delete()
        assert not MediaItem.objects.exists()
        assert not MediaBytes.objects.exists()


def let_in(phone: Phone) -> None:
    AllowedSender.objects.create(account_id=phone.account.pk, number=phone.number, source=SenderSource.PAIRING)
