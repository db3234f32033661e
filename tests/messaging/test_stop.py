"""STOP means stop: over the real view, the real worker and a pretend Twilio."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.access import opt_out, pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import admission, decisions, outbox, worker
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    OptOut,
    OptOutSource,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
)
from tests.messaging import agents
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db
ANNA = Actor("cli:anna")


def outcome(text: InboundMessage) -> tuple[str, str]:
    text.refresh_from_db()
    return text.state, text.reason


def change(**columns: object) -> Account:
    """Set something on the account."""
    SmsAccount.objects.update(**columns)
    accounts.forget()
    return accounts.choose(None)


def conversation_of(phone: Phone) -> Conversation:
    return Conversation.objects.get(account_id=phone.account.pk, sender=phone.number)


def write(phone: Phone, words: str = "news", kind: OutboundKind = OutboundKind.MESSAGE) -> OutboundMessage:
    to, _ = Conversation.objects.get_or_create(account_id=phone.account.pk, sender=phone.number)
    return outbox.write(to, words, kind=kind, author="cli:anna", limit=1500, now=timezone.now())


SPELLINGS = ["STOP", "stop", " Stop \n", "Stop.", "stop!!", "“STOP”", "STOPALL", "unsubscribe", "Cancel", "ＳＴＯＰ"]


class TestStop:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_reaches_no_agent_and_draws_no_reply(self, alice: Phone, twilio: PretendTwilio, spelling: str) -> None:
        text = alice.texts(spelling)
        assert outcome(text) == (InboundState.SILENT, Reason.STOP_WORD)
        assert agents.asked == []
        assert twilio.posts_to(cast.ALICE) == []
        row = OptOut.objects.get()
        assert (row.number, row.source, row.sid, row.changed_at) == (
            cast.ALICE, OptOutSource.KEYWORD, text.sid, text.received_at,
        )  # fmt: skip

    def test_is_known_before_twilio_is_answered(self, alice: Phone) -> None:
        assert alice.posts("stop").status_code == 200  # no worker has looked at it
        assert opt_out.is_out(alice.account.pk, cast.ALICE)

    def test_by_twilios_own_reading_whatever_the_words(self, alice: Phone) -> None:
        text = alice.texts("Arrêtez", OptOutType="STOP")
        assert outcome(text) == (InboundState.SILENT, Reason.STOP_WORD)
        assert OptOut.objects.get().source == OptOutSource.TWILIO_OPT_OUT_TYPE

    def test_of_a_stranger_draws_no_code_and_takes_no_place(self, bob: Phone, twilio: PretendTwilio) -> None:
        assert outcome(bob.texts("STOP")) == (InboundState.SILENT, Reason.STOP_WORD)
        assert outcome(bob.texts("hello?")) == (InboundState.REFUSED, Reason.OPTED_OUT)
        assert not PairingRequest.objects.exists()
        assert twilio.posts_to(cast.BOB) == []

    @pytest.mark.parametrize("policy", ["allowlist", "disabled", "open"])
    def test_is_recorded_under_every_policy(self, bob: Phone, policy: str) -> None:
        change(dm_policy=policy)
        assert outcome(bob.texts("stop")) == (InboundState.SILENT, Reason.STOP_WORD)
        assert opt_out.is_out(bob.account.pk, cast.BOB)

    def test_is_recorded_by_an_account_that_was_just_switched_off(self, alice: Phone) -> None:
        alice.posts("stop", MessageSid="SM1")
        OptOut.objects.all().delete()  # as if stored by an earlier version
        change(enabled=False)
        work()
        assert opt_out.is_out(alice.account.pk, cast.ALICE)

    def test_for_another_number_is_shown_and_changes_nothing(self, alice: Phone) -> None:
        text = alice.texts("stop", To="+15550007777")
        assert outcome(text) == (InboundState.PARKED, Reason.WRONG_NUMBER)
        assert not OptOut.objects.exists()

    def test_of_a_short_code_is_no_opt_out(self, alice: Phone) -> None:
        assert outcome(Phone("12345", alice.account).texts("STOP")) == (InboundState.REFUSED, Reason.SHORT_CODE)
        assert not OptOut.objects.exists()

    def test_cancels_what_waits_and_says_so(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21408), to=cast.ALICE)
        failed = write(alice, "one " * 20).parts
        OutboundPart.objects.update(state=PartState.BLOCKED)
        queued = write(alice).parts.get()
        sending = write(alice, "on its way").parts.get()
        sending.move(PartState.SENDING)
        alice.posts("stop")
        queued.refresh_from_db()
        assert (queued.state, queued.reason, queued.detail) == (
            PartState.CANCELLED, Reason.OPTED_OUT, Reason.OPTED_OUT.label,
        )  # fmt: skip
        assert failed.get().state == PartState.CANCELLED
        assert OutboundPart.objects.get(pk=sending.pk).state == PartState.SENDING

    def test_while_the_agent_thinks_keeps_its_reply_back(
        self, alice: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def think(question: object) -> str:
            alice.posts("STOP")
            return "Too late."

        monkeypatch.setattr(agents, "scripted", think)
        worker.agent.cache_clear()
        text = alice.texts("tell me a story")
        assert outcome(text) == (InboundState.REFUSED, Reason.OPTED_OUT)
        assert twilio.posts_to(cast.ALICE) == []

    def test_while_the_agent_fails_spares_them_the_apology(
        self, alice: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(question: object) -> str:
            alice.posts("STOP")
            raise agents.broken()

        monkeypatch.setattr(agents, "scripted", fail)
        worker.agent.cache_clear()
        assert outcome(alice.texts("hi")) == (InboundState.PARKED, Reason.AGENT_FAILED)
        assert alice.heard() == []

    def test_survives_a_new_approval_which_says_so(self, bob: Phone, twilio: PretendTwilio) -> None:
        bob.texts("hello")
        bob.texts("stop")
        before = len(twilio.posts_to(cast.BOB))
        code = PairingRequest.objects.get().code
        done = admission.approve(code, actor=ANNA, now=timezone.now(), notify=True)
        assert "opted out" in done.warning
        work()
        assert outcome(bob.texts("hi")) == (InboundState.REFUSED, Reason.OPTED_OUT)
        assert len(twilio.posts_to(cast.BOB)) == before

    def test_a_failed_part_to_them_cannot_be_sent_again(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21408), to=cast.ALICE)
        part = write(alice).parts.get()
        work()
        part.refresh_from_db()
        alice.texts("stop")
        with pytest.raises(Withheld, match=r"\+1555\*\*\*1111 has opted out; they can text START"):
            decisions.send_again(part, actor=ANNA, now=timezone.now())


class TestWhoIsOut:
    def test_is_heard_but_not_answered(self, alice: Phone) -> None:
        alice.texts("stop")
        text = alice.texts("are you there?")
        assert outcome(text) == (InboundState.REFUSED, Reason.OPTED_OUT)
        assert agents.asked == []

    @pytest.mark.parametrize("word", ["START", "unstop", "Yes!"])
    def test_comes_back_with_one_word(self, alice: Phone, word: str) -> None:
        alice.texts("stop")
        assert outcome(alice.texts(word)) == (InboundState.SILENT, Reason.START_WORD)
        assert outcome(alice.texts("hello again")) == (InboundState.ANSWERED, Reason.NONE)
        assert [question.text for question in agents.asked] == ["hello again"]

    def test_yes_means_yes_to_the_agent_for_those_who_are_not(self, alice: Phone) -> None:
        assert outcome(alice.texts("yes")) == (InboundState.ANSWERED, Reason.NONE)

    def test_start_of_who_is_not_out_is_a_keyword_all_the_same(self, alice: Phone, bob: Phone) -> None:
        assert outcome(alice.texts("START")) == (InboundState.SILENT, Reason.START_WORD)
        assert outcome(bob.texts("START")) == (InboundState.SILENT, Reason.START_WORD)
        assert agents.asked == []
        assert not OutboundMessage.objects.exists()

    def test_a_start_that_was_said_before_the_stop_does_not_undo_it(self, alice: Phone) -> None:
        alice.posts("START")
        alice.posts("STOP")
        work()
        assert opt_out.is_out(alice.account.pk, cast.ALICE)


class TestHelp:
    @pytest.mark.parametrize("word", ["HELP", "info"])
    def test_never_reaches_the_agent(self, alice: Phone, word: str) -> None:
        assert outcome(alice.texts(word)) == (InboundState.SILENT, Reason.HELP_WORD)
        assert agents.asked == []
        assert alice.heard() == []


class TestWhereTwilioDoesNotAnswer:
    @pytest.fixture(autouse=True)
    def we_answer(self, account: Account) -> None:
        change(answer_opt_out=True, help_text="Desk of Anna: +1 555 000 9999.")

    def test_stop_is_confirmed_once(self, alice: Phone, twilio: PretendTwilio) -> None:
        alice.texts("hi")
        alice.texts("stop")
        alice.texts("stop")
        assert [message.body[:23] for message in twilio.messages_to(cast.ALICE)] == [
            "You said hi",
            "You have opted out and ",
        ]

    def test_a_strangers_stop_costs_nothing(self, bob: Phone, twilio: PretendTwilio) -> None:
        bob.texts("stop")
        assert twilio.posts_to(cast.BOB) == []

    def test_start_is_confirmed(self, alice: Phone) -> None:
        alice.texts("stop")
        alice.texts("start")
        assert alice.heard()[-1].startswith("Welcome back")

    def test_help_gets_the_accounts_words_even_when_out(self, alice: Phone, twilio: PretendTwilio) -> None:
        alice.texts("stop")
        alice.texts("help")
        assert [message.body for message in twilio.messages_to(cast.ALICE)] == ["Desk of Anna: +1 555 000 9999."]

    def test_help_has_words_of_its_own_otherwise(self, alice: Phone) -> None:
        change(help_text="")
        alice.texts("info")
        assert "Text STOP" in alice.heard()[0]

    def test_help_without_end_draws_three_answers_a_day(self, bob: Phone) -> None:
        for _ in range(6):
            bob.texts("help")
        assert len(bob.heard()) == 3

    def test_nothing_else_goes_to_who_is_out(self, alice: Phone) -> None:
        alice.texts("stop")
        with pytest.raises(Withheld):
            write(alice)


class TestTwilioKnowsOfAStopThatWeHaveNotSeen:
    def test_from_the_answer_to_a_post(self, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21610), to=cast.ALICE)
        part = write(alice).parts.get()
        later = write(alice, "and more").parts.get()
        work()
        part.refresh_from_db()
        later.refresh_from_db()
        assert (part.state, part.reason, part.error_code) == (PartState.FAILED, Reason.OPTED_OUT, 21610)
        assert (later.state, later.reason) == (PartState.CANCELLED, Reason.OPTED_OUT)
        assert OptOut.objects.get().source == OptOutSource.TWILIO_21610
        assert len(twilio.posts_to(cast.ALICE)) == 1

    def test_from_a_status_report(self, alice: Phone) -> None:
        write(alice)
        work()
        sid = OutboundPart.objects.get().sid
        alice.posts("", MessageSid=sid, MessageStatus="undelivered", ErrorCode="21610")
        assert opt_out.is_out(alice.account.pk, cast.ALICE)


class TestAPlea:
    def test_raises_a_flag_and_nothing_else(self, alice: Phone) -> None:
        text = alice.texts("Please stop texting me.")
        assert outcome(text) == (InboundState.ANSWERED, Reason.NONE)
        talk = conversation_of(alice)
        assert (talk.flag, talk.flag_sid) == ("words", text.sid)
        assert AuditEvent.objects.get().action == "flag.raised"
        assert not opt_out.is_out(alice.account.pk, cast.ALICE)

    def test_may_be_the_agents_reading(self, alice: Phone) -> None:
        agents.answers.append("I will tell the owner.\n\n[[asked_to_stop]]")
        alice.texts("ugh, enough of this")
        assert alice.heard() == ["I will tell the owner."]
        assert conversation_of(alice).flag == "agent"

    def test_may_be_all_that_the_agent_says(self, alice: Phone) -> None:
        agents.answers.append("[[asked_to_stop]]")
        assert outcome(alice.texts("enough")) == (InboundState.SILENT, Reason.AGENT_DECLINED)
        assert conversation_of(alice).flag == "agent"


class TestStrangersCostLittle:
    def test_three_codes_a_day_and_sender(self, bob: Phone) -> None:
        for _ in range(5):
            last = bob.texts("hello")
            PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert len(bob.heard()) == 3
        assert outcome(last) == (InboundState.REFUSED, Reason.PAIRING_SPENT_SENDER)

    def test_on_whatsapp_nobody_gets_another_three(self, bob: Phone) -> None:
        change(whatsapp=True)
        for _ in range(3):
            bob.texts("hello")
            PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        there = Phone(f"whatsapp:{cast.BOB}", accounts.choose(None))
        last = there.texts("hello", To=f"whatsapp:{cast.OUR_NUMBER}")
        assert there.heard() == []
        assert outcome(last) == (InboundState.REFUSED, Reason.PAIRING_SPENT_SENDER)

    def test_the_day_is_the_last_24_hours(self, bob: Phone) -> None:
        change(pairing_replies_per_sender=1)
        bob.texts("hello")
        PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        OutboundMessage.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
        assert outcome(bob.texts("hello")) == (InboundState.HELD, Reason.AWAITING_APPROVAL)

    def test_so_many_a_day_and_account_and_the_owner_is_told_once(self, bob: Phone, twilio: PretendTwilio) -> None:
        owner = "+15550004444"
        change(pairing_replies_per_day=2, owner_numbers=[owner])
        for number in range(5):
            stranger = Phone(f"+1555000333{number}", bob.account)
            text = stranger.texts("hi")
            pairing.pending(timezone.now()).update(expires_at=timezone.now() - timedelta(seconds=1))
        work()
        assert outcome(text) == (InboundState.REFUSED, Reason.PAIRING_SPENT)
        told = [message.body for message in twilio.messages_to(owner)]
        assert len(twilio.messages) == 2 + len(told)
        assert ["as many pairing codes" in words for words in told] == [False, False, True]

    def test_a_full_waiting_room_is_told_once_too(self, bob: Phone, twilio: PretendTwilio) -> None:
        owner = "+15550004444"
        change(owner_numbers=[owner])
        for number in range(6):
            Phone(f"+1555000333{number}", bob.account).texts("hi")
        work()
        told = [message.body for message in twilio.messages_to(owner)]
        assert len(twilio.messages) == 3 + len(told)
        assert ["all places for strangers" in words for words in told] == [False, False, False, True]

    def test_a_country_that_is_not_wanted_costs_nothing(self, bob: Phone, twilio: PretendTwilio) -> None:
        change(allow_countries=["ca", "AT"])
        refused = Phone("+12125551234", bob.account).texts("hi")
        assert outcome(refused) == (InboundState.REFUSED, Reason.COUNTRY)
        for number in ("+14165551234", "+436601234567"):
            assert outcome(Phone(number, bob.account).texts("hi"))[0] == InboundState.HELD
        assert len(twilio.messages) == 2

    def test_a_country_list_is_for_strangers_only(self, alice: Phone) -> None:
        change(allow_countries=["AT"])
        assert outcome(alice.texts("hi"))[0] == InboundState.ANSWERED

    def test_a_number_of_another_account_of_ours_is_never_answered(self, bob: Phone, twilio: PretendTwilio) -> None:
        SmsAccount.objects.create(account_id="support", from_number="+15550005555")
        accounts.forget()
        text = Phone("+15550005555", bob.account).texts("hello")
        assert outcome(text) == (InboundState.REFUSED, Reason.OWN_NUMBER)
        assert twilio.messages == []


class TestTwoMachines:
    def test_cannot_text_each_other_for_ever(self, alice: Phone, twilio: PretendTwilio) -> None:
        change(replies_per_hour=4, owner_numbers=["+15550004444"])
        for _ in range(7):
            last = alice.texts("thank you for your message")
        work()
        assert outcome(last) == (InboundState.PARKED, Reason.REPLY_CAP)
        assert len(agents.asked) == 4
        assert len(twilio.messages_to(cast.ALICE)) == 4
        assert len(twilio.messages_to("+15550004444")) == 1

    def test_the_operator_may_have_it_answered_after_the_hour(self, alice: Phone) -> None:
        change(replies_per_hour=1)
        alice.texts("one")
        parked = alice.texts("two")
        assert outcome(parked) == (InboundState.PARKED, Reason.REPLY_CAP)
        OutboundMessage.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))
        decisions.answer_now(parked, actor=ANNA, now=timezone.now())
        work()
        assert outcome(parked) == (InboundState.ANSWERED, Reason.NONE)


def test_a_listed_sender_may_opt_out_and_stays_listed(bob: Phone) -> None:
    AllowedSender.objects.create(account_id=bob.account.pk, number=cast.BOB, source="console")
    change()
    bob.texts("stop")
    bob.texts("start")
    assert outcome(bob.texts("hi")) == (InboundState.ANSWERED, Reason.NONE)
