"""The loop that posts outgoing events: a thread in every worker process.

An event is claimed by a conditional update with a lease, so that two workers never post it at the same time and one
that dies leaves it to the next, on the same machine at once (`lease.release_left_behind`). It is tried ten times over
three days, then given up until the operator has it sent again. While the receiver fails, the loop slows down instead
of going through everything that waits.
"""

import functools
import logging
import random
import threading
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import events, instance
from openclaw_sms.messaging.receiver import GONE, Answer, Receiver
from openclaw_sms.models import EventState, OutgoingEvent
from openclaw_sms.signing import standard_webhooks
from openclaw_sms.signing.standard_webhooks import InvalidSecret, SigningSecrets

logger = logging.getLogger(__name__)

# After each failed try. Source: Standard Webhooks, example retry schedule.
TRY_AGAIN_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.1
# Longer than a post can take by its own limits.
LEASE = timedelta(minutes=2)
LOOK_EVERY = timedelta(seconds=1)
# A receiver that hangs must not keep the process from ending: the event is posted again after the next start.
STOPS_WITHIN = timedelta(seconds=3)
AFTER_A_FAILURE = timedelta(seconds=5)
KEPT_FOR = timedelta(days=7)  # once delivered; what was given up stays for the operator four times as long
PRUNE_EVERY = timedelta(hours=1)


class AlreadySent(Exception):
    """The operator's sentence when an event is not there to be sent again."""

    code = "already_decided"

    def __init__(self, event: OutgoingEvent) -> None:
        event.refresh_from_db(fields=["state"])
        super().__init__(f"That was already decided: the event is now “{event.get_state_display()}”.")


def send_again(event: OutgoingEvent, *, actor: Actor, now: datetime) -> None:
    """Try an event that was given up again, from the start; the receiver counts as wanting events. Raises
    `AlreadySent`."""
    with transaction.atomic():
        again = {"attempts": 0, "next_attempt_at": now, "detail": "", "answer": None, "finished_at": None}
        sendable = event.state in (EventState.DEAD, EventState.GONE)
        if not sendable or not event.move(EventState.PENDING, receiver=events.receiver(), lease="", **again):
            raise AlreadySent(event)
        audit.record("event.send_again", actor=actor, at=now, account_id=event.account_id, subject=event.event_id)
        transaction.on_commit(functools.partial(events.written.set))


def configured() -> tuple[Receiver, SigningSecrets] | None:
    """The receiver, or None while there is none. Raises `ConfigurationError`."""
    if not settings.SMS_EVENTS_URL:
        return None
    try:
        secrets = standard_webhooks.parse(settings.SMS_EVENTS_SECRET)
    except InvalidSecret as error:
        raise ConfigurationError(f"SMS_EVENTS_SECRET {error}.") from None
    return Receiver(settings.SMS_EVENTS_URL, allow_private=settings.SMS_EVENTS_ALLOW_PRIVATE), secrets


class EventDelivery:
    """Posts what is due, until told to stop. Does nothing while no receiver is configured."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._receiver: Receiver | None = None
        self._secrets: SigningSecrets | None = None
        self._pruned_at: datetime | None = None

    def start(self) -> None:
        """Raises `ConfigurationError` before anything is started."""
        found = configured()
        if found is None:
            return
        self._receiver, self._secrets = found
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the post in hand finish if it does so soon; what waits is posted after the next start."""
        self._stopping.set()
        events.written.set()
        if self._thread is not None:
            self._thread.join(STOPS_WITHIN.total_seconds())
        if self._receiver is not None and self._thread is not None and not self._thread.is_alive():
            self._receiver.close()

    def once(self, receiver: Receiver, secrets: SigningSecrets) -> bool:
        """Post what is due now, oldest first. False as soon as the receiver fails, or when told to stop."""
        while not self._stopping.is_set():
            event = claim(timezone.now())
            if event is None:
                return True
            if not deliver(event, receiver, secrets):
                return False
        return False

    def _run(self) -> None:
        while not self._stopping.is_set():
            events.written.clear()
            wait = LOOK_EVERY if self._look() else AFTER_A_FAILURE
            if wait is LOOK_EVERY:
                events.written.wait(wait.total_seconds())
            else:
                self._stopping.wait(wait.total_seconds())
        connection.close()

    def _look(self) -> bool:
        if self._receiver is None or self._secrets is None:
            return True
        close_old_connections()
        try:
            self._prune(timezone.now())
            return self.once(self._receiver, self._secrets)
        except Exception as error:
            logger.warning("events.not_delivered error=%s", type(error).__name__)
            return False

    def _prune(self, now: datetime) -> None:
        if self._pruned_at is None or now - self._pruned_at > PRUNE_EVERY:
            self._pruned_at = now
            prune(now)


def claim(now: datetime) -> OutgoingEvent | None:
    """The event that has been due longest and nobody posts, leased to the caller; None when there is none."""
    free = Q(lease="") | Q(lease_until__lt=now)
    due = OutgoingEvent.objects.filter(
        free, state=EventState.PENDING, receiver=events.receiver(), next_attempt_at__lte=now
    )
    if not events.is_on():
        return None
    for event in due.order_by("next_attempt_at", "pk")[:10]:
        lease = f"{instance.current().id}/{uuid.uuid4().hex}"
        if due.filter(pk=event.pk).update(lease=lease, lease_until=now + LEASE, attempts=event.attempts + 1):
            event.lease, event.attempts = lease, event.attempts + 1
            return event
    return None


def deliver(event: OutgoingEvent, receiver: Receiver, secrets: SigningSecrets) -> bool:
    """Post a claimed event and write down what came of it. Whether the receiver took it."""
    payload = event.payload.encode()
    headers = secrets.headers(message_id=event.event_id, at=timezone.now(), payload=payload)
    answer = receiver.post(payload, headers)
    settle(event, answer, now=timezone.now())
    logger.log(
        logging.INFO if answer.taken else logging.WARNING,
        "event.posted id=%s type=%s attempt=%s answer=%s",
        event.event_id,
        event.type,
        event.attempts,
        answer.status or "none",
    )
    return answer.taken


def settle(event: OutgoingEvent, answer: Answer, *, now: datetime) -> bool:
    """What becomes of an event after a try. False when the lease had gone to another worker, which then decides."""
    mine = OutgoingEvent.objects.filter(pk=event.pk, state=EventState.PENDING, lease=event.lease)
    told: dict[str, object] = {
        "lease": "",
        "lease_until": None,
        "answer": answer.status,
        "detail": answer.sentence[:300],
    }
    if answer.taken:
        return _finish(mine, EventState.DELIVERED, now, told)
    if answer.status == GONE:
        return _finish(mine, EventState.GONE, now, told)
    if event.attempts > len(TRY_AGAIN_AFTER):
        return _finish(mine, EventState.DEAD, now, told)
    return bool(mine.update(next_attempt_at=now + wait_after(event.attempts, answer.retry_after), **told))


def wait_after(attempt: int, asked_for: timedelta | None = None) -> timedelta:
    """The wait after failed try number `attempt` (from 1), with jitter; at least what the receiver asked for."""
    planned = TRY_AGAIN_AFTER[attempt - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 - spreads load
    return max(planned, asked_for or timedelta(0))


def prune(now: datetime) -> int:
    """Forget what was delivered a week ago, and what was given up a month ago."""
    done = Q(state=EventState.DELIVERED, finished_at__lt=now - KEPT_FOR)
    given_up = Q(state=EventState.DEAD, finished_at__lt=now - 4 * KEPT_FOR)
    return OutgoingEvent.objects.filter(done | given_up).delete()[0]


def _finish(mine: "QuerySet[OutgoingEvent]", state: EventState, now: datetime, told: dict[str, object]) -> bool:
    return bool(mine.update(state=state, finished_at=now, **told))
