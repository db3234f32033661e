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
from django.db import close_old_connections, connection
from django.db.models import Max, Min, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from huey.consumer import Consumer

from openclaw_sms.agents.base import Agent
from openclaw_sms.agents.registry import AgentSettings, build_agent
from openclaw_sms.messaging import lease, outbox, queue, reconcile, turn
from openclaw_sms.messaging.lease import Lane, Lease, LeaseLost
from openclaw_sms.messaging.outbox import Progress
from openclaw_sms.messaging.turn import Turn
from openclaw_sms.models import UNSENT, WAITING, Conversation, InboundMessage, OutboundPart, PartState
from openclaw_sms.twilio.client import refuse_insecure

logger = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(seconds=2)
# A hint that is still in the queue need not be given again at every sweep.
HINT_AGAIN_AFTER = timedelta(seconds=20)

# Lane, row, and since when it is due.
Hint = tuple[str, int, datetime | None]

stopping = threading.Event()


@functools.cache
def agent() -> Agent:
    """The agent that SMS_AGENT names. Raises `AgentError` when it cannot be used."""
    return build_agent(
        AgentSettings(
            spec=settings.SMS_AGENT,
            url=settings.SMS_AGENT_URL,
            token=settings.SMS_AGENT_TOKEN,
            model=settings.SMS_AGENT_MODEL,
            read_timeout=settings.SMS_AGENT_TIMEOUT,
            history_turns=settings.SMS_AGENT_HISTORY,
            system_prompt=settings.SMS_AGENT_SYSTEM_PROMPT,
            pseudonym_key=salted_hmac("openclaw_sms sender pseudonym", "").hexdigest(),
        )
    )


def answer(inbound_id: int) -> None:
    """Answer the waiting texts of the sender of this text, oldest first, until none is left or due."""
    text = InboundMessage.objects.only("account_id", "sender").filter(pk=inbound_id).first()
    if text is not None:
        conversation, _ = Conversation.objects.get_or_create(account_id=text.account_id, sender=text.sender)
        _drain(conversation, Lane.TURN, answer_one, _turn_is_due)


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
    while not stopping.is_set():
        with lease.held(conversation.pk, lane) as ours:
            if ours is None:
                return
            try:
                while not stopping.is_set() and step(conversation, ours):
                    pass
            except LeaseLost:
                logger.warning("lease.lost conversation=%s lane=%s", conversation.pk, lane.value)
                return
        if not is_due(conversation):
            return


def answer_one(conversation: Conversation, ours: Lease) -> bool:
    """One turn. False when there is none to take now."""
    text = turn.claim_next(conversation, ours, now=timezone.now())
    if text is None:
        return False
    taken = Turn(text, conversation, ours, agent())
    try:
        taken.take()
    except LeaseLost:
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
    return step(part, ours, now=now) is Progress.MOVED


def _turn_is_due(conversation: Conversation) -> bool:
    text = turn.oldest_waiting(conversation)
    return text is not None and (text.next_attempt_at is None or text.next_attempt_at <= timezone.now())


def _part_is_due(conversation: Conversation) -> bool:
    part = outbox.next_part(conversation.pk)
    return part is not None and (part.next_attempt_at is None or part.next_attempt_at <= timezone.now())


class Sweep:
    """Finds waiting texts and parts that nobody works on: lost hints, dead workers, back-offs that are over."""

    def __init__(self) -> None:
        self._hinted: dict[Hint, float] = {}

    def once(self, now: datetime) -> int:
        """Give a hint for every lane that is due and free. Returns how many."""
        freed = lease.release_left_behind()
        if freed:
            logger.info("lease.recovered count=%s", freed)
        hints = sum(self._give(("turn", *due), queue.wake_inbound) for due in self._texts(now))
        hints += sum(self._give(("send", *due), queue.wake_outbox) for due in self._parts(now))
        self._forget_old()
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
            if (text.account_id, text.sender) not in busy
        ]

    def _parts(self, now: datetime) -> list[tuple[int, datetime | None]]:
        """Every conversation with a part that is due and whose lane is free, and when the part became due."""
        due = OutboundPart.objects.filter(_due(now), state__in=UNSENT)
        free = due.exclude(conversation__send_lease_until__gte=now)
        return list(
            free.values("conversation_id")
            .annotate(since=Max("next_attempt_at"))
            .values_list("conversation_id", "since")
        )

    def _give(self, hint: Hint, wake: Callable[[int], None]) -> int:
        now = time.monotonic()
        if now - self._hinted.get(hint, float("-inf")) < HINT_AGAIN_AFTER.total_seconds():
            return 0
        self._hinted[hint] = now
        wake(hint[1])
        return 1

    def _forget_old(self) -> None:
        oldest = time.monotonic() - HINT_AGAIN_AFTER.total_seconds()
        self._hinted = {hint: at for hint, at in self._hinted.items() if at > oldest}


def _due(now: datetime) -> Q:
    return Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)


class _Threads(Consumer):  # type: ignore[misc]  # huey has no types
    """The queue's threads, inside a process whose signals belong to somebody else."""

    def _set_signal_handlers(self) -> None:
        pass


class Worker:
    """All worker threads of one process. `start` returns at once; `stop` waits for the turns in hand."""

    def __init__(self, threads: int) -> None:
        self._consumer = _Threads(
            queue.huey,
            workers=threads,
            periodic=False,
            initial_delay=0.02,
            max_delay=0.2,
            shutdown_timeout=settings.SMS_SHUTDOWN_GRACE.total_seconds(),
        )
        self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)

    def start(self) -> None:
        """Raises `AgentError` or `InsecureApiBase` for settings that cannot be used, before anything is started."""
        agent()
        refuse_insecure(settings.TWILIO_API_BASE_URL)
        stopping.clear()
        self._consumer.start()
        self._sweeper.start()

    def stop(self) -> None:
        """Take no more work and wait for the turns in hand, at most the grace time.

        What is not finished by then stays in its row and is taken up again after the next start.
        """
        stopping.set()
        self._consumer.stop(graceful=True)

    def _sweep(self) -> None:
        sweep = Sweep()
        while not stopping.is_set():
            close_old_connections()
            try:
                sweep.once(timezone.now())
            except Exception as error:
                logger.warning("sweep.failed error=%s", type(error).__name__)
            stopping.wait(SWEEP_EVERY.total_seconds())
        connection.close()
