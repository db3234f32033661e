"""Pictures and other files: those of texts we got, and those that go out with a part.

What is known of a file and its bytes are two tables, so that a list of texts never reads five megabytes. The bytes
are in the database: every machine of an installation has them, a backup has them, and erasing is one transaction.
"""

import uuid

from django.db import models
from django.db.models import Q

from openclaw_sms.models.inbound import InboundMessage
from openclaw_sms.models.outbound import OutboundPart


class MediaState(models.TextChoices):
    WAITING = "waiting", "not fetched yet"
    KEPT = "kept", "kept"
    REMOTE = "remote", "somebody else's address"
    UNAVAILABLE = "unavailable", "unavailable"
    ERASED = "erased", "erased"


class MediaItem(models.Model):
    """One file of a text received (`inbound`) or of a part sent (`part`), in the order the text has them."""

    inbound = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, null=True, blank=True, related_name="media")
    part = models.ForeignKey(OutboundPart, on_delete=models.CASCADE, null=True, blank=True, related_name="media")
    position = models.PositiveSmallIntegerField(help_text="0 for the first")
    state = models.CharField(max_length=16, choices=MediaState.choices, default=MediaState.WAITING)
    url = models.TextField(blank=True, help_text="where Twilio has it, or the public address that we send")
    declared_type = models.CharField(max_length=200, blank=True, help_text="a claim of whoever sent it")
    content_type = models.CharField(max_length=64, blank=True, help_text="what its first bytes show")
    size = models.PositiveIntegerField(default=0, help_text="bytes")
    why = models.CharField(max_length=200, blank=True, help_text="why it is unavailable, in a few words")
    stands_for = models.PositiveSmallIntegerField(default=1, help_text="how many files this row speaks of")
    attempts = models.PositiveSmallIntegerField(default=0)
    # In addresses that we hand to Twilio, under a signature.
    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        verbose_name = "media"
        verbose_name_plural = "media"
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(inbound__isnull=False, part__isnull=True) | Q(inbound__isnull=True, part__isnull=False),
                name="media_belongs_to_one_text",
            ),
            models.UniqueConstraint(fields=["inbound", "position"], name="media_received_is_noted_once"),
            models.UniqueConstraint(fields=["part", "position"], name="media_sent_is_noted_once"),
        ]

    def __str__(self) -> str:
        return f"media {self.pk}"


class MediaBytes(models.Model):
    """The bytes of a kept file."""

    item = models.OneToOneField(MediaItem, on_delete=models.CASCADE, primary_key=True, related_name="content")
    data = models.BinaryField()

    class Meta:
        verbose_name = verbose_name_plural = "media bytes"

    def __str__(self) -> str:
        return f"bytes of media {self.pk}"
