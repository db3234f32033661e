"""Who must not be texted any more."""

from django.db import models

from openclaw_sms.models.account import SmsAccount


class OptOutSource(models.TextChoices):
    """Where we know it from."""

    KEYWORD = "keyword", "a word they texted"
    TWILIO_OPT_OUT_TYPE = "twilio_opt_out_type", "Twilio's OptOutType"
    TWILIO_21610 = "twilio_21610", "Twilio's error 21610"
    OPERATOR = "operator", "an operator"


class OptOut(models.Model):
    """The last word about one number and one account: out, or back since `changed_at`.

    The row stays when the number comes back, so that a decision that is older than the last one never wins, and
    it outlives everything else we know of the number: a list that forgets would text people who said stop.
    """

    account = models.ForeignKey(SmsAccount, on_delete=models.PROTECT, related_name="opt_outs")
    number = models.CharField(max_length=64, help_text="E.164, for example +15551234567")
    out = models.BooleanField("opted out", default=True)
    changed_at = models.DateTimeField("since")
    last_word_at = models.DateTimeField(help_text="when they last said so, or said the same again")
    source = models.CharField(max_length=32, choices=OptOutSource.choices)
    sid = models.CharField("MessageSid", max_length=64, blank=True, help_text="of the text that said so")
    reason = models.CharField(max_length=200, blank=True, help_text="in the operator's words")
    actor = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name = "opt-out"
        ordering = ["-changed_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="stop_is_recorded_once"),
        ]

    def __str__(self) -> str:
        return self.number
