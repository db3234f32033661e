"""A text we send, in parts, and what Twilio reported of each."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from openclaw_sms.models.account import SmsAccount
from openclaw_sms.models.conversation import Conversation
from openclaw_sms.models.inbound import InboundMessage
from openclaw_sms.models.reasons import Reason
from openclaw_sms.models.states import PART_MOVES, Delivery, PartState, StatefulModel
from openclaw_sms.text.phone import whatsapp

UNSENT = (PartState.QUEUED, PartState.SENDING, PartState.CHECKING)
UNSETTLED = (*UNSENT, PartState.UNCERTAIN, PartState.FAILED, PartState.BLOCKED)


class OutboundKind(models.TextChoices):
    REPLY = "reply", "agent's reply"
    PAIRING = "pairing", "pairing code"
    NOTICE = "notice", "notice"
    APOLOGY = "apology", "apology"
    MESSAGE = "message", "message"
    AUTOMATION = "automation", "automatic message"
    KEYWORD = "keyword", "answer to STOP, START or HELP"
    OWNER = "owner", "notice to the owner"


# What anybody can make us text, approved or not: `access.limits` counts these.
TO_STRANGERS = (OutboundKind.PAIRING, OutboundKind.KEYWORD)


class OutboundMessage(models.Model):
    """What was said, whole. `in_reply_to` is unique per kind: a turn that is repeated cannot answer twice."""

    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="outbound_messages")
    kind = models.CharField(max_length=16, choices=OutboundKind.choices)
    in_reply_to = models.ForeignKey(
        InboundMessage, on_delete=models.SET_NULL, null=True, blank=True, related_name="replies"
    )
    text = models.TextField()
    author = models.CharField(
        max_length=150, blank=True, help_text="agent, gateway, cli:NAME, console:NAME or api:NAME"
    )
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True, help_text="when the words were erased")

    class Meta:
        verbose_name = "text sent"
        verbose_name_plural = "texts sent"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["in_reply_to", "kind"],
                condition=Q(in_reply_to__isnull=False),
                name="text_is_answered_once",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="outbound_thread"),
            # what strangers have cost in a day
            models.Index(fields=["kind", "created_at"], name="outbound_by_kind"),
            # retention: the oldest texts that still have their words
            models.Index(fields=["created_at"], condition=Q(erased_at__isnull=True), name="outbound_not_erased"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class OutboundPart(StatefulModel):
    """One SMS. `token` is our own id for it, carried in the StatusCallback, known before Twilio's `sid` is."""

    MOVES = PART_MOVES

    message = models.ForeignKey(OutboundMessage, on_delete=models.CASCADE, related_name="parts")
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="outbound_parts")
    number = models.PositiveSmallIntegerField(help_text="1 for the first part")
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    body = models.TextField()
    encoding = models.CharField(max_length=8)
    segments = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=PartState.choices, default=PartState.QUEUED)
    sid = models.CharField("MessageSid", max_length=64, blank=True)
    delivery = models.CharField(max_length=16, choices=Delivery.choices, default=Delivery.UNKNOWN, blank=True)
    error_code = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=32, default=Reason.NONE, blank=True, help_text="a code of `Reason`")
    detail = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    checks = models.PositiveSmallIntegerField(default=0, help_text="times Twilio was asked about this part")
    unanswered = models.BooleanField(
        default=False, help_text="the last post ran into our time limit, so Twilio may still be at work on it"
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    slot_at = models.DateTimeField(null=True, blank=True, help_text="its booked place in the sending number's pace")
    candidates = models.JSONField(default=list, blank=True, help_text="sids of texts at Twilio that may be this one")
    next_poll_at = models.DateTimeField(
        null=True, blank=True, help_text="when Twilio is asked what became of it; empty: never again"
    )
    polls = models.PositiveSmallIntegerField(default=0)
    posted_at = models.DateTimeField(null=True, blank=True, help_text="when the last post began")
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "part"
        ordering = ["message", "number"]
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="parts_of_a_message_are_numbered"),
            models.UniqueConstraint(fields=["sid"], condition=~Q(sid=""), name="part_has_its_own_sid"),
        ]
        indexes = [
            # the outbox: the oldest unsent part of a conversation
            models.Index(
                fields=["conversation", "message", "number"],
                condition=Q(state__in=UNSENT),
                name="part_unsent_by_conversation",
            ),
            # metrics and doctor: what has not come to a good end
            models.Index(fields=["state"], condition=Q(state__in=UNSETTLED), name="part_unsettled"),
            # polling: parts whose end nobody reported
            models.Index(fields=["next_poll_at"], condition=Q(next_poll_at__isnull=False), name="part_to_be_polled"),
            # reconcile: parts without a sid that may be what Twilio shows
            models.Index(fields=["conversation", "posted_at"], condition=Q(sid=""), name="part_without_sid"),
        ]

    def __str__(self) -> str:
        return self.sid or str(self.token)

    @classmethod
    def cancel_waiting(cls, account_pk: int, number: str, reason: Reason) -> int:
        """Give up what waits to be sent to a number, also on WhatsApp; how many parts.

        What is being posted now is left to finish.
        """
        # Without a join in the update, so that a part that is being marked as sent this moment is looked at again.
        lanes = list(
            Conversation.objects.filter(account_id=account_pk, sender__in=(number, whatsapp(number))).values_list(
                "pk", flat=True
            )
        )
        waiting = cls.objects.filter(conversation_id__in=lanes, state__in=(PartState.QUEUED, PartState.BLOCKED))
        cls.lock(waiting)
        return waiting.update(state=PartState.CANCELLED, reason=reason, detail=reason.label, next_attempt_at=None)

    @classmethod
    def lock(cls, parts: "models.QuerySet[OutboundPart]") -> None:
        """Until the transaction ends: in the order in which a part that is given up takes those behind it along, so
        that two who are about to change several of them wait for each other and not both."""
        in_order = parts.order_by("conversation_id", "message_id", "number")
        list(in_order.select_for_update(of=("self",)).values_list("pk", flat=True))

    def block_rest(self) -> None:
        """Hold back the later parts of the message: half an answer with a hole in it misleads."""
        self._later().filter(state=PartState.QUEUED).update(state=PartState.BLOCKED)

    def cancel_rest(self) -> None:
        """Give up the later parts of the message with this one, for the same reason."""
        waiting = self._later().filter(state__in=(PartState.QUEUED, PartState.BLOCKED))
        waiting.update(state=PartState.CANCELLED, reason=self.reason, detail=self.detail, next_attempt_at=None)

    def put_off_rest(self, until: datetime, reason: Reason) -> None:
        """Let the later parts of the message wait as long as this one: they must not overtake it."""
        waiting = self._later().filter(state=PartState.QUEUED)
        waiting.update(next_attempt_at=until, reason=reason, detail=reason.label)

    def release_rest(self) -> None:
        """Let the parts that `block_rest` held go on."""
        self._later().filter(state=PartState.BLOCKED).update(state=PartState.QUEUED)

    def _later(self) -> models.QuerySet["OutboundPart"]:
        return OutboundPart.objects.filter(message_id=self.message_id, number__gt=self.number)


class DeliveryEvent(models.Model):
    """One status report, as it came. Kept without a part when the report was faster than our own bookkeeping."""

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="+")
    part = models.ForeignKey(OutboundPart, on_delete=models.CASCADE, null=True, related_name="events")
    sid = models.CharField(max_length=64)
    status = models.CharField(max_length=32)
    error_code = models.PositiveIntegerField(default=0, help_text="0: no error")
    done_date = models.CharField(max_length=32, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "sid", "status", "error_code", "done_date"],
                name="status_report_is_stored_once",
            ),
        ]
        indexes = [
            # housekeeping: early reports whose part may be known by now, and those too old to be anybody's
            models.Index(fields=["received_at"], condition=Q(part__isnull=True), name="status_report_without_part"),
        ]

    def __str__(self) -> str:
        return f"{self.status} of {self.sid}"
