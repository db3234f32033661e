"""What every account's settings finally are: its row, else the environment (default account only), else a default.

This module answers questions; it decides nothing about texts. The answers are kept for a few seconds, so that the
webhook reads no table before it has checked a signature, and a change is still in effect "within seconds".
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFailure

from openclaw_sms.config import sources
from openclaw_sms.config.sources import AccountEnvironment, ConfigurationError
from openclaw_sms.models import AllowedSender, ChannelSettings, DmPolicy, SenderSource, SmsAccount
from openclaw_sms.models.fields import WrongEncryptionKey
from openclaw_sms.twilio.client import Credentials
from openclaw_sms.twilio.payloads import Expected
from openclaw_sms.twilio.signature import SigningKeys

logger = logging.getLogger(__name__)

DEFAULT_ID = "default"
SANDBOX_ID = "sandbox"
DEFAULT_WEBHOOK_PATH = "/webhooks/sms"
DEFAULT_TEXT_CHUNK_LIMIT = 1500
LARGEST_TEXT_CHUNK = 1600
# A long code's rate at Twilio; faster senders say so.
DEFAULT_SEGMENTS_PER_SECOND = 1.0
# The sandbox has no carrier; quick enough that nobody waits at the simulator, slow enough to see a pace.
SANDBOX_SEGMENTS_PER_SECOND = 10.0
DEFAULT_INBOUND_PER_MINUTE = 30
DEFAULT_PAIRING_REPLIES_PER_DAY = 50
DEFAULT_PAIRING_REPLIES_PER_SENDER = 3
DEFAULT_REPLIES_PER_HOUR = 60
# Paths that are ours. An account's webhook may be anywhere else.
RESERVED_PATHS = ("/admin", "/api", "/sandbox", "/static", "/healthz", "/readyz", "/metrics")
FRESH_FOR = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Account:
    """One account's effective settings. `pk` is its row; `id` is what people and commands call it."""

    pk: int
    id: str
    name: str = ""
    enabled: bool = True
    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    secondary_auth_token: str = field(default="", repr=False)
    api_key_sid: str = ""
    api_key_secret: str = field(default="", repr=False)
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    from_number: str = ""
    messaging_service_sid: str = ""
    default_to: str = ""
    webhook_path: str = DEFAULT_WEBHOOK_PATH
    public_webhook_url: str = ""
    validation_disabled: bool = False
    dm_policy: DmPolicy = DmPolicy.PAIRING
    allow_from: frozenset[str] = frozenset()
    text_chunk_limit: int = DEFAULT_TEXT_CHUNK_LIMIT
    media_max_mb: float | None = None
    segments_per_second: float = DEFAULT_SEGMENTS_PER_SECOND
    inbound_per_minute: int = DEFAULT_INBOUND_PER_MINUTE
    whatsapp: bool = False
    allow_countries: frozenset[str] = frozenset()  # empty: any
    pairing_replies_per_day: int = DEFAULT_PAIRING_REPLIES_PER_DAY
    pairing_replies_per_sender: int = DEFAULT_PAIRING_REPLIES_PER_SENDER
    replies_per_hour: int = DEFAULT_REPLIES_PER_HOUR
    owner_numbers: tuple[str, ...] = ()
    answer_opt_out: bool = False
    help_text: str = ""
    quiet_hours: str = ""  # "21:00-08:00"; empty: none
    unavailable: str = ""  # why a secret that is configured cannot be had now; the account rests until it can

    @property
    def configured(self) -> bool:
        """Able to send: the reference channel's rule. A webhook URL is not needed for that."""
        return bool(self.account_sid and self.auth_token and (self.from_number or self.messaging_service_sid))

    @property
    def serves_webhook(self) -> bool:
        """Able to receive: switched on, complete, and with something to check signatures against."""
        return self.enabled and self.configured and (self.validation_disabled or bool(self.public_webhook_url))

    @property
    def signing_keys(self) -> SigningKeys:
        tokens = tuple(filter(None, (self.auth_token, self.secondary_auth_token)))
        return SigningKeys(auth_tokens=tokens, shared_keys=self.shared_keys)

    @property
    def credentials(self) -> Credentials:
        return Credentials(
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            api_key_sid=self.api_key_sid,
            api_key_secret=self.api_key_secret,
        )

    @property
    def expected(self) -> Expected:
        return Expected(
            account_sid=self.account_sid,
            from_number=self.from_number,
            messaging_service_sid=self.messaging_service_sid,
        )


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts, as they were at one moment."""

    by_id: Mapping[str, Account]
    by_path: Mapping[str, Account]
    conflicts: tuple[str, ...] = ()  # sentences: why an account, or its path, is not served

    @property
    def default(self) -> Account | None:
        """`default` if there is one, else the first by name."""
        if DEFAULT_ID in self.by_id:
            return self.by_id[DEFAULT_ID]
        return next(iter(self.by_id.values()), None)

    def by_pk(self, pk: int) -> Account | None:
        return next((account for account in self.by_id.values() if account.pk == pk), None)


class NoAccount(ConfigurationError):
    code = "no_account"


def choose(account_id: str | None) -> Account:
    """The account called `account_id`, or the default one. Raises `NoAccount` with what to do."""
    accounts = load()
    if account_id is None:
        if accounts.default is None:
            raise NoAccount(
                "No account is configured: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_PHONE_NUMBER, "
                "or add one in the console under Accounts."
            )
        return accounts.default
    wanted = normalise_id(account_id)
    if not wanted:
        raise NoAccount("--account needs an account id.")
    if wanted not in accounts.by_id:
        known = ", ".join(accounts.by_id) or "none"
        raise NoAccount(f"There is no account called {wanted!r}. Accounts: {known}.")
    return accounts.by_id[wanted]


def default_region() -> str | None:
    """The country of numbers that are written without a country code; None: such numbers are errors."""
    return settings.SMS_DEFAULT_REGION or None


def normalise_id(raw: str) -> str:
    """`" Support Team "` → `support-team`."""
    return "-".join(raw.strip().lower().split())


def normalise_path(raw: str) -> str:
    """One spelling of a webhook path: a leading slash, none at the end. Blank is the default path."""
    path = "/" + raw.strip().strip("/")
    return path if path != "/" else DEFAULT_WEBHOOK_PATH


def is_reserved(path: str) -> bool:
    """Whether the normalised `path` is one of the gateway's own, or below one."""
    return any(path == reserved or path.startswith(reserved + "/") for reserved in RESERVED_PATHS)


def ensure_rows() -> None:
    """Give the accounts that the environment or the sandbox defines a row to hang conversations on."""
    wanted = []
    if sources.names_an_account():
        wanted.append(DEFAULT_ID)
    if settings.SMS_SANDBOX:
        wanted.append(SANDBOX_ID)
    for account_id in wanted:
        SmsAccount.objects.get_or_create(account_id=account_id)


def refuse_sandbox_beside_real_credentials() -> None:
    """Raises `ConfigurationError`."""
    if settings.SMS_SANDBOX and sources.names_an_account():
        raise ConfigurationError(
            "The sandbox is on and TWILIO_… variables are set: run `manage.py sandbox off`, or unset the variables."
        )


def load() -> Accounts:
    """The accounts as they are now, read from the database and the environment.

    Raises `ConfigurationError` for a setting that cannot be used.
    """
    refuse_sandbox_beside_real_credentials()
    ensure_rows()
    env = sources.account_environment(default_region())
    channel = ChannelSettings.objects.first() or ChannelSettings()
    listed = _listed_senders()
    rows, unreadable = _rows()
    resolved = [_resolve(row, channel, env, listed.get(row.pk, ())) for row in rows]
    return _index([account for account in resolved if _is_listed(account)], unreadable)


def _rows() -> tuple[list[SmsAccount], list[str]]:
    """Every account's row, and a sentence for each whose secrets cannot be read: it alone stops."""
    try:
        return list(SmsAccount.objects.order_by("account_id")), []
    except WrongEncryptionKey:
        pass
    rows, unreadable = [], []
    for pk, account_id in SmsAccount.objects.order_by("account_id").values_list("pk", "account_id"):
        try:
            rows.append(SmsAccount.objects.get(pk=pk))
        except WrongEncryptionKey as error:
            unreadable.append(f"Account {account_id}: {error}")
    return rows, unreadable


def _is_listed(account: Account) -> bool:
    """The sandbox's account exists only while the sandbox is on, `default` only while something is set for it.

    Their rows stay, and their conversations stay readable.
    """
    if account.id == SANDBOX_ID:
        return bool(settings.SMS_SANDBOX)
    said = (account.account_sid, account.auth_token, account.from_number, account.messaging_service_sid)
    return account.id != DEFAULT_ID or any(said)


def _listed_senders() -> dict[int, list[str]]:
    """Numbers by account row, from configuration and console. Paired senders are `access`' to look up."""
    rows = AllowedSender.objects.exclude(source=SenderSource.PAIRING).values_list("account_id", "number")
    listed: dict[int, list[str]] = {}
    for pk, number in rows:
        listed.setdefault(pk, []).append(number)
    return listed


def _resolve(
    row: SmsAccount, channel: ChannelSettings, env: AccountEnvironment, listed: list[str] | tuple[str, ...]
) -> Account:
    if row.account_id == SANDBOX_ID:
        channel, env = ChannelSettings(), _sandbox_environment()
    elif row.account_id != DEFAULT_ID:
        env = AccountEnvironment()

    def said(column: str, otherwise: Any = "") -> Any:
        """The account's value wins, else the channel's, even a blank one; null is "not set here"."""
        for level in (row, channel):
            if (value := getattr(level, column)) is not None:
                return value
        return otherwise

    pace = SANDBOX_SEGMENTS_PER_SECOND if row.account_id == SANDBOX_ID else DEFAULT_SEGMENTS_PER_SECOND
    limit = said("text_chunk_limit", None) or env.text_chunk_limit or DEFAULT_TEXT_CHUNK_LIMIT
    return Account(
        pk=row.pk,
        id=row.account_id,
        name=said("name"),
        enabled=row.enabled and channel.enabled is not False,
        account_sid=said("account_sid", env.account_sid).strip(),
        auth_token=said("auth_token", env.auth_token).strip(),
        secondary_auth_token=said("secondary_auth_token", env.secondary_auth_token).strip(),
        api_key_sid=said("api_key_sid", env.api_key_sid).strip(),
        api_key_secret=said("api_key_secret", env.api_key_secret).strip(),
        shared_keys=env.shared_keys,
        from_number=said("from_number", env.from_number),
        messaging_service_sid=said("messaging_service_sid", env.messaging_service_sid).strip(),
        default_to=said("default_to"),
        webhook_path=normalise_path(said("webhook_path", env.webhook_path)),
        public_webhook_url=said("public_webhook_url", env.public_webhook_url).strip(),
        # Either may open the door, neither closes the other's: the reference channel's rule.
        validation_disabled=said("dangerously_disable_signature_validation", False) or env.validation_disabled,
        dm_policy=DmPolicy(said("dm_policy") or DmPolicy.PAIRING),
        allow_from=frozenset([*listed, *said("allow_from", env.allow_from)]),
        text_chunk_limit=min(limit, LARGEST_TEXT_CHUNK),
        media_max_mb=said("media_max_mb", None),
        segments_per_second=said("segments_per_second", pace),
        inbound_per_minute=said("inbound_per_minute", DEFAULT_INBOUND_PER_MINUTE),
        whatsapp=said("whatsapp", False),
        allow_countries=frozenset(said("allow_countries", ())),
        pairing_replies_per_day=said("pairing_replies_per_day", DEFAULT_PAIRING_REPLIES_PER_DAY),
        pairing_replies_per_sender=said("pairing_replies_per_sender", DEFAULT_PAIRING_REPLIES_PER_SENDER),
        replies_per_hour=said("replies_per_hour", DEFAULT_REPLIES_PER_HOUR),
        owner_numbers=tuple(said("owner_numbers", ())),
        answer_opt_out=said("answer_opt_out", False),
        help_text=said("help_text"),
        quiet_hours=said("quiet_hours"),
    )


def _sandbox_environment() -> AccountEnvironment:
    state = settings.SMS_SANDBOX or {}
    return AccountEnvironment(
        account_sid=str(state.get("account_sid", "")),
        auth_token=str(state.get("auth_token", "")),
        from_number=str(state.get("from_number", "")),
        public_webhook_url=str(state.get("public_webhook_url", "")),
    )


def _index(accounts: list[Account], unreadable: list[str]) -> Accounts:
    by_path: dict[str, Account] = {}
    conflicts = list(unreadable)
    for account in accounts:
        if not account.serves_webhook:
            continue
        if is_reserved(account.webhook_path):
            conflicts.append(f"Account {account.id}: webhookPath {account.webhook_path} belongs to the gateway.")
        elif account.webhook_path in by_path:
            owner = by_path[account.webhook_path].id
            conflicts.append(f"Account {account.id}: webhookPath {account.webhook_path} belongs to {owner}.")
        else:
            by_path[account.webhook_path] = account
    return Accounts({account.id: account for account in accounts}, by_path, tuple(conflicts))


class _Cache:
    """The accounts, at most `FRESH_FOR` old. One thread reloads; the others are served what there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: Accounts | None = None
        self._stale_at = 0.0

    def get(self) -> Accounts:
        known = self._accounts
        if known is not None and (time.monotonic() < self._stale_at or not self._lock.acquire(blocking=False)):
            return known
        if known is None:
            self._lock.acquire()
        try:
            self._accounts = self._reloaded(known)
            self._stale_at = time.monotonic() + FRESH_FOR.total_seconds()
            return self._accounts
        finally:
            self._lock.release()

    def _reloaded(self, known: Accounts | None) -> Accounts:
        """While the settings cannot be read, what was known goes on holding: forged posts still draw a 403."""
        try:
            return load()
        except (DatabaseFailure, ConfigurationError, ImproperlyConfigured) as error:
            if known is None:
                raise
            logger.error("accounts.not_reloaded error=%s", type(error).__name__)
            return known

    def forget(self) -> None:
        self._accounts = None


_cache = _Cache()


def current() -> Accounts:
    """The accounts, at most `FRESH_FOR` old. For the webhook and the worker; commands use `load`."""
    return _cache.get()


def forget() -> None:
    """Make the next `current()` read afresh: after a change in this process, and between tests."""
    _cache.forget()
