"""What the owner was told, and what still has to be told."""

from django.db import models

from openclaw_sms.models.account import SmsAccount


class NoticeWay(models.TextChoices):
    TEXT = "sms", "by text"
    MAIL = "email", "by mail"


class NoticeState(models.TextChoices):
    WAITING = "waiting", "waiting"
    SENT = "sent", "sent"
    FAILED = "failed", "failed"


class OwnerNotice(models.Model):
    """One thing the owner is told, once per `key` and way. Kept also when there is no number to text it to: the
    console shows it."""

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="owner_notices")
    key = models.CharField(max_length=120, help_text="what it is about")
    way = models.CharField(max_length=8, choices=NoticeWay.choices, default=NoticeWay.TEXT)
    sentence = models.CharField(max_length=320, help_text="the text, or the mail's subject")
    body = models.TextField(blank=True, help_text="of a mail that waits")
    at = models.DateTimeField()
    texted = models.PositiveSmallIntegerField(default=0, help_text="how many of the owner's numbers it was sent to")
    state = models.CharField(max_length=8, choices=NoticeState.choices, default=NoticeState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "notice"
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["account", "key", "way"], name="owner_is_told_once")]
        indexes = [
            # the thread that sends notices
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(state=NoticeState.WAITING), name="notice_to_send"
            )
        ]

    def __str__(self) -> str:
        return self.key
