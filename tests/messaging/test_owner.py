"""The owner is told that a stranger waits, once, and decides by text from an owner number."""

import logging
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import pairing
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import notices, owner, worker
from openclaw_sms.models import (
    AllowedSender,
    AuditEvent,
    InboundMessage,
    InboundState,
    NoticeState,
    OwnerNotice,
    PairingRequest,
    PairingState,
    SmsAccount,
)
from tests.messaging import agents
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db
OWNER = "+15550003333"
MAILBOX = "owner@example.com"


@pytest.fixture
def account(account: Account) -> Account:
    SmsAccount.objects.filter(pk=account.pk).update(owner_numbers=[OWNER])
    accounts.forget()
    return accounts.choose(None)


@pytest.fixture
def owners_phone(account: Account, twilio: PretendTwilio) -> Phone:
    return Phone(OWNER, account)


def code() -> str:
    return PairingRequest.objects.get(state=PairingState.PENDING).code


class TestBeingTold:
    def test_by_text_with_what_to_answer_and_once_a_request(self, bob: Phone, owners_phone: Phone) -> None:
        for _ in range(3):
            bob.texts("let me in")
        assert owners_phone.heard() == [
            f"{cast.BOB} asks to text your assistant. Answer approve {code()} or dismiss {code()}."
        ]

    def test_again_for_the_next_request(self, bob: Phone, owners_phone: Phone) -> None:
        bob.texts("let me in")
        PairingRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        bob.texts("let me in")
        assert len(owners_phone.heard()) == 2

    def test_once_when_there_is_no_room_for_more(
        self, account: Account, owners_phone: Phone, twilio: PretendTwilio
    ) -> None:
        for digit in range(pairing.MOST_PENDING + 3):
            Phone(f"+1555000444{digit}", account).texts("let me in")
        told = owners_phone.heard()
        assert len(told) == pairing.MOST_PENDING + 1
        assert "all places for strangers" in told[-1]

    def test_not_without_an_owner_number(self, bob: Phone, account: Account) -> None:
        SmsAccount.objects.update(owner_numbers=None)
        accounts.forget()
        bob.texts("let me in")
        assert notices.send_due(timezone.now()) == 0
        assert OwnerNotice.objects.get().texted == 0

    def test_a_notice_that_cannot_be_written_keeps_no_code_back(
        self, bob: Phone, owners_phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(owner, "say", lambda *_, **__: 1 / 0)
        bob.texts("let me in")
        assert code() in bob.heard()[0]
        assert owners_phone.heard() == []

    def test_tell_once_says_whether_it_was_the_first(self, account: Account) -> None:
        told = [owner.tell_once(account, "key", "owner_approved", code="ABCDEFGH") for _ in range(2)]
        assert told == [True, False]


class TestBeingMailed:
    @pytest.fixture(autouse=True)
    def _mailbox(self, settings: Settings) -> None:
        settings.SMS_OWNER_EMAIL = MAILBOX

    def test_once_a_request_with_the_command_and_sent_by_the_worker(self, bob: Phone) -> None:
        for number in range(2):
            bob.posts("let me in", MessageSid=f"SM{number}")
            worker.answer(InboundMessage.objects.get(sid=f"SM{number}").pk)
        assert mail.outbox == []
        assert notices.send_due(timezone.now()) == 2  # the text, and the mail
        assert notices.send_due(timezone.now()) == 0
        (sent,) = mail.outbox
        assert sent.to == [MAILBOX]
        assert f"manage.py pairing approve sms {code()}" in sent.body
        assert cast.BOB in sent.body
        assert cast.BOB not in sent.subject
        assert OwnerNotice.objects.get(way="email").body == ""

    def test_once_when_there_is_no_room(self, account: Account, twilio: PretendTwilio) -> None:
        for digit in range(pairing.MOST_PENDING + 2):
            Phone(f"+1555000444{digit}", account).texts("let me in")
        notices.send_due(timezone.now())
        assert mail.outbox[-1].subject.startswith("OpenClaw SMS: OpenClaw (default): all places")
        assert len(mail.outbox) == pairing.MOST_PENDING + 1

    def test_a_mail_server_that_is_away_holds_nothing_up_and_is_asked_again(
        self, bob: Phone, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        with caplog.at_level(logging.WARNING, "openclaw_sms"):
            bob.texts("let me in")  # the first try
            assert len(bob.heard()) == 1
            assert OwnerNotice.objects.get(way="email").attempts == 1
            now = timezone.now()
            for number in range(1, notices.MOST_TRIES):
                assert notices.send_due(now + timedelta(hours=number)) == 1
        assert OwnerNotice.objects.get(way="email").state == NoticeState.FAILED
        assert notices.send_due(now + timedelta(days=1)) == 0
        assert "notice.not_sent" in caplog.text
        assert MAILBOX not in caplog.text


class TestDecidingByText:
    def test_approves_with_the_same_function_and_audit(
        self, bob: Phone, owners_phone: Phone, twilio: PretendTwilio
    ) -> None:
        bob.texts("let me in")
        asked = code()
        text = owners_phone.texts(f" Approve {asked.lower()} ")
        text.refresh_from_db()
        assert text.state == InboundState.ANSWERED
        assert owners_phone.heard()[-1] == f"Approved {asked}: this number may text your assistant now."
        assert AllowedSender.objects.get(number=cast.BOB).added_by == "sms:+1555***3333"
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.subject) == ("pairing.approved", "sms:+1555***3333", cast.BOB)
        assert agents.asked == []
        bob.texts("hello agent")
        assert [question.text for question in agents.asked] == ["hello agent"]

    def test_dismisses(self, bob: Phone, owners_phone: Phone) -> None:
        bob.texts("let me in")
        asked = code()
        owners_phone.texts(f"dismiss {asked}")
        assert owners_phone.heard()[-1].startswith(f"Dismissed {asked}.")
        assert PairingRequest.objects.get().state == PairingState.DISMISSED
        assert not AllowedSender.objects.exists()

    def test_a_code_that_cannot_be_decided_is_answered_in_one_sentence(self, bob: Phone, owners_phone: Phone) -> None:
        bob.texts("let me in")
        asked = code()
        owners_phone.texts("approve ABCDEFGH")
        assert "Nobody waits with code ABCDEFGH" in owners_phone.heard()[-1]
        owners_phone.texts(f"approve {asked}")
        owners_phone.texts(f"dismiss {asked}")
        assert "was decided before" in owners_phone.heard()[-1]
        assert AllowedSender.objects.filter(number=cast.BOB).exists()

    def test_nobody_elses_text_is_a_command(self, bob: Phone) -> None:
        bob.texts("let me in")
        text = bob.texts(f"approve {code()}")
        assert text.state == InboundState.HELD
        assert not AllowedSender.objects.exists()

    def test_nor_is_any_while_posts_need_no_signature(
        self, bob: Phone, owners_phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bob.texts("let me in")
        asked = code()
        monkeypatch.setenv("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", "true")
        accounts.forget()
        owners_phone.texts(f"approve {asked}")
        assert not AllowedSender.objects.exists()

    def test_nor_is_a_code_of_another_account(self, bob: Phone, account: Account, owners_phone: Phone) -> None:
        other = SmsAccount.objects.create(account_id="other")
        now = timezone.now()
        PairingRequest.objects.create(
            account=other,
            sender=cast.BOB,
            code="ABCDEFGH",
            created_at=now,
            last_seen_at=now,
            expires_at=now + timedelta(hours=1),
        )
        owners_phone.texts("approve ABCDEFGH")
        assert not AllowedSender.objects.exists()

    def test_other_texts_of_an_owner_go_the_normal_way(self, account: Account, owners_phone: Phone) -> None:
        text = owners_phone.texts("approve the budget please")
        assert text.state == InboundState.HELD
        assert "pairing code" in owners_phone.heard()[0]

    def test_a_command_that_is_looked_at_twice_is_obeyed_once(self, bob: Phone, owners_phone: Phone) -> None:
        bob.texts("let me in")
        owners_phone.texts(f"approve {code()}")
        work()
        assert AuditEvent.objects.count() == 1
