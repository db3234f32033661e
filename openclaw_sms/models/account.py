"""A Twilio account as the operator configured it. Null means "not set here": the environment or a default decides.

What an account's settings finally are is `openclaw_sms.config.accounts`' answer, never this row's.
"""

from django.db import models

from openclaw_sms.models.fields import EncryptedTextField


class DmPolicy(models.TextChoices):
    """Who may talk, in the reference channel's words (direct-message policy)."""

    PAIRING = "pairing", "pairing: strangers get a code, the owner approves"
    ALLOWLIST = "allowlist", "allowlist: only the senders listed here"
    OPEN = "open", "open: anyone, if the list contains *"
    DISABLED = "disabled", "disabled: nobody"


class SmsAccount(models.Model):
    account_id = models.SlugField("account id", max_length=64, unique=True)
    enabled = models.BooleanField(default=True)
    name = models.CharField("display name", max_length=100, null=True, blank=True)
    account_sid = models.CharField("Account SID", max_length=64, null=True, blank=True)
    auth_token = EncryptedTextField("auth token", null=True, blank=True)
    secondary_auth_token = EncryptedTextField(
        "secondary auth token",
        null=True,
        blank=True,
        help_text="Accepted beside the auth token while it is being rotated at Twilio.",
    )
    from_number = models.CharField("from number", max_length=32, null=True, blank=True)
    messaging_service_sid = models.CharField("Messaging Service SID", max_length=64, null=True, blank=True)
    default_to = models.CharField("default recipient", max_length=32, null=True, blank=True)
    webhook_path = models.CharField("webhook path", max_length=200, null=True, blank=True)
    public_webhook_url = models.CharField(
        "public webhook URL",
        max_length=500,
        null=True,
        blank=True,
        help_text="Byte for byte what is entered at Twilio: signatures are computed over it.",
    )
    dangerously_disable_signature_validation = models.BooleanField(null=True, blank=True)
    dm_policy = models.CharField("policy", max_length=16, choices=DmPolicy.choices, null=True, blank=True)
    text_chunk_limit = models.PositiveIntegerField("characters a part", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "account"
        ordering = ["account_id"]

    def __str__(self) -> str:
        return self.account_id
