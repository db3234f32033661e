"""Secrets that belong to the gateway rather than to one account: what a reference with source `store` names."""

from django.core.validators import RegexValidator
from django.db import models

from openclaw_sms.models.fields import EncryptedTextField

STORED_NAME = r"^[A-Z][A-Z0-9_]{0,127}\Z"


class StoredSecret(models.Model):
    """`name` → value, encrypted at rest. Nothing shows the value again."""

    name = models.CharField(
        max_length=128,
        unique=True,
        validators=[RegexValidator(STORED_NAME, "A name is a capital letter and then A-Z, 0-9 and _.")],
    )
    value = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "stored secret"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
