"""Every key of `channels.sms`: what it is called, where it is stored, what it may be, and what holds without it.

One table. `config patch`, `config get`, `config validate`, the documentation's test and the console draw from it, so
that none of them can know a key that the others do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openclaw_sms.config import accounts, kinds, paths
from openclaw_sms.config.kinds import Kind
from openclaw_sms.models import AccountSettings, DmPolicy

ROOT = "channels.sms"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. The channel and each account have it alike, in a column of the same name."""

    name: str
    column: str
    kind: Kind
    says: str
    default: Any = ""
    variables: tuple[str, ...] = ()  # of the environment, for the default account; an earlier one wins
    secret: bool = False

    @property
    def ref_column(self) -> str | None:
        """Where a SecretRef under this key is stored; None where only the secret itself may stand."""
        name = f"{self.column}_ref"
        return name if name in COLUMNS else None


COLUMNS = {field.name: field for field in AccountSettings._meta.get_fields()}


def _longest(column: str) -> int:
    length = getattr(COLUMNS[column], "max_length", None)
    assert isinstance(length, int), f"{column} has no length"  # noqa: S101
    return length


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("name", "name", kinds.text(_longest("name")), "a name for people to read"),
        Key(
            "configWrites",
            "config_writes",
            kinds.truth,
            "kept for files of the reference channel; no text can change this gateway's configuration",
            default=None,
        ),
        Key(
            "accountSid",
            "account_sid",
            kinds.sid("AC"),
            "the Account SID, `AC` and 32 letters or digits",
            variables=("TWILIO_ACCOUNT_SID",),
        ),
        Key(
            "authToken",
            "auth_token",
            kinds.secret_or_ref,
            "the auth token, or a SecretRef: `{ source, provider, id }`; checks signatures and sends texts",
            variables=("TWILIO_AUTH_TOKEN",),
            secret=True,
        ),
        Key(
            "secondaryAuthToken",
            "secondary_auth_token",
            kinds.secret,
            "accepted beside the auth token while that is rotated",
            variables=("TWILIO_SECONDARY_AUTH_TOKEN",),
            secret=True,
        ),
        Key(
            "apiKeySid",
            "api_key_sid",
            kinds.sid("SK"),
            "an API key to send with, `SK` and 32 letters or digits; the auth token still checks signatures",
            variables=("TWILIO_API_KEY_SID",),
        ),
        Key(
            "apiKeySecret",
            "api_key_secret",
            kinds.secret,
            "the API key's secret",
            variables=("TWILIO_API_KEY_SECRET",),
            secret=True,
        ),
        Key(
            "fromNumber",
            "from_number",
            kinds.phone_number,
            "the number people text; it wins over a Messaging Service",
            variables=("TWILIO_PHONE_NUMBER", "TWILIO_SMS_FROM"),
        ),
        Key(
            "messagingServiceSid",
            "messaging_service_sid",
            kinds.sid("MG"),
            "the Messaging Service that picks a number, `MG` and 32 letters or digits",
            variables=("TWILIO_MESSAGING_SERVICE_SID",),
        ),
        Key("defaultTo", "default_to", kinds.phone_number, "where texts go that name nobody"),
        Key(
            "initiateTo",
            "initiate_to",
            kinds.senders,
            "numbers that programs and agents may text first, beside those who may talk; `*` is anyone",
            default=(),
        ),
        Key(
            "webhookPath",
            "webhook_path",
            kinds.webhook_path(_longest("webhook_path")),
            "the path served here, each account its own; a slash at its end makes no difference",
            default=paths.DEFAULT_WEBHOOK_PATH,
            variables=("SMS_WEBHOOK_PATH",),
        ),
        Key(
            "publicWebhookUrl",
            "public_webhook_url",
            kinds.web_address(_longest("public_webhook_url")),
            "the URL entered at Twilio, byte for byte; signatures are computed over it",
            variables=("SMS_PUBLIC_WEBHOOK_URL",),
        ),
        Key(
            "dangerouslyDisableSignatureValidation",
            "dangerously_disable_signature_validation",
            kinds.truth,
            "take unsigned posts; for a trial on a machine nobody else reaches",
            default=False,
            variables=("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION",),
        ),
        Key(
            "dmPolicy",
            "dm_policy",
            kinds.one_of([policy.value for policy in DmPolicy]),
            "who may talk: `pairing`, `allowlist`, `open` (needs `*` in the same level's allowFrom) or `disabled`",
            default=DmPolicy.PAIRING.value,
        ),
        Key(
            "allowFrom",
            "allow_from",
            kinds.senders,
            "numbers that may talk, as texts or numbers, with or without `sms:`; `*` is anyone",
            default=(),
            variables=("SMS_ALLOWED_USERS",),
        ),
        Key(
            "textChunkLimit",
            "text_chunk_limit",
            kinds.whole_number(1, example=accounts.DEFAULT_TEXT_CHUNK_LIMIT),
            f"characters a part; above {accounts.LARGEST_TEXT_CHUNK}, Twilio's limit, it counts as that",
            default=accounts.DEFAULT_TEXT_CHUNK_LIMIT,
            variables=("SMS_TEXT_CHUNK_LIMIT",),
        ),
        Key(
            "mediaMaxMb",
            "media_max_mb",
            kinds.number_above_zero(),
            "megabytes an attachment may have; fractions too",
            default=None,
        ),
        Key(
            "segmentsPerSecond",
            "segments_per_second",
            kinds.number_above_zero(100),
            "how fast this sender may send, above 0 and at most 100; a long code's rate is 1",
            default=accounts.DEFAULT_SEGMENTS_PER_SECOND,
        ),
        Key(
            "inboundPerMinute",
            "inbound_per_minute",
            kinds.whole_number(1, 10_000),
            "texts a sender may send in a minute, 1 to 10000",
            default=accounts.DEFAULT_INBOUND_PER_MINUTE,
        ),
        Key("whatsapp", "whatsapp", kinds.truth, "answer WhatsApp senders of this account too", default=False),
        Key(
            "allowCountries",
            "allow_countries",
            kinds.countries,
            "two-letter codes of the countries whose strangers may ask to be let in; none listed: any",
            default=(),
        ),
        Key(
            "pairingRepliesPerDay",
            "pairing_replies_per_day",
            kinds.whole_number(0, 10_000),
            "texts a day that strangers may cost together, 0 to 10000",
            default=accounts.DEFAULT_PAIRING_REPLIES_PER_DAY,
        ),
        Key(
            "pairingRepliesPerSender",
            "pairing_replies_per_sender",
            kinds.whole_number(0, 100),
            "texts a day that one stranger may cost, 0 to 100",
            default=accounts.DEFAULT_PAIRING_REPLIES_PER_SENDER,
        ),
        Key(
            "repliesPerHour",
            "replies_per_hour",
            kinds.whole_number(1, 10_000),
            "replies of the agent to one sender in an hour, 1 to 10000",
            default=accounts.DEFAULT_REPLIES_PER_HOUR,
        ),
        Key("ownerNumbers", "owner_numbers", kinds.phone_numbers, "numbers of the owner", default=()),
        Key(
            "answerOptOut",
            "answer_opt_out",
            kinds.truth,
            "answer STOP, START and HELP here, where Twilio does not",
            default=False,
        ),
        Key("helpText", "help_text", kinds.text(_longest("help_text")), "the answer to HELP"),
        Key("quietHours", "quiet_hours", kinds.quiet_hours, "no texts of our own accord then: `21:00-08:00`"),
    )
}

ENABLED = "enabled"
DEFAULT_ACCOUNT = "defaultAccount"
ACCOUNTS = "accounts"
