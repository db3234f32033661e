"""One gate in front of every text: nothing goes round it, and every door hears its answer."""

import ast
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.access import opt_out
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import admission, gate, manual, notices, outbox, owner, worker
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import (
    Conversation,
    OptOutSource,
    OutboundKind,
    OutboundMessage,
    OutboundPart,
    OwnerNotice,
    PairingRequest,
    PartState,
    Reason,
    SmsAccount,
)
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio, Refusal

PACKAGE = Path(__file__).resolve().parents[2] / "openclaw_sms"
ANNA = Actor("cli:anna")


# --- that there is no way round it ------------------------------------------------------------------------------


def functions() -> Iterator[tuple[str, ast.AST]]:
    """Every function of the product, as `package/module.py:name`, with its body."""
    for path in sorted(PACKAGE.rglob("*.py")):
        # The pretend Twilio receives texts and sends none.
        if "migrations" in path.parts or "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node


def calls(function: ast.AST) -> list[str]:
    """What a function calls, in the order of the source: `gate.can_send`, `twilio.send`, `self._messages.create`."""
    found = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [ast.unparse(node.func) for node in sorted(found, key=lambda node: (node.lineno, node.col_offset))]


def who(calls_it: Callable[[str], bool]) -> set[str]:
    return {name for name, body in functions() if any(calls_it(called) for called in calls(body))}


def test_only_the_client_creates_messages_at_twilio() -> None:
    def creates(called: str) -> bool:
        return called.endswith(("_messages.create", ".messages.create", "messages().create"))

    assert who(creates) == {"twilio/client.py:send"}


def test_only_the_outbox_has_the_client_send() -> None:
    """Whatever is called `send` and is not the worker's, a mail's, or of the events' own HTTP client."""
    others = ("worker.send", "mail.send", "self._client.send")
    assert who(lambda called: called.endswith(".send") and called not in others) == {
        "messaging/outbox.py:_post_in_its_place"
    }


def test_nothing_speaks_to_twilio_past_the_client() -> None:
    def knows_the_library(tree: ast.AST) -> bool:
        return any(
            (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("twilio"))
            or (isinstance(node, ast.Import) and any(alias.name.startswith("twilio") for alias in node.names))
            for node in ast.walk(tree)
        )

    knows = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if knows_the_library(ast.parse(path.read_text()))
    }
    # The sandbox signs what its pretend phones send.
    assert {Path(name).parts[0] for name in knows} - {"sandbox"} == {"twilio"}


def test_the_gate_is_asked_right_before_the_post() -> None:
    [post] = [body for name, body in functions() if name == "messaging/outbox.py:_post_in_its_place"]
    order = calls(post)
    asked, posted = order.index("gate.can_send"), order.index("twilio.send")
    between = set(order[asked + 1 : posted])
    # Nothing between question and post waits or writes, but for a refusal's own way out.
    assert between <= {"timezone.now", "_withhold"}


def test_only_write_makes_parts_and_it_asks_first() -> None:
    def makes_parts(called: str) -> bool:
        return called == "OutboundPart" or called.startswith(
            ("OutboundPart.objects.create", "OutboundPart.objects.bulk")
        )

    def makes_messages(called: str) -> bool:
        return called == "OutboundMessage" or called.startswith("OutboundMessage.objects.create")

    assert who(makes_parts) == {"messaging/outbox.py:_part", "messaging/outbox.py:write"}
    assert who(makes_messages) == {"messaging/outbox.py:write"}
    assert who(lambda called: called == "_part") == {"messaging/outbox.py:write"}
    [write] = [body for name, body in functions() if name == "messaging/outbox.py:write"]
    order = calls(write)
    assert order.index("gate.can_send") < order.index("OutboundMessage.objects.create")


# --- that it holds at every door --------------------------------------------------------------------------------


@pytest.fixture
def gone(alice: Phone) -> Phone:
    """Alice, approved and known, who has opted out."""
    Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    opt_out.suppress(alice.account.pk, cast.ALICE, source=OptOutSource.KEYWORD, at=timezone.now())
    return alice


def at_the_shell(phone: Phone) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("message", "send", "--target", f"sms:{phone.number}", "--message", "hello")
    assert refused.value.returncode == 1
    return str(refused.value)


def at_the_shell_as_a_rehearsal(phone: Phone) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("message", "send", "--target", f"sms:{phone.number}", "--message", "hello", "--dry-run")
    return str(refused.value)


def by_a_program(phone: Phone) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("message", "send", "--target", f"sms:{phone.number}", "--message", "hello", "--automated")
    return str(refused.value)


def at_the_console(phone: Phone) -> str:
    client = Client()
    client.force_login(User.objects.create_superuser("olga", password="a-long-enough-password"))
    conversation = Conversation.objects.get(account_id=phone.account.pk, sender=phone.number)
    page = client.post(reverse("admin:openclaw_sms_conversation_reply", args=[conversation.pk]), {"words": "hello"})
    return str(page.context["form"].errors["words"][0])


def by_an_approval(phone: Phone) -> str:
    request = PairingRequest.objects.create(
        account_id=phone.account.pk,
        sender=phone.number,
        code="ABCD2345",
        created_at=timezone.now(),
        last_seen_at=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    return admission.approve(request.code, actor=ANNA, now=timezone.now(), notify=True).warning


def by_the_agent(phone: Phone) -> str:
    text = phone.texts("hello")
    return str(Reason(text.reason).label)


def by_a_program_of_ours(phone: Phone) -> str:
    with pytest.raises(Withheld) as refused:
        manual.draft(phone.account, phone.number, "hello")
    return str(refused.value)


def by_a_notice_to_the_owner(phone: Phone) -> str:
    SmsAccount.objects.update(owner_numbers=[phone.number])
    account = accounts.choose(None)
    assert owner.tell_once(account, "test", "owner_reply_cap", account=account.id)
    notices.send_due(timezone.now())
    return "opted out"


DOORS = [
    at_the_shell,
    at_the_shell_as_a_rehearsal,
    by_a_program,
    at_the_console,
    by_an_approval,
    by_the_agent,
    by_a_program_of_ours,
    by_a_notice_to_the_owner,
]


@pytest.mark.django_db
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_who_has_opted_out_is_not_texted_through(
    door: Callable[[Phone], str], gone: Phone, twilio: PretendTwilio
) -> None:
    said = door(gone)
    work()
    assert "opted out" in said
    assert cast.ALICE not in said
    assert twilio.posts == []
    assert not OutboundMessage.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [kind for kind in OutboundKind if kind != OutboundKind.KEYWORD])
def test_no_kind_of_text_goes_to_who_has_opted_out(gone: Phone, kind: OutboundKind) -> None:
    refusal = gate.can_send(gone.account, cast.ALICE, kind, now=timezone.now())
    assert refusal is not None
    assert refusal.reason == Reason.OPTED_OUT
    assert refusal.sentence == "+1555***1111 has opted out; they can text START to be texted again."


@pytest.mark.django_db
def test_not_even_an_answer_to_a_keyword_where_twilio_answers(gone: Phone) -> None:
    assert gate.can_send(gone.account, cast.ALICE, OutboundKind.KEYWORD, now=timezone.now()) is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("12345", Reason.SHORT_CODE),
        ("ACME", Reason.ALPHANUMERIC),
        ("messenger:1234", Reason.UNUSABLE_SENDER),
        (cast.OUR_NUMBER, Reason.OWN_NUMBER),
    ],
)
def test_what_no_person_reads_is_not_texted(account: Account, to: str, reason: Reason) -> None:
    for kind in OutboundKind:
        refusal = gate.can_send(account, to, kind, now=timezone.now())
        assert refusal is not None
        assert refusal.reason == reason


@pytest.mark.django_db
def test_who_opts_out_between_writing_and_posting_is_not_texted(
    alice: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The STOP comes after the marker: the latest moment at which the post has not begun."""
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    outbox.write(conversation, "one " * 20, kind=OutboundKind.MESSAGE, author="x", limit=20, now=timezone.now())
    outgoing = outbox._outgoing

    def stop_meanwhile(part: OutboundPart, account: Account) -> object:
        assert OutboundPart.objects.get(pk=part.pk).state == PartState.SENDING
        alice.posts("STOP")
        return outgoing(part, account)

    monkeypatch.setattr(outbox, "_outgoing", stop_meanwhile)
    worker.send(conversation.pk)
    assert twilio.posts == []
    parts = OutboundPart.objects.all()
    assert {(part.state, part.reason) for part in parts} == {(PartState.CANCELLED, Reason.OPTED_OUT)}


@pytest.mark.django_db
def test_a_part_that_twilio_turned_out_not_to_have_is_not_sent_after_a_stop(
    alice: Phone, twilio: PretendTwilio
) -> None:
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    outbox.write(conversation, "hi", kind=OutboundKind.MESSAGE, author="x", limit=20, now=timezone.now())
    twilio.fails_next(Refusal(503, 20503), to=cast.ALICE)
    worker.send(conversation.pk)
    alice.posts("STOP")
    for _ in range(4):
        OutboundPart.objects.update(next_attempt_at=None)
        worker.send(conversation.pk)
    assert OutboundPart.objects.get().state == PartState.CANCELLED
    assert len(twilio.posts_to(cast.ALICE)) == 1


# --- quiet hours ------------------------------------------------------------------------------------------------

NEW_YORKER = "+12125551234"
NIGHT = datetime(2026, 6, 10, 3, tzinfo=UTC)  # 23:00 in New York
MORNING = datetime(2026, 6, 10, 12, tzinfo=UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Stop the gateway's clock at `moment`."""
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(timezone, "now", lambda: moment)
        yield


@pytest.fixture
def quiet(account: Account, twilio: PretendTwilio) -> Conversation:
    SmsAccount.objects.update(quiet_hours="21:00-08:00")
    accounts.forget()
    return Conversation.objects.create(account_id=account.pk, sender=NEW_YORKER)


def text(conversation: Conversation, words: str, kind: OutboundKind, *, limit: int = 1500) -> OutboundMessage:
    return outbox.write(conversation, words, kind=kind, author="x", limit=limit, now=timezone.now())


@pytest.mark.django_db
class TestQuietHours:
    def test_keep_an_automatic_text_until_the_morning(self, quiet: Conversation, twilio: PretendTwilio) -> None:
        with at(NIGHT):
            part = text(quiet, "your report", OutboundKind.AUTOMATION).parts.get()
            worker.send(quiet.pk)
            assert (part.state, part.reason, part.next_attempt_at) == (PartState.QUEUED, Reason.QUIET_HOURS, MORNING)
            assert twilio.posts == []
        with at(MORNING):
            worker.send(quiet.pk)
        part.refresh_from_db()
        assert (part.state, part.reason, part.detail) == (PartState.ACCEPTED, Reason.NONE, "")

    @pytest.mark.parametrize("kind", [OutboundKind.REPLY, OutboundKind.MESSAGE, OutboundKind.APOLOGY])
    def test_do_not_hold_for_replies_and_texts_by_hand(
        self, quiet: Conversation, twilio: PretendTwilio, kind: OutboundKind
    ) -> None:
        with at(NIGHT):
            text(quiet, "of course", kind)
            worker.send(quiet.pk)
        assert len(twilio.messages_to(NEW_YORKER)) == 1

    def test_do_not_let_a_reply_wait_behind_them(self, quiet: Conversation, twilio: PretendTwilio) -> None:
        with at(NIGHT):
            text(quiet, "your report", OutboundKind.AUTOMATION)
            text(quiet, "of course", OutboundKind.REPLY)
            worker.send(quiet.pk)
            assert [message.body for message in twilio.messages_to(NEW_YORKER)] == ["of course"]
            assert worker.Sweep()._parts(timezone.now()) == []
        with at(MORNING):
            assert [lane for lane, _ in worker.Sweep()._parts(timezone.now())] == [quiet.pk]

    def test_that_begin_between_the_parts_keep_the_order(self, quiet: Conversation, twilio: PretendTwilio) -> None:
        evening = NIGHT - timedelta(hours=2, seconds=1)
        with at(evening):
            message = text(quiet, "one " * 5 + "two " * 5, OutboundKind.AUTOMATION, limit=20)
        with at(NIGHT):
            worker.send(quiet.pk)
            assert twilio.posts == []
        parts = list(message.parts.order_by("number"))
        assert {(part.next_attempt_at, part.attempts) for part in parts} == {(MORNING, 0)}
        with at(MORNING):
            worker.send(quiet.pk)
        assert [sent.body.strip()[:3] for sent in twilio.messages_to(NEW_YORKER)] == ["one", "two"]

    def test_are_off_unless_they_are_set(self, quiet: Conversation, twilio: PretendTwilio) -> None:
        SmsAccount.objects.update(quiet_hours=None)
        accounts.forget()
        with at(NIGHT):
            text(quiet, "your report", OutboundKind.AUTOMATION)
            worker.send(quiet.pk)
        assert len(twilio.messages_to(NEW_YORKER)) == 1

    def test_that_cannot_be_read_keep_automatic_texts_back(self, quiet: Conversation) -> None:
        SmsAccount.objects.update(quiet_hours="late")
        accounts.forget()
        with pytest.raises(Withheld, match="quietHours must be"):
            text(quiet, "your report", OutboundKind.AUTOMATION)

    def test_are_said_at_the_shell(self, quiet: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
        with at(NIGHT):
            call_command("message", "send", "--target", NEW_YORKER, "--message", "report", "--automated")
        assert "it goes out at 2026-06-10 12:00 UTC" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_the_owner_is_told_once_by_many_workers_at_once(account: Account, twilio: PretendTwilio) -> None:
    SmsAccount.objects.update(owner_numbers=["+15550004444"])
    told = accounts.choose(None)

    def tell(_: int) -> bool:
        try:
            first = owner.tell_once(told, "k", "owner_reply_cap", account=told.id)
            notices.send_due(timezone.now())
            return first
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        assert sorted(workers.map(tell, range(8))) == [False] * 7 + [True]
    assert OutboundMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_stop_and_start_at_once_leave_one_row_and_every_word_on_the_record(account: Account) -> None:
    now = timezone.now()

    def say(turn: int) -> bool:
        change = opt_out.suppress if turn % 2 else opt_out.restore
        try:
            return change(account.pk, cast.ALICE, source=OptOutSource.KEYWORD, at=now + timedelta(seconds=turn))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        won = sum(workers.map(say, range(16)))
    assert opt_out.is_out(account.pk, cast.ALICE)  # the last word was a stop
    assert opt_out.history(account.pk, cast.ALICE).count() == won


# --- the owner --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_owner_is_told_once_whoever_asks(account: Account, twilio: PretendTwilio) -> None:
    SmsAccount.objects.update(owner_numbers=["+15550004444", cast.OUR_NUMBER])
    told = accounts.choose(None)
    assert owner.tell_once(told, "k", "owner_reply_cap", account=told.id)
    assert not owner.tell_once(told, "k", "owner_reply_cap", account=told.id)
    assert owner.tell_once(told, "another", "owner_reply_cap", account=told.id)
    notices.send_due(timezone.now())
    work()
    assert [message.to for message in twilio.messages] == ["+15550004444"] * 2
    assert [notice.texted for notice in told_notices()] == [1, 1]


def told_notices() -> list[OwnerNotice]:
    return list(OwnerNotice.objects.all())
