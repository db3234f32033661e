"""The lane that keeps one sender's texts in order, and the leases that let one worker at a time work on it."""

from django.db import models

from openclaw_sms.models.account import SmsAccount


class FlagSource(models.TextChoices):
    """Who thinks that the sender wants to be left alone, without having said one of the words that do it."""

    WORDS = "words", "their words sound like it"
    AGENT = "agent", "the agent says so"


class Conversation(models.Model):
    """One account and one other party.

    Two leases, because a person's own message must not wait until an agent that thinks for minutes has finished:
    `turn_…` orders what comes in, `send_…` orders what goes out. A lease is a token and the time it lapses.
    """

    account = models.ForeignKey(SmsAccount, on_delete=models.PROTECT, related_name="conversations")
    sender = models.CharField(max_length=64, help_text="E.164, or Twilio's address for what is not a number")
    turn_lease = models.CharField(max_length=100, blank=True, default="")
    turn_lease_until = models.DateTimeField(null=True, blank=True)
    send_lease = models.CharField(max_length=100, blank=True, default="")
    send_lease_until = models.DateTimeField(null=True, blank=True)
    unreachable_code = models.PositiveIntegerField(
        null=True, blank=True, help_text="Twilio's error code when it last said that this number cannot be texted"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_activity_at = models.DateTimeField(null=True, blank=True)
    flag = models.CharField(
        "asked to stop",
        max_length=16,
        choices=FlagSource.choices,
        blank=True,
        default="",
        help_text="for the operator",
    )
    flagged_at = models.DateTimeField(null=True, blank=True)
    flag_sid = models.CharField(max_length=64, blank=True, default="", help_text="of the text that raised the flag")

    class Meta:
        ordering = ["-last_activity_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "sender"], name="conversation_is_one_lane"),
        ]
        indexes = [
            models.Index(fields=["-last_activity_at"], name="conversation_latest"),
            # metrics: leases that are held now
            models.Index(
                fields=["turn_lease_until"], condition=models.Q(turn_lease_until__isnull=False), name="lease_of_turns"
            ),
            models.Index(
                fields=["send_lease_until"], condition=models.Q(send_lease_until__isnull=False), name="lease_of_sends"
            ),
        ]

    def __str__(self) -> str:
        return self.sender
