"""One turn: a text that was received, up to the moment its reply is in the outbox.

Every write of a turn is one transaction that first confirms the lease, so that a turn is finished once or not at all.
The agent is called outside of any transaction. Nothing here posts to Twilio.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from openclaw_sms.access import limits, opt_out, pairing, policy
from openclaw_sms.access.policy import Decision, Ruling
from openclaw_sms.agents.base import Agent, AgentError, AnswersLater, Question, Reply
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.config.secrets import resolver
from openclaw_sms.messaging import (
    backoff,
    counters,
    enclosures,
    events,
    flags,
    history,
    keywords,
    media,
    outbox,
    owner,
    owner_commands,
    pairing_notice,
)
from openclaw_sms.messaging.enclosures import Enclosed
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.messaging.owner_commands import OwnerCommand
from openclaw_sms.messaging.sentences import say
from openclaw_sms.messaging.slots import Slot
from openclaw_sms.models import (
    PLACE,
    WAITING,
    Conversation,
    FlagSource,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundPart,
    PairingRequest,
    PartState,
    Reason,
)
from openclaw_sms.text.flags import take_flag
from openclaw_sms.text.keywords import Keyword
from openclaw_sms.text.phone import parse_sender
from openclaw_sms.text.plaintext import sendable_text
from openclaw_sms.twilio import payloads
from openclaw_sms.twilio.payloads import InboundText, Mismatch

logger = logging.getLogger(__name__)

# Waits between tries to write an agent's answer down: as long as a database takes to restart, well under a lease.
WRITE_PAUSES = [timedelta(seconds=seconds) for seconds in (0.2, 1, 3, 6)]

# A text that was in hand when the process died or failed, more often than this, may be what kills it.
SURVIVED_CRASHES = 4
# The first time the process died for another reason, most likely: a restart, a new release.
CRASHES_WITHOUT_A_PAUSE = 1
OVER_THE_LIMIT_WITHIN = timedelta(minutes=1)
UNCOUNTED = (Reason.STOP_WORD, Reason.START_WORD, Reason.HELP_WORD, Reason.OPTED_OUT)

MISMATCHES = {
    Mismatch.ACCOUNT_SID: Reason.WRONG_ACCOUNT_SID,
    Mismatch.TO: Reason.WRONG_NUMBER,
    Mismatch.MESSAGING_SERVICE_SID: Reason.WRONG_SERVICE,
}


class NoSlot(Exception):
    """The text needs the agent, and this process asks as many agents as it may. Nothing was written."""


def oldest_waiting(conversation: Conversation) -> InboundMessage | None:
    waiting = InboundMessage.objects.filter(
        account_id=conversation.account_id, sender=conversation.sender, state__in=WAITING
    )
    # A text fetched late from Twilio goes before the newer one that was waiting when it came.
    return waiting.order_by(PLACE, F("before_id").asc(nulls_last=True), "received_at", "id").first()


def claim_next(conversation: Conversation, lease: Lease, *, now: datetime) -> InboundMessage | None:
    """The sender's oldest unfinished text, marked as being answered; None while there is none or it must wait.

    A text that is already marked was left by a worker that died; it is claimed again, a bounded number of times.
    From the second time on it waits a while first: a text that kills its worker must not keep the gateway down.
    """
    text = oldest_waiting(conversation)
    if text is None or (text.next_attempt_at is not None and text.next_attempt_at > now):
        return None
    with transaction.atomic():
        lease.confirm(now)
        if text.state == InboundState.PROCESSING:
            text.move(
                InboundState.RECEIVED,
                crashes=text.crashes + 1,
                next_attempt_at=_after_a_crash(text, now),
                reason=Reason.CRASHED,
                detail=Reason.CRASHED.label,
            )
            if text.next_attempt_at is not None:
                return None
        text.move(InboundState.PROCESSING, next_attempt_at=None)
        Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=now)
    return text


def _after_a_crash(text: InboundMessage, now: datetime) -> datetime | None:
    return now + backoff.delay(text.crashes) if text.crashes >= CRASHES_WITHOUT_A_PAUSE else None


class Turn:
    """The turn of one claimed text: identity, STOP and its kin, policy, agent, reply.

    `take` ends in exactly one finishing move.
    """

    def __init__(
        self, text: InboundMessage, conversation: Conversation, lease: Lease, agent: Agent, slot: Slot
    ) -> None:
        self.text = text
        self.conversation = conversation
        self.lease = lease
        self.agent = agent
        self.slot = slot

    def take(self) -> None:
        """Raises `LeaseLost` when another worker took the conversation meanwhile; then nothing was written.

        Raises `NoSlot` when the text needs the agent and must wait for that: `postpone` it.
        """
        account = accounts.current().by_pk(self.conversation.account_id)
        if account is None or not account.configured:
            self._finish(InboundState.PARKED, Reason.ACCOUNT_UNAVAILABLE)
            return
        if self.text.erased_at is not None:
            self._finish(InboundState.REFUSED, Reason.ERASED)
            return
        if self.text.crashes > SURVIVED_CRASHES:
            self._stop_crashing(account)
            return
        payload = payloads.classify(payloads.parse_form(bytes(self.text.form)))
        if not isinstance(payload, InboundText):
            raise TypeError("the inbox stores texts and nothing else")
        self._judge(account, payload)

    def _stop_crashing(self, account: Account) -> None:
        """Park the text that keeps killing its worker; only who may talk is owed an apology."""
        if rule(account, self.text.sender).decision is Decision.ADMIT:
            self._give_up(account, Reason.CRASHED)
        else:
            self._finish(InboundState.PARKED, Reason.CRASHED)

    def _judge(self, account: Account, payload: InboundText) -> None:
        mismatch = payloads.identity_mismatch(payload, account.expected)
        if mismatch is not None:
            self._finish(InboundState.PARKED, MISMATCHES[mismatch])
            return
        # Whatever the policy, and whether or not the account answers anybody.
        word = keywords.keyword_of(account, payload, self.text.sender)
        if word is not None:
            self._obey(word, account, payload)
        elif not account.enabled:
            self._finish(InboundState.PARKED, Reason.ACCOUNT_UNAVAILABLE)
        elif (command := owner_commands.read(account, payload)) is not None:
            self._obey_owner(account, command)
        else:
            flags.raise_if_asked_to_stop(self.conversation, self.text)
            self._admit(account, payload)

    def _obey(self, word: Keyword, account: Account, payload: InboundText) -> None:
        with self._writing() as now:
            reason = keywords.obey(word, account, payload, self.text, self.conversation, now=now)
            self._move(InboundState.SILENT, reason, now)

    def _admit(self, account: Account, payload: InboundText) -> None:
        if is_over_the_limit(self.text, account.inbound_per_minute):
            self._finish(InboundState.THROTTLED, Reason.THROTTLED)
            return
        ruling = rule(account, self.text.sender)
        if ruling.decision is Decision.REFUSE:
            self._finish(InboundState.REFUSED, ruling.reason)
        elif ruling.decision is Decision.CHALLENGE:
            self._challenge(account)
        else:
            self._answer(account, payload)

    def _obey_owner(self, account: Account, command: OwnerCommand) -> None:
        """Do what the owner asked for by text, and say so: one transaction, so that it happens once."""
        with self._writing() as now:
            if self.text.state != InboundState.PROCESSING:
                return
            done = owner_commands.obey(command, account, sender=self.text.sender, now=now)
            with suppress(Withheld):  # an owner who opted out is obeyed, and not told
                outbox.write(
                    self.conversation,
                    done,
                    kind=OutboundKind.NOTICE,
                    author="gateway",
                    limit=account.text_chunk_limit,
                    now=now,
                    in_reply_to=None if self._was_told(OutboundKind.NOTICE) else self.text,
                )
            self._move(InboundState.ANSWERED, Reason.NONE, now)

    def _challenge(self, account: Account) -> None:
        """Keep the text for the owner and tell the sender the code: once per request, unless that text failed."""
        refused = limits.of_country(account, self.text.sender)
        if refused is not Reason.NONE:
            self._finish(InboundState.REFUSED, refused)
            return
        with self._writing() as now:
            pairing.lock(account.pk)
            if pairing.is_paired(account.pk, self.text.sender):
                # The owner approved in this very moment: judge again.
                self.text.move(InboundState.RECEIVED)
                return
            known = pairing.asked(account.pk, self.text.sender, now=now)
            if known is not None and known.reply is not None and not _failed(known.reply.pk):
                pairing.seen(known, now=now)
                self._move(InboundState.HELD, Reason.AWAITING_APPROVAL, now)
                return
            spent = limits.of_strangers(account, self.text.sender, now=now)
            request = pairing.request(self.text, now=now) if spent is Reason.NONE else None
            if request is None:
                bitten = Reason.PAIRING_FULL if spent is Reason.NONE else spent
                pairing_notice.cap_has_bitten(account, bitten)
                self._move(InboundState.HELD if known else InboundState.REFUSED, bitten, now)
                return
            self._tell_code(account, request, now)

    def _tell_code(self, account: Account, request: PairingRequest, now: datetime) -> None:
        is_new = request.reply is None and request.first_text_id == self.text.pk
        try:
            request.reply = outbox.write(
                self.conversation,
                say("pairing", code=request.code),
                kind=OutboundKind.PAIRING,
                author="gateway",
                limit=account.text_chunk_limit,
                now=now,
                # An earlier code may have answered this very text, if the owner has it looked at again.
                in_reply_to=None if self._was_told(OutboundKind.PAIRING) else self.text,
            )
        except Withheld as withheld:
            # They opted out in this very moment: no code, and no place among those who wait.
            pairing.forget(request)
            self._move(InboundState.REFUSED, withheld.reason, now)
            return
        request.save(update_fields=["reply"])
        pairing_notice.asked(account, request)
        if is_new:
            events.pairing_requested(request, now=now)
        self._move(InboundState.HELD, Reason.AWAITING_APPROVAL, now)

    def _answer(self, account: Account, payload: InboundText) -> None:
        if not self.slot.take():
            raise NoSlot
        received = media.collect(self.text, payload, account, self.lease)
        if received.again_at is not None:
            self._wait_for_media(received.again_at)
            return
        words = "\n\n".join(filter(None, [payload.body if payload.body.strip() else "", received.notice]))
        if not (words or received.attachments):
            self._finish(InboundState.REFUSED, Reason.EMPTY)
            return
        question = Question(
            text=words,
            sender=self.text.sender,
            account=account.id,
            message_sid=self.text.sid,
            received_at=self.text.received_at,
            attempt=self.text.attempts + 1,
            history=history.before(self.text, turns=self.agent.history_turns),
            attachments=received.attachments,
        )
        # Again, on fresh facts: the owner may have changed their mind while the text waited.
        ruling = rule(accounts.load(resolver.peek).by_pk(account.pk) or account, self.text.sender)
        if ruling.decision is not Decision.ADMIT:
            self._finish(InboundState.REFUSED, ruling.reason)
            return
        if limits.of_replies(account, self.conversation.pk, now=timezone.now()) is not Reason.NONE:
            self._halt(account)
            return
        self._note_that_the_agent_is_asked()
        try:
            with counters.timed(counters.AGENT_SECONDS):
                answer = self.agent.answer(question)
        except AnswersLater:
            persistently(self._await_answer)
            return
        except AgentError as error:
            self._agent_failed(account, error)
            return
        # The agent may have acted on the text: from here on it must not be asked a second time for our own troubles.
        said = enclosures.lifted(answer if isinstance(answer, Reply) else Reply(answer))
        words, flagged = take_flag(said.text)
        if flagged:
            persistently(functools.partial(flags.put_up, self.conversation, FlagSource.AGENT, self.text))
        reply = "" if outbox.is_too_long(words) else sendable_text(words)
        if outbox.is_too_long(words) or outbox.is_too_long(reply):
            persistently(functools.partial(self._give_up, account, Reason.REPLY_TOO_LONG))
        else:
            enclosed = enclosures.of_reply(said.media, reply, account)
            persistently(functools.partial(self._reply, account, reply, enclosed))

    def _halt(self, account: Account) -> None:
        """The loop guard: the operator looks before the agent says more to somebody who may be a machine."""
        self._finish(InboundState.PARKED, Reason.REPLY_CAP)
        key = f"{Reason.REPLY_CAP.value}:{self.conversation.pk}:{owner.today()}"
        owner.tell_once(account, key, "owner_reply_cap", account=account.id)

    def _wait_for_media(self, at: datetime) -> None:
        """Let the text, and the sender's later ones, wait for its pictures. That is none of the agent's tries."""
        with self._writing():
            if self.text.state != InboundState.PROCESSING:
                return
            self.text.move(
                InboundState.RECEIVED,
                next_attempt_at=at,
                reason=Reason.MEDIA_DELAYED,
                detail=Reason.MEDIA_DELAYED.label,
            )

    def _note_that_the_agent_is_asked(self) -> None:
        """On the disk before the agent hears of it: if we die meanwhile, the next try can say that it is one."""
        with self._writing():
            self.text.attempts += 1
            self.text.save(update_fields=["attempts"])

    def _reply(self, account: Account, reply: str, enclosed: Enclosed) -> None:
        if not reply and not enclosed.sendable:
            if enclosed.refused:
                self._give_up(account, Reason.MEDIA_UNSENDABLE, detail=enclosed.refused[0])
                return
            self._finish(InboundState.SILENT, Reason.AGENT_DECLINED)
            return
        with self._writing() as now:
            if self.text.state != InboundState.PROCESSING:
                return  # it was written after all: only the word of the commit was lost
            try:
                message = outbox.write(
                    self.conversation,
                    reply,
                    kind=OutboundKind.REPLY,
                    author="agent",
                    limit=account.text_chunk_limit,
                    now=now,
                    in_reply_to=self.text,
                    enclosures=enclosed.sendable,
                    unsendable=enclosed.refused,
                )
            except Withheld as withheld:
                self._move(InboundState.REFUSED, withheld.reason, now)
                return
            self._move(InboundState.ANSWERED, Reason.NONE, now)
            events.text_answered(self.text, message, now=now)

    def _await_answer(self) -> None:
        """The agent has the text and answers through the API; the lane is free for the sender's next text."""
        with self._writing() as now:
            self._move(
                InboundState.AWAITING,
                Reason.ANSWER_LATER,
                now,
                next_attempt_at=now + settings.SMS_AGENT_LATER_WITHIN,
            )

    def _agent_failed(self, account: Account, error: AgentError) -> None:
        """Try again later, or apologise once and park the text for the operator."""
        failures = self.text.failures + 1
        again = error.retryable and failures < settings.SMS_AGENT_TRIES
        logger.warning(
            "turn.agent_failed sid=%s code=%s attempt=%s again=%s",
            self.text.sid,
            error.code,
            failures,
            again,
        )
        with self._writing() as now:
            if self.text.state != InboundState.PROCESSING:
                return
            if again:
                self.text.move(
                    InboundState.RECEIVED,
                    failures=failures,
                    next_attempt_at=now + backoff.delay(failures, retry_after=error.retry_after),
                    reason=Reason.AGENT_FAILED,
                    detail=str(error),
                )
                return
        self._give_up(account, Reason.AGENT_FAILED, detail=str(error))

    def _give_up(self, account: Account, reason: Reason, *, detail: str = "") -> None:
        """Apologise to the sender and park the text for the operator."""
        with self._writing() as now:
            if self.text.state != InboundState.PROCESSING:
                return
            self._apologise(account, now)
            self._move(InboundState.PARKED, reason, now, detail=detail)

    def _apologise(self, account: Account, now: datetime) -> None:
        """Once a text, however often the operator has it answered again."""
        if self._was_told(OutboundKind.APOLOGY):
            return
        with suppress(Withheld):  # who opted out while the agent failed is owed nothing
            outbox.write(
                self.conversation,
                say("apology"),
                kind=OutboundKind.APOLOGY,
                author="gateway",
                limit=account.text_chunk_limit,
                now=now,
                in_reply_to=self.text,
            )

    @contextmanager
    def _writing(self) -> Iterator[datetime]:
        """A transaction of this turn, behind the fence. Yields the time. Raises `LeaseLost`."""
        now = timezone.now()
        with transaction.atomic():
            self.lease.confirm(now)
            # An earlier transaction that failed has moved this object, but not the row.
            self.text.refresh_from_db(fields=["state"])
            yield now

    def postpone(self) -> None:
        """Let the text wait for an agent. It was judged and nothing else, so nothing counts."""
        with self._writing():
            if self.text.state == InboundState.PROCESSING:
                self.text.move(InboundState.RECEIVED)

    def hand_back(self, error: Exception) -> None:
        """After a failure of our own: let the text wait for its next try. Only the error's type is kept."""
        now = timezone.now()
        logger.error("turn.crashed sid=%s error=%s", self.text.sid, type(error).__name__)
        with transaction.atomic():
            self.lease.confirm(now)
            # A transaction that failed moved the object, not the row.
            self.text.refresh_from_db(fields=["state", "crashes"])
            if self.text.state != InboundState.PROCESSING:
                return
            self.text.move(
                InboundState.RECEIVED,
                crashes=self.text.crashes + 1,
                next_attempt_at=now + backoff.delay(self.text.crashes + 1),
                reason=Reason.CRASHED,
                detail=f"{Reason.CRASHED.label} ({type(error).__name__})",
            )

    def _was_told(self, kind: OutboundKind) -> bool:
        return self.text.replies.filter(kind=kind).exists()

    def _finish(self, state: InboundState, reason: Reason) -> None:
        with self._writing() as now:
            self._move(state, reason, now)

    def _move(
        self,
        state: InboundState,
        reason: Reason,
        now: datetime,
        *,
        detail: str = "",
        next_attempt_at: datetime | None = None,
    ) -> None:
        if self.text.state != InboundState.PROCESSING:
            return  # the agent answered through the API while it was being asked
        self.text.move(
            state,
            reason=reason,
            detail=detail or reason.label,
            finished_at=now,
            next_attempt_at=next_attempt_at,
        )
        transaction.on_commit(functools.partial(self._log, state, reason))

    def _log(self, state: InboundState, reason: Reason) -> None:
        counters.count(counters.TURNS, outcome=state.value, reason=reason.value)
        logger.info("turn.finished sid=%s state=%s reason=%s", self.text.sid, state.value, reason.value or "-")


def give_up_waiting(now: datetime) -> int:
    """Park the texts whose later answer has not come in time; how many. The operator sees them as unanswered."""
    overdue = InboundMessage.objects.filter(state=InboundState.AWAITING, next_attempt_at__lte=now).defer("form")
    reason = Reason.NO_LATER_ANSWER
    given_up = [
        text
        for text in overdue
        if text.move(InboundState.PARKED, reason=reason, detail=reason.label, finished_at=now, next_attempt_at=None)
    ]
    for text in given_up:
        logger.warning("turn.no_later_answer sid=%s", text.sid)
    return len(given_up)


def leave(lease: Lease) -> None:
    """Give up a lane whose turn does not end in time: its text waits again, for any worker, and nothing counts.

    The thread that has the turn finds the lease gone and writes nothing. Raises `LeaseLost`.
    """
    conversation = Conversation.objects.get(pk=lease.conversation_id)
    with transaction.atomic():
        lease.confirm(timezone.now())
        text = oldest_waiting(conversation)
        if text is not None and text.state == InboundState.PROCESSING:
            text.move(InboundState.RECEIVED)
            logger.info("turn.handed_back sid=%s", text.sid)
        lease.release()


def persistently(write: Callable[[], None]) -> None:
    """Run a transaction again, a few times, while the database is out of reach. Raises what the last try raised."""
    for pause in WRITE_PAUSES:
        try:
            write()
        except DatabaseFailure as error:
            logger.warning("turn.write_failed error=%s", type(error).__name__)
            if not connection.in_atomic_block:
                connection.close()  # it may be a connection to a server that is gone
            time.sleep(pause.total_seconds())
        else:
            return
    write()


def is_over_the_limit(text: InboundMessage, per_minute: int) -> bool:
    """Whether the sender's texts in the minute up to this one fill the account's limit without it.

    Counted by the time they were received, not by the time somebody looks: a backlog is not a flood. Those that were
    throttled do not count, so that of a steady stream the limit's share is answered, nor do STOP and its kin, which
    no agent sees. A text that an operator wants answered is not held up again.
    """
    if text.answer_asked_at is not None:
        return False
    earlier = InboundMessage.objects.filter(
        account_id=text.account_id,
        sender=text.sender,
        received_at__gt=text.received_at - OVER_THE_LIMIT_WITHIN,
        received_at__lte=text.received_at,
        pk__lt=text.pk,
    )
    return earlier.exclude(state=InboundState.THROTTLED).exclude(reason__in=UNCOUNTED).count() >= per_minute


def rule(account: Account, address: str) -> Ruling:
    """May this sender talk, on the facts of this moment? `address`: as the inbox stores it.

    Who has opted out may not: a reply could not be sent.
    """
    if opt_out.is_out(account.pk, address):
        return Ruling(Decision.REFUSE, Reason.OPTED_OUT)
    return policy.decide(
        parse_sender(address),
        policy=account.dm_policy,
        allow_from=account.allow_from,
        paired=pairing.is_paired(account.pk, address),
        own_numbers=accounts.current().own_numbers | {account.from_number},
        whatsapp=account.whatsapp,
    )


def _failed(message_id: int) -> bool:
    return OutboundPart.objects.filter(message_id=message_id, state=PartState.FAILED).exists()
