"""A text somebody sent us, from the moment it is on the disk."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from openclaw_sms.models.account import SmsAccount
from openclaw_sms.models.reasons import Reason
from openclaw_sms.models.states import INBOUND_MOVES, InboundState, StatefulModel

WAITING = (InboundState.RECEIVED, InboundState.PROCESSING)
UNFINISHED = (*WAITING, InboundState.PARKED)
# Where a text stands in its sender's queue. Several share a place when some were fetched late from Twilio.
PLACE = Coalesce("before_id", "id", output_field=models.BigIntegerField())


class InboundMessage(StatefulModel):
    """One text, once for ever per `(account, sid)`. `form` is the signed body exactly as it came."""

    MOVES = INBOUND_MOVES

    account = models.ForeignKey(SmsAccount, on_delete=models.PROTECT, related_name="inbound_messages")
    sid = models.CharField("MessageSid", max_length=64)
    sender = models.CharField(max_length=64)
    body = models.TextField(blank=True)
    form = models.BinaryField()
    state = models.CharField(max_length=16, choices=InboundState.choices, default=InboundState.RECEIVED)
    reason = models.CharField(max_length=32, default=Reason.NONE, blank=True, help_text="a code of `Reason`")
    detail = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="times the agent was asked")
    failures = models.PositiveSmallIntegerField(default=0, help_text="times the agent could not answer")
    crashes = models.PositiveSmallIntegerField(
        default=0, help_text="times the gateway itself failed or was killed with the text in hand"
    )
    answer_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="when an operator last asked for an answer"
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    backfilled = models.BooleanField(
        "fetched from Twilio", default=False, help_text="its webhook never came; received_at is Twilio's time"
    )
    before_id = models.BigIntegerField(
        null=True, blank=True, help_text="the waiting text with this id is newer, and answered after this one"
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True, help_text="when body and raw form were erased")

    class Meta:
        verbose_name = "text received"
        verbose_name_plural = "texts received"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "sid"], name="text_is_stored_once"),
        ]
        indexes = [
            # claim_next: the oldest text of one sender that is not finished
            models.Index(
                fields=["account", "sender", "id"],
                condition=Q(state__in=WAITING),
                name="inbound_waiting_by_sender",
            ),
            # the sweep: agents that promised to answer later
            models.Index(
                fields=["next_attempt_at"], condition=Q(state=InboundState.AWAITING), name="inbound_awaiting_answer"
            ),
            # metrics and doctor: how much waits, since when, and what the operator must look at
            models.Index(
                fields=["state", "received_at"], condition=Q(state__in=UNFINISHED), name="inbound_unfinished"
            ),
            # the thread of one conversation
            models.Index(fields=["account", "sender", "received_at"], name="inbound_thread"),
            # retention: the oldest texts that still have their words
            models.Index(fields=["received_at"], condition=Q(erased_at__isnull=True), name="inbound_not_erased"),
        ]

    def __str__(self) -> str:
        return self.sid
