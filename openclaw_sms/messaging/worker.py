"""The worker: threads that look at conversations, and a sweep that finds what no hint pointed at.

It waits, claims and hands over; what a turn is and how a part is sent is decided in `turn`, `outbox` and
`reconcile`. A worker may be killed at any line: leases lapse, rows stay, the next one goes on.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection
from django.db.models import Min, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from huey import Huey
from huey.consumer import Consumer

from openclaw_sms.agents.base import Agent, AgentError, AgentErrorCode
from openclaw_sms.agents.registry import AgentSettings, build_agent
from openclaw_sms.config import agent_token, refresher
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef
from openclaw_sms.messaging import housekeeping, lease, notices, outbox, queue, reconcile, trail, turn
from openclaw_sms.messaging.alarm import alarm
from openclaw_sms.messaging.event_delivery import EventDelivery
from openclaw_sms.messaging.heartbeat import Heartbeat
from openclaw_sms.messaging.lease import Lane, Lease, LeaseLost
from openclaw_sms.messaging.part_moves import Progress
from openclaw_sms.messaging.slots import Sender, Slot, Slots
from openclaw_sms.messaging.turn import NoSlot, Turn
from openclaw_sms.models import UNSENT, WAITING, Conversation, InboundMessage, OutboundPart, PartState
from openclaw_sms.twilio.client import refuse_insecure

logger = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(seconds=2)
# Posting a part takes a fraction of a second, an agent's turn minutes: few threads keep up with many.
SENDING_THREADS = 4
# A post to Twilio has a time limit of its own; container managers allow few seconds beyond the turns' grace.
SENDING_GRACE = timedelta(seconds=3)
# Beyond those that ask agents: texts that need none are judged at once, however many agents are thinking.
JUDGING_THREADS = 4
# A hint that is still in the queue need not be given again at every sweep.
HINT_AGAIN_AFTER = timedelta(seconds=20)
# One that has left the queue without effect must be: the server was flushed, or a worker killed with it in hand.
HINT_SETTLES_AFTER = timedelta(seconds=1)

# Lane, row, and since when it is due.
Hint = tuple[Lane, int, datetime | None]

# Set when no further work of the lane may be begun in this process. Turns stop first, so that the replies of those
# in hand still go out.
stopping = {lane: threading.Event() for lane in Lane}

slots = Slots(settings.SMS_WORKER_THREADS)


@functools.cache
def agent() -> Agent:
    """The agent that SMS_AGENT names. Raises `AgentError` or `ConfigurationError` when it cannot be used."""
    return build_agent(agent_settings())


def agent_settings() -> AgentSettings:
    return AgentSettings(
        spec=settings.SMS_AGENT,
        url=settings.SMS_AGENT_URL,
        token=settings.SMS_AGENT_TOKEN,
        token_source=_token_source(),
        model=settings.SMS_AGENT_MODEL,
        read_timeout=settings.SMS_AGENT_TIMEOUT,
        history_turns=settings.SMS_AGENT_HISTORY,
        system_prompt=settings.SMS_AGENT_SYSTEM_PROMPT,
        pseudonym_key=salted_hmac("openclaw_sms sender pseudonym", "").hexdigest(),
    )


def _token_source() -> Callable[[], str] | None:
    """What looks the agent's token up, when it is kept elsewhere. Raises `ConfigurationError`."""
    ref = agent_token.reference()
    return None if ref is None else functools.partial(_look_up, ref)


def _look_up(ref: SecretRef) -> str:
    try:
        return resolver.resolve(ref)
    except SecretUnavailable as error:
        sentence = f"{agent_token.NAME}: {error}"
    raise AgentError(AgentErrorCode.TOKEN_UNAVAILABLE, sentence, retryable=True)


def answer(inbound_id: int) -> None:
    """Answer the waiting texts of the sender of this text, oldest first, until none is left or due."""
    text = InboundMessage.objects.only("account_id", "sender").filter(pk=inbound_id).first()
    if text is None or slots.must_wait(sender := (text.account_id, text.sender)):
        return
    slot = slots.visit()
    try:
        _answer_sender(sender, inbound_id, slot)
        while not stopping[Lane.TURN].is_set() and (following := slot.next_waiting()) is not None:
            _answer_sender(*following, slot)
    finally:
        slot.give_back()


def _answer_sender(sender: Sender, inbound_id: int, slot: Slot) -> None:
    """Answer the sender's texts until none is left or due, or until they must wait for a slot."""
    account_pk, address = sender
    conversation, _ = Conversation.objects.get_or_create(account_id=account_pk, sender=address)
    while True:
        try:
            _drain(conversation, Lane.TURN, functools.partial(answer_one, slot=slot), _turn_is_due)
        except NoSlot:
            if slots.wait(sender, inbound_id):
                return
        else:
            return


def send(conversation_id: int) -> None:
    """Send the conversation's waiting parts, in order, until none is left or due."""
    conversation = Conversation.objects.filter(pk=conversation_id).first()
    if conversation is not None:
        _drain(conversation, Lane.SEND, send_one, _part_is_due)


def _drain(
    conversation: Conversation,
    lane: Lane,
    step: Callable[[Conversation, Lease], bool],
    is_due: Callable[[Conversation], bool],
) -> None:
    """Hold the lane and work it off. Looks once more after letting go: a hint may have met our lease and left."""
    ends = stopping[lane]
    while not ends.is_set():
        with lease.held(conversation.pk, lane) as ours:
            if ours is None:
                return
            try:
                while not ends.is_set() and step(conversation, ours):
                    pass
            except LeaseLost:
                logger.warning("lease.lost conversation=%s lane=%s", conversation.pk, lane.value)
                return
        if not is_due(conversation):
            return


def answer_one(conversation: Conversation, ours: Lease, *, slot: Slot) -> bool:
    """One turn. False when there is none to take now. Raises `NoSlot` when the sender must wait for an agent."""
    if slot.must_be_passed_on():
        raise NoSlot
    text = turn.claim_next(conversation, ours, now=timezone.now())
    if text is None:
        return False
    taken = Turn(text, conversation, ours, agent(), slot)
    with trail.following(text.sid):
        try:
            taken.take()
        except LeaseLost:
            raise
        except NoSlot:
            taken.postpone()
            raise
        except Exception as error:
            taken.hand_back(error)
    return True


def send_one(conversation: Conversation, ours: Lease) -> bool:
    """One step with the conversation's oldest unsent part. False when there is nothing to do now."""
    now = timezone.now()
    part = outbox.next_part(conversation.pk)
    if part is None or (part.next_attempt_at is not None and part.next_attempt_at > now):
        return False
    step = {
        PartState.QUEUED: outbox.post,
        PartState.SENDING: reconcile.recover,
        PartState.CHECKING: reconcile.check,
    }[PartState(part.state)]
    with trail.following(outbox.sid_answered_by(part)):
        return step(part, ours, now=now) is Progress.MOVED


def _turn_is_due(conversation: Conversation) -> bool:
    text = turn.oldest_waiting(conversation)
    return text is not None and (text.next_attempt_at is None or text.next_attempt_at <= timezone.now())


def _part_is_due(conversation: Conversation) -> bool:
    part = outbox.next_part(conversation.pk)
    if part is None:
        return False
    if part.next_attempt_at is None or part.next_attempt_at <= timezone.now():
        return True
    alarm.set(conversation.pk, part.next_attempt_at)
    return False


class Sweep:
    """Finds waiting texts and parts that nobody works on: lost hints, dead workers, back-offs that are over."""

    def __init__(self) -> None:
        self._hinted: dict[Hint, float] = {}

    def once(self, now: datetime) -> int:
        """Give a hint for every lane that is due and free. Returns how many; stops when the queue takes none."""
        freed = lease.release_left_behind()
        if freed:
            logger.info("lease.recovered count=%s", freed)
        turn.give_up_waiting(now)
        due = self._due(now)
        self._forget_old(due)
        given = 0
        for hint, wake in due:
            if hint in self._hinted:
                continue
            if not wake(hint[1]):
                break
            self._hinted[hint] = time.monotonic()
            given += 1
        return given

    def _due(self, now: datetime) -> list[tuple[Hint, Callable[[int], bool]]]:
        """What is due and in nobody's hands."""
        hints: list[tuple[Hint, Callable[[int], bool]]] = []
        hints += [((Lane.TURN, *text), queue.wake_inbound) for text in self._texts(now)]
        hints += [((Lane.SEND, *part), queue.wake_outbox) for part in self._parts(now)]
        return hints

    def _texts(self, now: datetime) -> list[tuple[int, datetime | None]]:
        """The oldest unfinished text, and when it became due, of every sender whose lane is free."""
        oldest = (
            InboundMessage.objects.filter(state__in=WAITING)
            .values("account_id", "sender")
            .annotate(oldest=Min("id"))
            .values_list("oldest", flat=True)
        )
        due = InboundMessage.objects.filter(_due(now), pk__in=list(oldest))
        busy = set(Conversation.objects.filter(turn_lease_until__gte=now).values_list("account_id", "sender"))
        return [
            (text.pk, text.next_attempt_at)
            for text in due.only("account_id", "sender", "next_attempt_at")
            if (text.account_id, text.sender) not in busy and not slots.must_wait((text.account_id, text.sender))
        ]

    def _parts(self, now: datetime) -> list[tuple[int, datetime | None]]:
        """The conversation, and when its oldest unsent part became due, of every lane that is free."""
        unsent = OutboundPart.objects.filter(state__in=UNSENT).order_by("conversation_id", "message_id", "number")
        free = unsent.exclude(conversation__send_lease_until__gte=now).exclude(outbox.waits_for_morning(now))
        heads: dict[int, datetime | None] = {}
        for conversation_id, since in free.values_list("conversation_id", "next_attempt_at"):
            heads.setdefault(conversation_id, since)
        return [(lane, since) for lane, since in heads.items() if since is None or since <= now]

    def _forget_old(self, due: list[tuple[Hint, Callable[[int], bool]]]) -> None:
        """Forget the hints that may be given again."""
        lanes = {hint[0] for hint, _ in due}
        patience = {lane: self._patience(lane) for lane in lanes}
        now = time.monotonic()
        self._hinted = {
            hint: at
            for hint, at in self._hinted.items()
            if now - at < patience.get(hint[0], HINT_AGAIN_AFTER).total_seconds()
        }

    def _patience(self, lane: Lane) -> timedelta:
        """How long a hint of the lane is given to take effect: not long once the queue is empty."""
        return HINT_AGAIN_AFTER if queue.pending(lane) else HINT_SETTLES_AFTER


def _due(now: datetime) -> Q:
    return Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)


def _hand_back_turns() -> None:
    """Give up the lanes of turns that did not end in time."""
    for ours in lease.keeper.held(Lane.TURN):
        try:
            turn.leave(ours)
        except (LeaseLost, DatabaseFailure) as error:  # it lapses by itself
            logger.warning("lease.not_released conversation=%s error=%s", ours.conversation_id, type(error).__name__)


class _Threads(Consumer):  # type: ignore[misc]  # huey has no types
    """The queue's threads, inside a process whose signals belong to somebody else."""

    def _set_signal_handlers(self) -> None:
        pass


def _threads(hints: Huey, number: int, *, grace: timedelta) -> _Threads:
    return _Threads(
        hints,
        workers=number,
        periodic=False,
        initial_delay=0.02,
        max_delay=0.2,
        shutdown_timeout=grace.total_seconds(),
    )


class Worker:
    """All worker threads of one process. `start` returns at once; `stop` waits for the turns in hand."""

    def __init__(self, threads: int) -> None:
        self._turns = _threads(queue.turns, threads + JUDGING_THREADS, grace=settings.SMS_SHUTDOWN_GRACE)
        self._sends = _threads(queue.sends, SENDING_THREADS, grace=SENDING_GRACE)
        self._events = EventDelivery()
        self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
        self._heartbeat = Heartbeat()
        self._housekeeper = threading.Thread(target=self._keep_house, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Raises before anything is started.

        `AgentError`, `InsecureApiBase`, `ConfigurationError` or `ImproperlyConfigured`.
        """
        agent()
        queue.refuse_unreachable()
        refuse_insecure(settings.TWILIO_API_BASE_URL)
        self._events.start()
        for lane in Lane:
            stopping[lane].clear()
        refresher.start()
        self._turns.start()
        self._sends.start()
        alarm.start()
        self._sweeper.start()
        self._housekeeper.start()

    def stop(self) -> None:
        """Take no more turns, wait for those in hand at most the grace time, and let their replies go out.

        A turn that is not finished by then is handed back, and its text is taken up by another worker, or after the
        next start.
        """
        stopping[Lane.TURN].set()
        self._turns.stop(graceful=True)
        _hand_back_turns()
        self._let_replies_out()
        alarm.stop()
        stopping[Lane.SEND].set()
        self._sends.stop(graceful=True)
        self._events.stop()
        refresher.stop()
        self._heartbeat.end()
        agent().close()

    def _let_replies_out(self) -> None:
        """Until the hints are taken; those in hand are then waited for by `stop`."""
        deadline = time.monotonic() + SENDING_GRACE.total_seconds()
        while queue.sends.pending_count() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.05)  # from the queue into the thread's hand

    def _sweep(self) -> None:
        sweep = Sweep()
        while not stopping[Lane.TURN].is_set():
            close_old_connections()
            try:
                self._heartbeat.beat(timezone.now())
                sweep.once(timezone.now())
                notices.wake_if_due(timezone.now())
            except Exception as error:
                logger.warning("sweep.failed error=%s", type(error).__name__)
            stopping[Lane.TURN].wait(SWEEP_EVERY.total_seconds())
        connection.close()

    def _keep_house(self) -> None:
        while not stopping[Lane.TURN].wait(housekeeping.EVERY.total_seconds()):
            close_old_connections()
            housekeeping.once(timezone.now())
        connection.close()
