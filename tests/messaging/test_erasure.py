"""Words go, counts stay, and what is in hand is left alone."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import opt_out
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.messaging import decisions, dossier, erasure, history, lease, outbox
from openclaw_sms.messaging.erasure import Erased, NothingStored, StillBusy
from openclaw_sms.messaging.lease import Lane
from openclaw_sms.messaging.retention import Housekeeping
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    Conversation,
    InboundMessage,
    InboundState,
    MediaBytes,
    MediaItem,
    MediaState,
    OptOut,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    OwnerNotice,
    PairingRequest,
    PairingState,
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


def age(days: float) -> None:
    """Let everything stored so far be so old."""
    then = timezone.now() - timedelta(days=days)
    InboundMessage.objects.update(received_at=then)
    OutboundMessage.objects.update(created_at=then)


def erase(days: int = 30) -> Erased:
    now = timezone.now()
    return erasure.older_than(now - timedelta(days=days), now=now)


def words() -> set[str]:
    """Every word that is stored anywhere."""
    stored = [*InboundMessage.objects.values_list("body", flat=True)]
    stored += [bytes(form).decode() for form in InboundMessage.objects.values_list("form", flat=True)]
    stored += [*OutboundMessage.objects.values_list("text", flat=True)]
    stored += [*OutboundPart.objects.values_list("body", flat=True)]
    return {word for word in stored if word}


class TestAfterSomeDays:
    def test_words_and_forms_are_gone_and_rows_stay(self, alice: Phone) -> None:
        alice.texts("my secret", MessageSid="SM1")
        age(31)
        assert erase() == Erased(received=1, sent=1)
        assert words() == set()
        text = InboundMessage.objects.get()
        assert (text.sid, text.state, text.sender) == ("SM1", InboundState.ANSWERED, cast.ALICE)
        assert OutboundPart.objects.get().state == PartState.ACCEPTED
        assert erase() == Erased()

    def test_younger_ones_are_kept(self, alice: Phone) -> None:
        alice.texts("hello")
        age(29)
        assert not erase()
        assert words()

    def test_what_waits_or_is_on_its_way_is_not_touched(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(agents.busy())
        alice.texts("wait for me")
        talk = Conversation.objects.get()
        outbox.write(talk, "later", kind=OutboundKind.MESSAGE, author="x", limit=99, now=timezone.now())
        age(31)
        assert not erase()
        assert {"wait for me", "later"} <= words()

    def test_a_repeated_post_is_still_the_same_text(self, alice: Phone) -> None:
        alice.texts("hi", MessageSid="SM1")
        age(31)
        erase()
        alice.texts("hi", MessageSid="SM1")
        assert InboundMessage.objects.count() == 1
        assert words() == set()

    def test_nobody_is_answered_or_texted_without_words(self, alice: Phone, twilio: PretendTwilio) -> None:
        agents.answers.append(agents.broken())
        parked = alice.texts("hi")
        twilio.fails_next(Refusal(400, 21408), to=cast.ALICE)
        talk = Conversation.objects.get()
        message = outbox.write(
            talk, "one " * 5 + "two " * 5, kind=OutboundKind.MESSAGE, author="x", limit=20, now=timezone.now()
        )
        work()
        age(31)
        erase()
        first, second = message.parts.order_by("number")
        assert (first.state, second.state, second.reason) == (PartState.FAILED, PartState.CANCELLED, Reason.ERASED)
        with pytest.raises(decisions.Erased):
            decisions.send_again(first, actor=ANNA, now=timezone.now())
        with pytest.raises(decisions.Erased):
            decisions.answer_now(parked, actor=ANNA, now=timezone.now())

    def test_agents_are_not_told_of_empty_turns(self, alice: Phone) -> None:
        alice.texts("one")
        age(31)
        erase()
        assert history.before(alice.texts("two"), turns=5) == ()

    def test_it_goes_in_batches(self, alice: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasure, "BATCH", 2)
        for number in range(3):
            alice.texts(f"text {number}")
        age(31)
        assert [erase(), erase(), erase()] == [Erased(2, 2), Erased(1, 1), Erased()]


class TestTheWorker:
    def test_keeps_everything_unless_told_otherwise(self, alice: Phone) -> None:
        alice.texts("hi")
        age(10_000)
        Housekeeping().once(timezone.now())
        assert words()

    def test_erases_and_then_rests_for_an_hour(self, alice: Phone, settings: Settings) -> None:
        settings.SMS_RETENTION_DAYS = 30
        alice.texts("hi")
        age(31)
        house = Housekeeping()
        house.once(timezone.now())
        assert words() == set()
        alice.texts("again")
        age(31)
        house.once(timezone.now())
        assert words()

    def test_goes_on_at_once_while_there_is_more(
        self, alice: Phone, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SMS_RETENTION_DAYS = 30
        monkeypatch.setattr(erasure, "BATCH", 1)
        house = Housekeeping()
        alice.texts("one")
        alice.texts("two")
        age(31)
        for _ in range(2):
            house.once(timezone.now())
        assert words() == set()


class TestTheCommand:
    def test_says_how_many_and_erases_nothing_at_a_rehearsal(
        self, alice: Phone, capsys: pytest.CaptureFixture[str]
    ) -> None:
        alice.texts("hi")
        age(31)
        call_command("retention", "--days", "30", "--dry-run")
        assert capsys.readouterr().out == "Would erase 1 texts received and 1 sent.\n"
        assert words()

    def test_erases_what_is_older(self, alice: Phone, capsys: pytest.CaptureFixture[str]) -> None:
        alice.texts("hi")
        age(31)
        call_command("retention", "--days", "30")
        assert capsys.readouterr().out == "Erased 1 texts received and 1 sent.\n"
        assert words() == set()
        assert AuditEvent.objects.get().action == "retention.erased"

    def test_needs_to_know_how_many_days(self, db: None) -> None:
        with pytest.raises(CommandError, match="set SMS_RETENTION_DAYS, or give --days N"):
            call_command("retention")

    @pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "36501", "9" * 5000])
    def test_takes_no_days_that_cannot_be_reckoned_with(self, days: str, db: None) -> None:
        with pytest.raises(CommandError, match="give a whole number from 1 to 36500"):
            call_command("retention", f"--days={days}")


class TestOneSender:
    @pytest.fixture
    def talk(self, alice: Phone, bob: Phone, twilio: PretendTwilio) -> Conversation:
        """Alice has talked, was approved and has opted out; Bob waits."""
        alice.texts("my secret")
        alice.texts("STOP")
        bob.texts("let me in")
        return Conversation.objects.get(sender=cast.ALICE)

    def test_is_gone_with_number_and_all(self, talk: Conversation) -> None:
        account = talk.account_id
        assert erasure.sender(account, cast.ALICE, actor=ANNA, now=timezone.now()) == Erased(received=2, sent=1)
        for rows in (InboundMessage, Conversation, PairingRequest):
            assert not rows.objects.filter(sender=cast.ALICE).exists()
        assert not AllowedSender.objects.filter(number=cast.ALICE).exists()
        assert not AuditEvent.objects.filter(subject=cast.ALICE).exists()
        assert not any("secret" in stored or cast.ALICE[1:] in stored for stored in words())

    def test_leaves_counts_and_everybody_else(self, talk: Conversation) -> None:
        before = (InboundMessage.objects.count(), OutboundPart.objects.count(), Conversation.objects.count())
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        after = (InboundMessage.objects.count(), OutboundPart.objects.count(), Conversation.objects.count())
        assert before == after
        assert "let me in" in words()
        talk.refresh_from_db()
        assert talk.sender.startswith("erased:")

    def test_stays_opted_out(self, talk: Conversation) -> None:
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        row = OptOut.objects.get()
        assert (row.number, row.out, row.sid) == (cast.ALICE, True, "")
        assert opt_out.is_out(talk.account_id, cast.ALICE)

    def test_of_who_came_back_not_even_that_is_kept(self, talk: Conversation, alice: Phone) -> None:
        alice.texts("START")
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        assert not OptOut.objects.exists()

    def test_comes_back_as_a_stranger(self, talk: Conversation, alice: Phone) -> None:
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        alice.texts("START")
        text = alice.texts("hello")
        assert text.state == InboundState.HELD
        assert Conversation.objects.filter(sender=cast.ALICE).count() == 1

    def test_is_on_the_record_without_the_number(self, talk: Conversation) -> None:
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        event = AuditEvent.objects.get(action="sender.erased")
        assert (event.actor, event.subject, event.detail) == ("cli:anna", "", {"texts": 3})

    def test_who_waits_gives_up_the_place(self, talk: Conversation) -> None:
        erasure.sender(talk.account_id, cast.BOB, actor=ANNA, now=timezone.now())
        assert PairingRequest.objects.get().state == PairingState.EXPIRED

    def test_is_left_alone_while_something_is_in_hand(self, talk: Conversation, bob: Phone) -> None:
        outbox.write(
            Conversation.objects.get(sender=cast.BOB),
            "wait",
            kind=OutboundKind.MESSAGE,
            author="x",
            limit=99,
            now=timezone.now(),
        )
        with pytest.raises(StillBusy):
            erasure.sender(talk.account_id, cast.BOB, actor=ANNA, now=timezone.now())
        assert "let me in" in words()

    @pytest.mark.parametrize("lane", Lane)
    def test_is_left_alone_while_a_worker_is_at_it(self, talk: Conversation, lane: Lane) -> None:
        with lease.held(talk.pk, lane), pytest.raises(StillBusy):
            erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        assert "my secret" in words()

    def test_is_gone_from_what_the_owner_was_told(self, bob: Phone) -> None:
        SmsAccount.objects.update(owner_numbers=[cast.MALLORY])
        accounts.forget()
        bob.texts("let me in")
        assert any(cast.BOB in stored for stored in words())
        erased = erasure.sender(bob.account.pk, cast.BOB, actor=ANNA, now=timezone.now())
        assert erased == Erased(received=1, sent=1)
        assert not any(cast.BOB in stored for stored in words())
        assert not any(cast.BOB in notice.sentence + notice.body for notice in OwnerNotice.objects.all())

    @pytest.mark.parametrize("named", [cast.ALICE, f"whatsapp:{cast.ALICE}"])
    def test_is_gone_on_whatsapp_too(self, alice: Phone, named: str) -> None:
        SmsAccount.objects.update(whatsapp=True)
        accounts.forget()
        alice.texts("my secret")
        there = Phone(f"whatsapp:{cast.ALICE}", accounts.choose(None))
        there.texts("my other secret", To=f"whatsapp:{cast.OUR_NUMBER}")
        known = dossier.of(alice.account.pk, named)
        assert [text["body"] for text in known["texts_received"]] == ["my secret", "my other secret"]
        assert len(known["texts_sent"]) == 2
        erased = erasure.sender(alice.account.pk, named, actor=ANNA, now=timezone.now())
        assert erased == Erased(received=2, sent=2)
        assert words() == set()
        assert not AllowedSender.objects.exists()
        assert not erasure.is_known(alice.account.pk, named)

    def test_that_nobody_knows_is_said(self, talk: Conversation) -> None:
        with pytest.raises(NothingStored):
            erasure.sender(talk.account_id, cast.MALLORY, actor=ANNA, now=timezone.now())

    def test_takes_the_pictures_of_both_sides_along(self, talk: Conversation) -> None:
        received = InboundMessage.objects.filter(sender=cast.ALICE).first()
        for owner in ({"inbound": received}, {"part": OutboundPart.objects.get(conversation=talk)}):
            item = MediaItem.objects.create(
                state=MediaState.KEPT, position=0, content_type="image/png", size=4, **owner
            )
            MediaBytes.objects.create(item=item, data=b"\x89PNG")
        erasure.sender(talk.account_id, cast.ALICE, actor=ANNA, now=timezone.now())
        assert not MediaBytes.objects.exists()
        assert MediaItem.objects.count() == 2

    def test_at_the_shell(self, talk: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("sender", "export", cast.ALICE)
        known = json.loads(capsys.readouterr().out)
        assert (known["account"], known["number"]) == ("default", cast.ALICE)
        assert [text["body"] for text in known["texts_received"]] == ["my secret", "STOP"]
        assert [message["text"] for message in known["texts_sent"]] == ["You said my secret"]
        assert known["opt_out"]["state"] == "opted out"
        assert known["allowed"][0]["source"] == "pairing"

        call_command("sender", "erase", cast.ALICE, "--yes")
        assert "Erased 2 texts received and 1 sent" in capsys.readouterr().out
        with pytest.raises(CommandError, match="Nothing is stored"):
            call_command("sender", "erase", cast.ALICE, "--yes")

    def test_at_the_shell_not_without_a_yes(self, talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("builtins.input", lambda: "no")
        with pytest.raises(CommandError, match="Nothing was erased"):
            call_command("sender", "erase", cast.ALICE)
        assert "my secret" in words()


class TestTheListAtTheShell:
    def test_shows_who_is_out(self, alice: Phone, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("opt_outs", "list")
        assert capsys.readouterr().out == "Nobody has opted out.\n"
        alice.texts("stop")
        call_command("opt_outs", "list")
        assert f"{cast.ALICE}      default  since" in capsys.readouterr().out
        call_command("opt_outs", "list", "--account", "default", "--json")
        [row] = json.loads(capsys.readouterr().out)["optOuts"]
        assert (row["account"], row["number"], row["source"]) == ("default", cast.ALICE, "keyword")

    def test_is_exported_for_other_systems(
        self, alice: Phone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        alice.texts("stop")
        call_command("opt_outs", "export")
        assert capsys.readouterr().out.splitlines()[1].startswith(f"default,{cast.ALICE},opted out,")
        target = tmp_path / "opt-outs.csv"
        call_command("opt_outs", "export", "--output", str(target))
        assert len(target.read_text().splitlines()) == 2
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        with pytest.raises(CommandError, match="--output cannot be written"):
            call_command("opt_outs", "export", "--output", str(target))
        assert AuditEvent.objects.filter(action="opt_out.exported").count() == 2

    def test_is_corrected_with_a_reason(self, alice: Phone, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("opt_outs", "add", "+1 555 000 1111", "--reason", "She called.")
        assert opt_out.is_out(alice.account.pk, cast.ALICE)
        with pytest.raises(CommandError, match="has already opted out on account default"):
            call_command("opt_outs", "add", cast.ALICE, "--reason", "She called again.")
        call_command("opt_outs", "clear", cast.ALICE, "--reason", "A mistake of ours.")
        assert not opt_out.is_out(alice.account.pk, cast.ALICE)
        reasons = [event.detail["reason"] for event in opt_out.history(alice.account.pk, cast.ALICE)]
        assert reasons == ["A mistake of ours.", "She called."]

    def test_is_not_corrected_without_one(self, alice: Phone) -> None:
        with pytest.raises(CommandError, match="--reason must say why"):
            call_command("opt_outs", "clear", cast.ALICE, "--reason", "  ")
