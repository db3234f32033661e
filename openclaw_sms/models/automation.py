"""What programs are given: tokens to come in with, keys that make a request count once, and events to be told."""

from django.db import models
from django.db.models import Q

from openclaw_sms.models.account import SmsAccount
from openclaw_sms.models.outbound import OutboundMessage
from openclaw_sms.models.states import EVENT_MOVES, EventState, StatefulModel


class Scope(models.TextChoices):
    """What a token may do. `admin` includes the others."""

    SEND = "send", "send: texts to allowed recipients"
    READ = "read", "read: conversations, numbers and words"
    PAIR = "pair", "pair: let senders in and shut them out"
    ADMIN = "admin", "admin: everything, and the operator's decisions"


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is kept: the token is 256 random bits, so no slower hash is needed."""

    name = models.CharField(max_length=100, unique=True, help_text="who uses it; texts it sends carry this name")
    prefix = models.CharField(max_length=16, db_index=True, help_text="how the token begins")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    account = models.ForeignKey(
        SmsAccount,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_tokens",
        help_text="Empty: every account. Otherwise the others do not exist for this token.",
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    window_began_at = models.DateTimeField(null=True, blank=True, editable=False)
    window_requests = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def grants(self, scope: str) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


class IdempotencyKey(models.Model):
    """One `Idempotency-Key` of one token, and the text that the first request with it sent."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    message = models.ForeignKey(OutboundMessage, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotency_key_counts_once")]

    def __str__(self) -> str:
        return self.key


class EventType(models.TextChoices):
    TEXT_RECEIVED = "text.received", "a text came in"
    TEXT_ANSWERED = "text.answered", "a text was answered"
    MESSAGE_DELIVERED = "message.delivered", "every part of a text arrived"
    MESSAGE_FAILED = "message.failed", "a part of a text did not go out or did not arrive"
    PAIRING_REQUESTED = "pairing.requested", "a stranger asks to be let in"


class OutgoingEvent(StatefulModel):
    """One event for the receiver at SMS_EVENTS_URL, written in the transaction of what it tells of.

    `payload` is kept as it is signed. `receiver` identifies the address it was meant for without being it. `lease`
    is the sender's that is posting it now.
    """

    MOVES = EVENT_MOVES

    event_id = models.CharField("webhook-id", max_length=40, unique=True)
    type = models.CharField(max_length=32, choices=EventType.choices)
    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="+")
    receiver = models.CharField(max_length=16)
    payload = models.TextField()
    state = models.CharField(max_length=16, choices=EventState.choices, default=EventState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    lease = models.CharField(max_length=100, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    answer = models.PositiveSmallIntegerField("last answer", null=True, blank=True, help_text="an HTTP status")
    detail = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True, help_text="when words and numbers were erased from it")

    class Meta:
        verbose_name = "outgoing event"
        ordering = ["-id"]
        indexes = [
            # the delivery loop: what is due
            models.Index(fields=["next_attempt_at"], condition=Q(state=EventState.PENDING), name="event_due"),
            # whether the receiver still wants events, asked before each is written
            models.Index(fields=["receiver"], condition=Q(state=EventState.GONE), name="event_receiver_gone"),
        ]

    def __str__(self) -> str:
        return self.event_id
