"""Settings as the operator stored them. Null means "not set here": a level below, the environment or a default
decides.

The channel's own settings (`channels.sms` in a configuration document) and each account's
(`channels.sms.accounts.ID`) have the same columns. What an account's settings finally are is
`openclaw_sms.config.accounts`' answer, never a row's.
"""

from django.db import models

from openclaw_sms.models.fields import EncryptedTextField


class DmPolicy(models.TextChoices):
    """Who may talk, in the reference channel's words (direct-message policy)."""

    PAIRING = "pairing", "pairing: strangers get a code, the owner approves"
    ALLOWLIST = "allowlist", "allowlist: only the senders listed here"
    OPEN = "open", "open: anyone, if the list contains *"
    DISABLED = "disabled", "disabled: nobody"


class AccountSettings(models.Model):
    """The columns of one level. Abstract: `ChannelSettings` and `SmsAccount` have them alike."""

    name = models.CharField("display name", max_length=100, null=True, blank=True)
    config_writes = models.BooleanField(null=True, blank=True)
    # Credentials
    account_sid = models.CharField("Account SID", max_length=64, null=True, blank=True)
    auth_token = EncryptedTextField("auth token", null=True, blank=True)
    auth_token_ref = models.JSONField(
        "auth token reference", null=True, blank=True, help_text="a SecretRef: source, provider, id"
    )
    secondary_auth_token = EncryptedTextField(
        "secondary auth token",
        null=True,
        blank=True,
        help_text="Accepted beside the auth token while it is being rotated at Twilio.",
    )
    api_key_sid = models.CharField("API key SID", max_length=64, null=True, blank=True)
    api_key_secret = EncryptedTextField("API key secret", null=True, blank=True)
    # Sending
    from_number = models.CharField("from number", max_length=32, null=True, blank=True)
    messaging_service_sid = models.CharField("Messaging Service SID", max_length=64, null=True, blank=True)
    default_to = models.CharField("default recipient", max_length=32, null=True, blank=True)
    initiate_to = models.JSONField(
        "who may be texted first",
        null=True,
        blank=True,
        help_text="a list of E.164 numbers, or *: whom programs and agents may text, beside those who may talk",
    )
    text_chunk_limit = models.PositiveIntegerField("characters a part", null=True, blank=True)
    media_max_mb = models.FloatField("megabytes an attachment", null=True, blank=True)
    segments_per_second = models.FloatField("segments a second", null=True, blank=True)
    # Receiving
    webhook_path = models.CharField("webhook path", max_length=200, null=True, blank=True)
    public_webhook_url = models.CharField(
        "public webhook URL",
        max_length=500,
        null=True,
        blank=True,
        help_text="Byte for byte what is entered at Twilio: signatures are computed over it.",
    )
    dangerously_disable_signature_validation = models.BooleanField(null=True, blank=True)
    inbound_per_minute = models.PositiveIntegerField("texts a sender and minute", null=True, blank=True)
    whatsapp = models.BooleanField("WhatsApp senders", null=True, blank=True)
    # Who may talk, and what strangers may cost
    dm_policy = models.CharField("policy", max_length=16, choices=DmPolicy.choices, null=True, blank=True)
    allow_from = models.JSONField("allowed senders", null=True, blank=True, help_text="a list of E.164 numbers, or *")
    allow_countries = models.JSONField(
        "countries of strangers", null=True, blank=True, help_text="a list of two-letter country codes"
    )
    pairing_replies_per_day = models.PositiveIntegerField("pairing replies a day", null=True, blank=True)
    pairing_replies_per_sender = models.PositiveIntegerField(
        "pairing replies a sender and day", null=True, blank=True
    )
    replies_per_hour = models.PositiveIntegerField("agent replies a sender and hour", null=True, blank=True)
    owner_numbers = models.JSONField("owner's numbers", null=True, blank=True, help_text="a list of E.164 numbers")
    # STOP, HELP, quiet hours
    answer_opt_out = models.BooleanField("answer STOP, START and HELP", null=True, blank=True)
    help_text = models.CharField("answer to HELP", max_length=320, null=True, blank=True)
    quiet_hours = models.CharField("quiet hours", max_length=11, null=True, blank=True, help_text="21:00-08:00")

    class Meta:
        abstract = True


class ChannelSettings(AccountSettings):
    """What holds for every account that does not say otherwise: one row at most."""

    enabled = models.BooleanField(null=True, blank=True, help_text="False switches every account off.")
    default_account = models.CharField("default account", max_length=64, null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "channel settings"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="channel_settings_are_one_row")]

    def __str__(self) -> str:
        return "channels.sms"


class SmsAccount(AccountSettings):
    """One account: its id, what is set for it alone, and what conversations hang on."""

    account_id = models.SlugField("account id", max_length=64, unique=True)
    enabled = models.BooleanField(default=True)
    declared = models.BooleanField(
        default=True,
        editable=False,
        help_text="False: the row only holds conversations, of an account that the environment or the channel's own "
        "settings make, or of one that was removed.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "account"
        ordering = ["account_id"]

    def __str__(self) -> str:
        return self.account_id


class SecretProvider(models.Model):
    """One of `secrets.providers`: where references to secrets are looked up. Holds no secret itself."""

    name = models.CharField(max_length=64, unique=True)
    settings = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
