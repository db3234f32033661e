"""Who may talk to an account, who asked to, and who decided."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from openclaw_sms.models.account import SmsAccount
from openclaw_sms.models.states import PAIRING_MOVES, PairingState, StatefulModel

# In a list of allowed senders: everybody.
ANYONE = "*"


class SenderSource(models.TextChoices):
    PAIRING = "pairing", "pairing"
    CONSOLE = "console", "console"
    API = "api", "API"


class AllowedSender(models.Model):
    """A number that was let in by pairing, in the console or through the API.

    Configuration's own list is a setting, `allow_from`.
    """

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="allowed_senders")
    number = models.CharField(max_length=32, help_text="E.164, for example +15551234567")
    source = models.CharField(max_length=16, choices=SenderSource.choices)
    note = models.CharField(max_length=200, blank=True)
    added_by = models.CharField(max_length=150, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["account", "number"]
        constraints = [
            models.UniqueConstraint(fields=["account", "number", "source"], name="sender_is_listed_once_per_source"),
        ]

    def __str__(self) -> str:
        return self.number


class PairingRequest(StatefulModel):
    """A stranger's request to be let in. Kept after it ends, so that the owner can see what became of it."""

    MOVES = PAIRING_MOVES

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="pairing_requests")
    sender = models.CharField(max_length=32)
    code = models.CharField(max_length=8)
    state = models.CharField(max_length=16, choices=PairingState.choices, default=PairingState.PENDING)
    first_text = models.ForeignKey(
        "InboundMessage", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reply = models.ForeignKey("OutboundMessage", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(state=PairingState.PENDING), name="pending_code_is_unique"
            ),
            models.UniqueConstraint(
                fields=["account", "sender"],
                condition=Q(state=PairingState.PENDING),
                name="sender_has_one_pending_request",
            ),
        ]
        indexes = [models.Index(fields=["account", "state", "expires_at"], name="pairing_pending_by_account")]

    def __str__(self) -> str:
        return self.code


class AuditEvent(models.Model):
    """Who did what, and when. Rows are only ever added."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=150, help_text="console:NAME, cli:NAME, api:NAME or gateway")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    action = models.CharField(max_length=64)
    account = models.ForeignKey(SmsAccount, on_delete=models.SET_NULL, null=True, blank=True)
    subject = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        # the history of one number
        indexes = [models.Index(fields=["account", "subject", "at"], name="audit_by_subject")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
