"""What the gateway knows of itself: which workers live, how often things happened, and which posts it turned
away. No number and no text in any of it.
"""

from django.db import models

from openclaw_sms.models.account import SmsAccount


class WorkerHeartbeat(models.Model):
    """One worker process, as long as it lives: `seen_at` is renewed by its sweep."""

    instance = models.CharField(max_length=64, primary_key=True)
    host = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=100, blank=True, help_text="where a gateway serves, HOST:PORT")
    threads = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["instance"]

    def __str__(self) -> str:
        return self.instance


class Counter(models.Model):
    """How often something happened, summed over all processes. `labels`: `name=value`, comma-separated, sorted."""

    name = models.CharField(max_length=64)
    labels = models.CharField(max_length=200, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="counter_is_one_row")]

    def __str__(self) -> str:
        return f"{self.name}{{{self.labels}}}"


class RefusedPosts(models.Model):
    """Posts of one account and ten minutes that failed the signature, summed by what would have let them verify.

    `variant` "" means that nothing likely would have, "untried" that there were too many to try. `url` is the public
    URL under which they verify; it is only ever filled in after Twilio's signature held for it.
    """

    account = models.ForeignKey(SmsAccount, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    variant = models.CharField(max_length=16, blank=True)
    url = models.CharField(max_length=500, blank=True)
    from_proxy = models.BooleanField(default=False, help_text="they called themselves TwilioProxy")
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "since", "variant", "url", "from_proxy"], name="refused_posts_are_summed"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} since {self.since}"
