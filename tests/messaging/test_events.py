"""Outgoing events: written with what they tell of, posted signed, tried again, given up, and sent nowhere else."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks.webhooks import Webhook

from openclaw_sms.access.audit import Actor
from openclaw_sms.agents.base import AnswersLater
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import (
    automation,
    delivery,
    erasure,
    event_delivery,
    events,
    instance,
    lease,
    manual,
    turn,
)
from openclaw_sms.messaging.automation import Order
from openclaw_sms.messaging.erasure import StillBusy
from openclaw_sms.messaging.event_delivery import TRY_AGAIN_AFTER, AlreadySent, EventDelivery
from openclaw_sms.messaging.receiver import Answer, Receiver
from openclaw_sms.models import (
    AuditEvent,
    EventState,
    InboundMessage,
    InboundState,
    OutboundPart,
    OutgoingEvent,
    Reason,
)
from tests.messaging import agents
from tests.support import cast
from tests.support.loopback import Answer as HttpAnswer
from tests.support.loopback import LoopbackServer, Request
from tests.support.phone import Phone, work
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLGA = Actor("console:olga")


class Hearer(LoopbackServer):
    """A receiver of events that answers with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 204
        self.headers: dict[str, str] = {}
        self.heard: list[Request] = []

    def answer(self, request: Request) -> HttpAnswer:
        with self.changed:
            self.heard.append(request)
            self.changed.notify_all()
        return HttpAnswer(self.status, b"", self.headers)

    def told(self) -> list[dict[str, Any]]:
        """What was heard, verified by the specification's own library."""
        return [Webhook(SECRET).verify(request.body, dict(request.headers)) for request in self.heard]


@pytest.fixture
def hearer(settings: Settings) -> Iterator[Hearer]:
    with Hearer() as server:
        settings.SMS_EVENTS_URL = f"{server.origin}/events"
        settings.SMS_EVENTS_SECRET = SECRET
        settings.SMS_EVENTS_ALLOW_PRIVATE = True
        yield server


def deliver_due() -> bool:
    """What the events thread would do now."""
    found = event_delivery.configured()
    assert found is not None
    return EventDelivery().once(*found)


def written() -> list[tuple[str, dict[str, Any]]]:
    rows = OutgoingEvent.objects.order_by("id")
    return [(row.type, json.loads(row.payload)["data"]) for row in rows]


class TestTellOf:
    def test_a_text_and_its_answer(self, hearer: Hearer, alice: Phone) -> None:
        text = alice.texts("hello")
        assert deliver_due()

        received, answered = hearer.told()
        assert (received["type"], answered["type"]) == ("text.received", "text.answered")
        assert received["data"]["sid"] == answered["data"]["inReplyTo"] == text.sid
        assert (received["data"]["from"], received["data"]["text"]) == (cast.ALICE, "hello")
        assert (answered["data"]["to"], answered["data"]["text"]) == (cast.ALICE, "You said hello")
        assert set(OutgoingEvent.objects.values_list("state", flat=True)) == {EventState.DELIVERED}

    def test_a_text_once_however_often_it_is_delivered(self, hearer: Hearer, alice: Phone) -> None:
        text = alice.texts("hello")
        alice.texts("hello", MessageSid=text.sid)
        assert [kind for kind, _ in written()] == ["text.received", "text.answered"]

    def test_a_stranger_who_asks_to_be_let_in_once(self, hearer: Hearer, bob: Phone) -> None:
        bob.texts("it is Bob")
        bob.texts("hello?")
        [asked] = [data for kind, data in written() if kind == "pairing.requested"]
        assert (asked["sender"], asked["text"]) == (cast.BOB, "it is Bob")
        assert asked["code"] in bob.heard()[0]

    def test_a_whole_text_when_its_last_part_arrives(self, hearer: Hearer, alice: Phone) -> None:
        agents.answers.append("word " * 400)
        alice.texts("tell me")
        first, second = OutboundPart.objects.order_by("number")
        delivery.report(second, status="delivered")
        assert "message.delivered" not in dict(written())
        for status in ("sent", "delivered", "read", "delivered"):
            delivery.report(first, status=status)

        [data] = [data for kind, data in written() if kind == "message.delivered"]
        assert data["state"] == "delivered"
        assert all("body" not in part for part in data["parts"])

    def test_a_part_that_did_not_arrive(self, hearer: Hearer, alice: Phone) -> None:
        alice.texts("hello")
        part = OutboundPart.objects.get()
        for _ in range(2):
            delivery.report(part, status="undelivered", error_code=30003)
        [data] = [data for kind, data in written() if kind == "message.failed"]
        assert data["parts"][0]["errorCode"] == 30003

    def test_a_part_that_twilio_refused(self, hearer: Hearer, alice: Phone, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21211, "Invalid 'To'"), to=cast.ALICE)
        alice.texts("hello")
        [data] = [data for kind, data in written() if kind == "message.failed"]
        assert data["parts"][0]["reason"] == "twilio_refused"

    def test_nothing_that_was_rolled_back(self, hearer: Hearer, alice: Phone) -> None:
        text = alice.texts("hello")
        before = OutgoingEvent.objects.count()
        with transaction.atomic():
            events.text_received(text, now=timezone.now())
            transaction.set_rollback(True)
        assert OutgoingEvent.objects.count() == before

    def test_nobody_while_there_is_no_receiver(self, alice: Phone) -> None:
        alice.texts("hello")
        assert OutgoingEvent.objects.count() == 0

    def test_no_more_than_20_kb(self, hearer: Hearer, alice: Phone) -> None:
        agents.answers.append("\N{LOBSTER}" * 20_000)
        alice.texts("hello")
        answered = OutgoingEvent.objects.get(type="text.answered")
        assert json.loads(answered.payload)["data"]["truncated"] is True
        assert len(answered.payload.encode()) < 20_000


class TestAreTriedAgain:
    def test_later_and_later_with_the_same_id_and_bytes_and_given_up_at_last(
        self, hearer: Hearer, alice: Phone
    ) -> None:
        event = one(alice)
        hearer.status = 500
        for attempt, planned in enumerate(TRY_AGAIN_AFTER, start=1):
            before = timezone.now()
            assert not deliver_due()
            event.refresh_from_db()
            assert (event.state, event.attempts, event.answer) == (EventState.PENDING, attempt, 500)
            assert planned <= event.next_attempt_at - before <= planned * 1.1 + timedelta(minutes=1)
            make_due()
        assert not deliver_due()
        event.refresh_from_db()
        assert (event.state, event.attempts) == (EventState.DEAD, 10)
        assert len({request.headers["webhook-id"] for request in hearer.heard}) == 1
        assert len({request.body for request in hearer.heard}) == 1

    def test_not_before_the_receiver_wants_to(self, hearer: Hearer, alice: Phone) -> None:
        event = one(alice)
        hearer.status, hearer.headers = 429, {"Retry-After": "300"}
        deliver_due()
        event.refresh_from_db()
        assert event.next_attempt_at > timezone.now() + timedelta(seconds=290)

    def test_without_following_a_redirect(self, hearer: Hearer, alice: Phone) -> None:
        event = one(alice)
        hearer.status, hearer.headers = 302, {"Location": f"{hearer.origin}/elsewhere"}
        deliver_due()
        event.refresh_from_db()
        assert [request.path for request in hearer.heard] == ["/events"]
        assert "final address" in event.detail

    def test_when_nobody_answers(self, settings: Settings, hearer: Hearer, alice: Phone) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            settings.SMS_EVENTS_URL = f"http://127.0.0.1:{closed.getsockname()[1]}/"
            event = one(alice)
            deliver_due()
        event.refresh_from_db()
        assert (event.state, event.answer) == (EventState.PENDING, None)
        assert "ConnectError" in event.detail

    def test_one_at_a_time_while_the_receiver_fails(self, hearer: Hearer, alice: Phone) -> None:
        alice.texts("one")
        alice.texts("two")
        hearer.status = 503
        assert not deliver_due()
        assert len(hearer.heard) == 1

    def test_when_the_operator_says_so_and_that_is_on_the_record(self, hearer: Hearer, alice: Phone) -> None:
        event = one(alice)
        OutgoingEvent.objects.update(state=EventState.DEAD)
        event.refresh_from_db()
        event_delivery.send_again(event, actor=OLGA, now=timezone.now())
        assert deliver_due()
        event.refresh_from_db()
        assert event.state == EventState.DELIVERED
        assert AuditEvent.objects.filter(action="event.send_again", actor="console:olga").exists()
        with pytest.raises(AlreadySent, match="delivered"):
            event_delivery.send_again(event, actor=OLGA, now=timezone.now())


class TestAReceiverThatIsGone:
    def test_is_told_nothing_until_the_operator_turns_it_on_again(self, hearer: Hearer, alice: Phone) -> None:
        event = one(alice)
        hearer.status = 410
        deliver_due()
        event.refresh_from_db()
        assert event.state == EventState.GONE
        alice.texts("unheard")
        assert not events.is_on()
        assert OutgoingEvent.objects.count() == 1

        hearer.status = 200
        event_delivery.send_again(event, actor=OLGA, now=timezone.now())
        alice.texts("heard")
        assert deliver_due()
        assert "heard" in [told["data"].get("text") for told in hearer.told()]

    def test_does_not_speak_for_another(self, hearer: Hearer, alice: Phone, settings: Settings) -> None:
        one(alice)
        hearer.status = 410
        deliver_due()
        settings.SMS_EVENTS_URL = f"{hearer.origin}/other"
        assert events.is_on()


class TestALease:
    def test_lets_one_worker_post_an_event(self, hearer: Hearer, alice: Phone) -> None:
        one(alice)
        now = timezone.now()
        assert event_delivery.claim(now) is not None
        assert event_delivery.claim(now) is None

    def test_of_a_dead_worker_of_this_machine_is_freed_at_once(
        self, hearer: Hearer, alice: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one(alice)
        claimed = event_delivery.claim(timezone.now())
        assert claimed is not None
        monkeypatch.setattr(instance, "take_dead", lambda: iter([claimed.lease.partition("/")[0]]))
        assert lease.release_left_behind() == 1
        assert event_delivery.claim(timezone.now()) is not None

    def test_of_a_dead_worker_lapses_and_its_late_word_does_not_count(self, hearer: Hearer, alice: Phone) -> None:
        one(alice)
        dead = event_delivery.claim(timezone.now())
        later = timezone.now() + event_delivery.LEASE + timedelta(seconds=1)
        heir = event_delivery.claim(later)
        assert dead is not None
        assert heir is not None
        assert not event_delivery.settle(dead, Answer(410), now=later)
        assert event_delivery.settle(heir, Answer(200), now=later)
        assert OutgoingEvent.objects.get().state == EventState.DELIVERED


class TestGoOnly:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "hooks.example.com",
            "ftp://hooks.example.com",
            "http://hooks.example.com/",
            "https://u:p@x.example/",
            "https://[",
            "https://x/#y",
        ],
    )
    def test_to_a_whole_https_address(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="SMS_EVENTS_URL"):
            Receiver(url, allow_private=False)

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[fd00::1]",
            "0.0.0.0",
            "2130706433",
        ],
    )
    def test_into_the_public_network(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        target = Receiver(f"https://{host}/", allow_private=False)
        monkeypatch.setattr(target._client, "send", lambda *args, **kwargs: pytest.fail("it was posted"))
        assert "private network" in target.post(b"{}", {}).sentence

    def test_where_every_address_of_a_name_is_public(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("192.168.1.1", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        assert "private network" in Receiver("https://two.example/", allow_private=False).post(b"", {}).sentence

    def test_to_the_very_address_that_was_checked(self, hearer: Hearer, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name is resolved once; it leads nowhere else a moment later."""
        port = int(hearer.origin.rpartition(":")[2])
        asked: list[str] = []

        def resolve(host: str, *args: object, **kwargs: object) -> list[object]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host if host[0].isdigit() else "127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert Receiver(f"http://rebinding.example:{port}/e", allow_private=True).post(b"{}", {}).taken
        assert asked.count("rebinding.example") == 1
        assert hearer.heard[0].headers["host"] == f"rebinding.example:{port}"

    def test_with_a_secret(self, settings: Settings, hearer: Hearer) -> None:
        settings.SMS_EVENTS_SECRET = ""
        with pytest.raises(ConfigurationError, match="SMS_EVENTS_SECRET must be set"):
            EventDelivery().start()


@pytest.mark.django_db(transaction=True)
def test_a_running_loop_posts_what_is_written(hearer: Hearer, alice: Phone) -> None:
    loop = EventDelivery()
    loop.start()
    try:
        alice.texts("hello")
        assert hearer.wait_until(lambda: len(hearer.heard) >= 2, within=20)
    finally:
        loop.stop()
    assert {told["type"] for told in hearer.told()} == {"text.received", "text.answered"}
    assert not any(thread.name == "events" for thread in threading.enumerate())


def test_old_ones_are_forgotten(hearer: Hearer, alice: Phone) -> None:
    one(alice)
    now = timezone.now()
    OutgoingEvent.objects.update(state=EventState.DELIVERED, finished_at=now)
    assert event_delivery.prune(now + timedelta(days=6)) == 0
    assert event_delivery.prune(now + timedelta(days=8)) == 1


class TestAnAgentThatAnswersLater:
    def later(self, alice: Phone) -> InboundMessage:
        agents.answers.append(AnswersLater())
        text = alice.texts("a long question")
        text.refresh_from_db()
        return text

    def test_leaves_the_text_waiting_and_the_lane_free(self, alice: Phone) -> None:
        text = self.later(alice)
        assert (text.state, text.reason) == (InboundState.AWAITING, Reason.ANSWER_LATER)
        alice.texts("another")
        assert alice.heard() == ["You said another"]

    def test_answers_through_the_api(self, alice: Phone, twilio: PretendTwilio) -> None:
        text = self.later(alice)
        order = Order(text="**Done**", in_reply_to=text.sid)
        automation.send(order, author="api:agent", now=timezone.now())
        work()
        text.refresh_from_db()
        assert text.state == InboundState.ANSWERED
        assert [message.body for message in twilio.messages_to(cast.ALICE)] == ["Done"]

    @pytest.mark.parametrize("end", ["later", "reply", "silence"])
    def test_may_do_so_before_it_has_said_later(
        self, alice: Phone, end: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reply overtakes the 202, or the agent answers twice: the first holds."""

        def hasty(question: Any) -> str:
            automation.send(
                Order(text="first", in_reply_to=question.message_sid), author="api:agent", now=timezone.now()
            )
            if end == "later":
                raise AnswersLater
            return "second" if end == "reply" else ""

        monkeypatch.setattr(agents, "scripted", hasty)
        text = alice.texts("hello")
        text.refresh_from_db()
        assert (text.state, alice.heard()) == (InboundState.ANSWERED, ["first"])

    def test_is_shown_to_the_operator_when_the_answer_does_not_come(self, alice: Phone, settings: Settings) -> None:
        text = self.later(alice)
        due = timezone.now() + settings.SMS_AGENT_LATER_WITHIN
        assert turn.give_up_waiting(due - timedelta(minutes=1)) == 0
        assert turn.give_up_waiting(due) == 1
        text.refresh_from_db()
        assert (text.state, text.reason) == (InboundState.PARKED, Reason.NO_LATER_ANSWER)
        assert alice.heard() == []

    def test_wins_although_the_202_is_written_down_in_that_moment(self, alice: Phone) -> None:
        text = self.later(alice)
        text.state = InboundState.PROCESSING  # as it was read a moment ago
        draft = manual.draft(alice.account, cast.ALICE, "Done")
        automation._write(text, draft, author="api:agent", now=timezone.now())
        assert alice.heard() == ["Done"]

    def test_may_still_answer_then(self, alice: Phone, settings: Settings) -> None:
        text = self.later(alice)
        turn.give_up_waiting(timezone.now() + settings.SMS_AGENT_LATER_WITHIN)
        automation.send(Order(text="at last", in_reply_to=text.sid), author="api:agent", now=timezone.now())
        assert alice.heard() == ["at last"]


def one(alice: Phone) -> OutgoingEvent:
    """One event that is due, and no other."""
    alice.texts("hello")
    OutgoingEvent.objects.exclude(type="text.received").delete()
    return OutgoingEvent.objects.get()


def make_due() -> None:
    OutgoingEvent.objects.update(next_attempt_at=timezone.now())


class TestErasure:
    def test_takes_the_words_out_of_old_events_and_leaves_those_that_wait(self, alice: Phone, hearer: Hearer) -> None:
        alice.texts("my secret")
        deliver_due()
        alice.texts("my second secret")
        erasure.older_than(timezone.now(), now=timezone.now())

        first, second = (row for row in OutgoingEvent.objects.order_by("pk") if row.type == "text.received")
        assert json.loads(first.payload)["data"] == {"account": "default", "erased": True}
        assert (first.state, second.state) == (EventState.DELIVERED, EventState.PENDING)
        assert "my second secret" in second.payload

    def test_of_a_sender_takes_their_number_out_even_of_those_that_wait(
        self, alice: Phone, hearer: Hearer, twilio: PretendTwilio
    ) -> None:
        alice.texts("my secret")
        work()
        assert OutgoingEvent.objects.filter(state=EventState.PENDING).exists()
        erasure.sender(alice.account.pk, alice.number, actor=OLGA, now=timezone.now())

        assert not OutgoingEvent.objects.filter(payload__contains=alice.number).exists()
        assert not OutgoingEvent.objects.filter(payload__contains="secret").exists()
        deliver_due()
        assert {heard["data"]["erased"] for heard in hearer.told()} == {True}

    def test_waits_for_an_answer_that_was_promised(self, alice: Phone, hearer: Hearer) -> None:
        alice.texts("my secret")
        InboundMessage.objects.update(state=InboundState.AWAITING, next_attempt_at=timezone.now())
        with pytest.raises(StillBusy):
            erasure.sender(alice.account.pk, alice.number, actor=OLGA, now=timezone.now())
        assert erasure.older_than(timezone.now(), now=timezone.now()).received == 0
