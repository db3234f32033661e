"""One turn: a text that was received, up to the moment its reply is in the outbox.

Every write of a turn is one transaction that first confirms the lease, so that a turn is finished once or not at all.
The agent is called outside of any transaction. Nothing here posts to Twilio.
"""

import logging
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from openclaw_sms.access import pairing, policy
from openclaw_sms.access.policy import Decision, Ruling
from openclaw_sms.agents.base import Agent, AgentError, Question
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff, history, outbox
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import (
    WAITING,
    Conversation,
    InboundMessage,
    InboundState,
    OutboundKind,
    OutboundPart,
    PartState,
    Reason,
)
from openclaw_sms.text.phone import parse_sender
from openclaw_sms.text.plaintext import sendable_text
from openclaw_sms.twilio import payloads
from openclaw_sms.twilio.payloads import InboundText, Mismatch

logger = logging.getLogger(__name__)

MISMATCHES = {
    Mismatch.ACCOUNT_SID: Reason.WRONG_ACCOUNT_SID,
    Mismatch.TO: Reason.WRONG_NUMBER,
    Mismatch.MESSAGING_SERVICE_SID: Reason.WRONG_SERVICE,
}


def oldest_waiting(conversation: Conversation) -> InboundMessage | None:
    waiting = InboundMessage.objects.filter(
        account_id=conversation.account_id, sender=conversation.sender, state__in=WAITING
    )
    return waiting.order_by("id").first()


def claim_next(conversation: Conversation, lease: Lease, *, now: datetime) -> InboundMessage | None:
    """The sender's oldest unfinished text, marked as being answered; None while there is none or it must wait.

    A text that is already marked was left by a worker that died; it is claimed again, a bounded number of times.
    """
    text = oldest_waiting(conversation)
    if text is None or (text.next_attempt_at is not None and text.next_attempt_at > now):
        return None
    with transaction.atomic():
        lease.confirm(now)
        if text.state == InboundState.PROCESSING:
            text.move(InboundState.RECEIVED)
        text.move(InboundState.PROCESSING, attempts=text.attempts + 1, next_attempt_at=None)
        Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=now)
    return text


class Turn:
    """The turn of one claimed text: identity, policy, agent, reply. `take` ends in exactly one finishing move."""

    def __init__(self, text: InboundMessage, conversation: Conversation, lease: Lease, agent: Agent) -> None:
        self.text = text
        self.conversation = conversation
        self.lease = lease
        self.agent = agent

    def take(self) -> None:
        """Raises `LeaseLost` when another worker took the conversation meanwhile; then nothing was written."""
        if self.text.attempts > settings.SMS_AGENT_TRIES:
            self._finish(InboundState.PARKED, Reason.CRASHED)
            return
        account = accounts.current().by_pk(self.conversation.account_id)
        if account is None or not (account.enabled and account.configured):
            self._finish(InboundState.PARKED, Reason.ACCOUNT_UNAVAILABLE)
            return
        payload = payloads.classify(payloads.parse_form(bytes(self.text.form)))
        if not isinstance(payload, InboundText):
            self._finish(InboundState.PARKED, Reason.UNUSABLE_SENDER)
            return
        self._judge(account, payload)

    def _judge(self, account: Account, payload: InboundText) -> None:
        mismatch = payloads.identity_mismatch(payload, account.expected)
        if mismatch is not None:
            self._finish(InboundState.PARKED, MISMATCHES[mismatch])
            return
        ruling = rule(account, self.text.sender, payload.sender)
        if ruling.decision is Decision.REFUSE:
            self._finish(InboundState.REFUSED, ruling.reason)
        elif ruling.decision is Decision.CHALLENGE:
            self._challenge(account)
        else:
            self._answer(account, payload)

    def _challenge(self, account: Account) -> None:
        """Keep the text for the owner and tell the sender the code: once per request, unless that text failed."""
        now = timezone.now()
        with transaction.atomic():
            self.lease.confirm(now)
            request = pairing.request(self.text, now=now)
            if request is None:
                self._move(InboundState.REFUSED, Reason.PAIRING_FULL, now)
                return
            if request.reply is None or _failed(request.reply.pk):
                request.reply = outbox.write(
                    self.conversation,
                    say("pairing", code=request.code),
                    kind=OutboundKind.PAIRING,
                    author="gateway",
                    limit=account.text_chunk_limit,
                    now=now,
                    in_reply_to=self.text,
                )
                request.save(update_fields=["reply"])
            self._move(InboundState.HELD, Reason.AWAITING_APPROVAL, now)

    def _answer(self, account: Account, payload: InboundText) -> None:
        words = spoken(payload)
        if not words:
            self._finish(InboundState.REFUSED, Reason.EMPTY)
            return
        question = Question(
            text=words,
            sender=self.text.sender,
            account=account.id,
            message_sid=self.text.sid,
            received_at=self.text.received_at,
            attempt=self.text.attempts,
            history=history.before(self.text, turns=self.agent.history_turns),
        )
        # Again, on fresh facts: the owner may have changed their mind while the text waited.
        ruling = rule(accounts.load().by_pk(account.pk) or account, self.text.sender, payload.sender)
        if ruling.decision is not Decision.ADMIT:
            self._finish(InboundState.REFUSED, ruling.reason)
            return
        try:
            reply = sendable_text(self.agent.answer(question))
        except AgentError as error:
            self._agent_failed(account, error)
            return
        self._reply(account, reply)

    def _reply(self, account: Account, reply: str) -> None:
        if not reply:
            self._finish(InboundState.SILENT, Reason.AGENT_DECLINED)
            return
        now = timezone.now()
        with transaction.atomic():
            self.lease.confirm(now)
            outbox.write(
                self.conversation,
                reply,
                kind=OutboundKind.REPLY,
                author="agent",
                limit=account.text_chunk_limit,
                now=now,
                in_reply_to=self.text,
            )
            self._move(InboundState.ANSWERED, Reason.NONE, now)

    def _agent_failed(self, account: Account, error: AgentError) -> None:
        """Try again later, or apologise once and park the text for the operator."""
        now = timezone.now()
        again = error.retryable and self.text.attempts < settings.SMS_AGENT_TRIES
        logger.warning(
            "turn.agent_failed sid=%s code=%s attempt=%s again=%s",
            self.text.sid,
            error.code,
            self.text.attempts,
            again,
        )
        with transaction.atomic():
            self.lease.confirm(now)
            if again:
                at = now + backoff.delay(self.text.attempts, retry_after=error.retry_after)
                self.text.move(
                    InboundState.RECEIVED, next_attempt_at=at, reason=Reason.AGENT_FAILED, detail=str(error)
                )
                return
            self._apologise(account, now)
            self._move(InboundState.PARKED, Reason.AGENT_FAILED, now, detail=str(error))

    def _apologise(self, account: Account, now: datetime) -> None:
        """Once a text, however often the operator has it answered again."""
        if self.text.replies.filter(kind=OutboundKind.APOLOGY).exists():
            return
        outbox.write(
            self.conversation,
            say("apology"),
            kind=OutboundKind.APOLOGY,
            author="gateway",
            limit=account.text_chunk_limit,
            now=now,
            in_reply_to=self.text,
        )

    def hand_back(self, error: Exception) -> None:
        """After a failure of our own: let the text wait for its next try. Only the error's type is kept."""
        now = timezone.now()
        logger.error("turn.crashed sid=%s error=%s", self.text.sid, type(error).__name__)
        with transaction.atomic():
            self.lease.confirm(now)
            self.text.move(
                InboundState.RECEIVED,
                next_attempt_at=now + backoff.delay(self.text.attempts),
                reason=Reason.CRASHED,
                detail=f"{Reason.CRASHED.label} ({type(error).__name__})",
            )

    def _finish(self, state: InboundState, reason: Reason) -> None:
        now = timezone.now()
        with transaction.atomic():
            self.lease.confirm(now)
            self._move(state, reason, now)

    def _move(self, state: InboundState, reason: Reason, now: datetime, *, detail: str = "") -> None:
        self.text.move(state, reason=reason, detail=detail or reason.label, finished_at=now, next_attempt_at=None)
        logger.info("turn.finished sid=%s state=%s reason=%s", self.text.sid, state.value, reason.value or "-")


def rule(account: Account, number: str, raw_sender: str) -> Ruling:
    """The policy's answer on the facts of this moment."""
    return policy.decide(
        parse_sender(raw_sender),
        policy=account.dm_policy,
        allow_from=account.allow_from,
        paired=pairing.is_paired(account.pk, number),
        own_number=account.from_number,
    )


def spoken(payload: InboundText) -> str:
    """What the agent is told: the text as it came, and how many attachments it cannot see."""
    count = payload.num_media or 0
    notice = f"[{count} attachment{'s' if count > 1 else ''}, not shown]" if count else ""
    return "\n\n".join(filter(None, [payload.body if payload.body.strip() else "", notice]))


def _failed(message_id: int) -> bool:
    return OutboundPart.objects.filter(message_id=message_id, state=PartState.FAILED).exists()
