"""What holds texts back: the pace and the pauses of a sending number, and the circuit of an account."""

from django.db import models
from django.db.models import Q

from openclaw_sms.models.account import SmsAccount


class SenderNumber(models.Model):
    """One number (or Messaging Service) that texts go out from. It has one rate, whichever accounts use it.

    `next_free_at` is when everything booked so far will have gone out; `paused_until` is Twilio's wish.
    """

    address = models.CharField(max_length=64, unique=True, help_text="E.164, or a Messaging Service's SID")
    next_free_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    pause_code = models.PositiveIntegerField(null=True, blank=True, help_text="Twilio's error code")
    pauses = models.PositiveSmallIntegerField(
        default=0, help_text="pauses in a row, without an accepted text between"
    )

    class Meta:
        verbose_name = "sending number"
        ordering = ["address"]

    def __str__(self) -> str:
        return self.address


class ProbeKind(models.TextChoices):
    """How a circuit finds out that it may close."""

    QUESTION = "question", "a question to Twilio"
    POST = "post", "one text, which Twilio takes or refuses"
    REPORT = "report", "one text, and what is reported of it"


class Circuit(models.Model):
    """Twilio refuses every text of an account for a reason the operator must mend. Kept after it closed."""

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="circuits")
    code = models.PositiveIntegerField(default=0, help_text="Twilio's error code, 0 when it named none")
    sentence = models.CharField(max_length=300)
    probe = models.CharField(max_length=16, choices=ProbeKind.choices)
    probes = models.PositiveIntegerField(default=0, help_text="times it was tried whether texts go through again")
    next_probe_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(closed_at__isnull=True), name="account_has_one_open_circuit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.code}"


class BackFillMark(models.Model):
    """How far Twilio's list of an account's received texts was compared with ours."""

    account = models.OneToOneField(SmsAccount, on_delete=models.CASCADE, related_name="back_fill_mark")
    begun_at = models.DateTimeField(help_text="what Twilio got before was for another program")
    seen_until = models.DateTimeField()
    next_run_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.account_id} until {self.seen_until:%Y-%m-%d %H:%M}"
