"""What every account's settings finally are: its row, else the environment (default account only), else a default.

This module answers questions; it decides nothing about texts. The answers are kept for a few seconds, so that the
webhook reads no table before it has checked a signature, and a change is still in effect "within seconds".
"""

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFailure

from openclaw_sms.config import changes, sources
from openclaw_sms.config.credentials import LookUp, has_token, not_while_switched_off, secrets_of, with_ciphertexts
from openclaw_sms.config.paths import DEFAULT_WEBHOOK_PATH as DEFAULT_WEBHOOK_PATH
from openclaw_sms.config.paths import is_reserved as is_reserved
from openclaw_sms.config.paths import normalise_path as normalise_path
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.sources import AccountEnvironment, ConfigurationError
from openclaw_sms.models import (
    AccountSettings,
    AllowedSender,
    ChannelSettings,
    DmPolicy,
    SenderSource,
    SmsAccount,
)
from openclaw_sms.twilio.client import Credentials
from openclaw_sms.twilio.payloads import Expected
from openclaw_sms.twilio.signature import SigningKeys

logger = logging.getLogger(__name__)

DEFAULT_ID = "default"
SANDBOX_ID = "sandbox"
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
    initiate_to: frozenset[str] = frozenset()
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
        """Complete enough to send: the reference channel's rule. A webhook URL is not needed for that.

        An account whose secret cannot be had is configured, and `unavailable` says what keeps it from working.
        """
        has_token = bool(self.auth_token or self.unavailable)
        return bool(self.account_sid and has_token and (self.from_number or self.messaging_service_sid))

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
    default_account: str = ""  # the id that `channels.sms.defaultAccount` names

    @property
    def default(self) -> Account | None:
        """The one that `defaultAccount` names, else `default`, else the first by name."""
        for account_id in (self.default_account, DEFAULT_ID):
            if account_id in self.by_id:
                return self.by_id[account_id]
        return next(iter(self.by_id.values()), None)

    @property
    def own_numbers(self) -> frozenset[str]:
        """The numbers that texts of ours come from. A Messaging Service's are known to Twilio alone."""
        return frozenset(account.from_number for account in self.by_id.values() if account.from_number)

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
                "or add one with `manage.py config patch`, or in the console under Accounts."
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


def environments_account(declared: Collection[str], default_account: str | None) -> str:
    """The id of the account that the environment speaks of: the one that `defaultAccount` names if there is one of
    that name, else `default`.
    """
    named = normalise_id(default_account or "")
    return named if named in declared else DEFAULT_ID


def ensure_rows(channel: ChannelSettings) -> None:
    """Give the accounts that nobody declared a row to hang conversations on: the sandbox's, and `default`, which the
    environment makes, or the channel's own credentials.
    """
    wanted = []
    if sources.names_an_account() or _has_credentials(channel):
        wanted.append(DEFAULT_ID)
    if settings.SMS_SANDBOX:
        wanted.append(SANDBOX_ID)
    for account_id in wanted:
        SmsAccount.objects.get_or_create(account_id=account_id, defaults={"declared": False})


def _has_credentials(level: AccountSettings) -> bool:
    return has_token(level) or any((level.account_sid, level.from_number, level.messaging_service_sid))


def refuse_sandbox_beside_real_credentials() -> None:
    """Raises `ConfigurationError`."""
    if settings.SMS_SANDBOX and sources.names_an_account():
        raise ConfigurationError(
            "The sandbox is on and TWILIO_… variables are set: run `manage.py sandbox off`, or unset the variables."
        )


def load(look_up: LookUp = resolver.resolve) -> Accounts:
    """The accounts as they are now, read from the database and the environment.

    Secrets that are kept elsewhere are looked up, which may run a program: pass `resolver.peek` inside a transaction,
    and for a request that anybody may send. Raises `ConfigurationError` for a setting that cannot be used.
    """
    refuse_sandbox_beside_real_credentials()
    channel = with_ciphertexts(ChannelSettings.objects.all()).first() or ChannelSettings()
    ensure_rows(channel)
    env = sources.account_environment(default_region())
    listed = _listed_senders()
    rows = list(with_ciphertexts(SmsAccount.objects.order_by("account_id")))
    owner = environments_account([row.account_id for row in rows if row.declared], channel.default_account)
    accounts = []
    for row in rows:
        own = env if row.account_id == owner else AccountEnvironment()
        account = _resolve(row, channel, own, listed.get(row.pk, ()), look_up)
        if _is_listed(row, account):
            accounts.append(account)
    return _index(accounts, normalise_id(channel.default_account or ""))


def of_environment() -> Account:
    """The default account as the environment alone would have it; no row is read and nothing is looked up."""
    env = sources.account_environment(default_region())
    return _resolve(SmsAccount(account_id=DEFAULT_ID, pk=0), ChannelSettings(), env, (), resolver.peek)


def _is_listed(row: SmsAccount, account: Account) -> bool:
    """The sandbox's account exists only while the sandbox is on, an undeclared `default` only while something is set
    for it, a removed account not at all.

    Their rows stay, and their conversations stay readable.
    """
    if account.id == SANDBOX_ID:
        return bool(settings.SMS_SANDBOX)
    if row.declared or account.id != DEFAULT_ID:
        return row.declared
    has_token = account.auth_token or account.unavailable
    return any((account.account_sid, has_token, account.from_number, account.messaging_service_sid))


def _listed_senders() -> dict[int, list[str]]:
    """Numbers by account row, from the console and the API. Paired senders are `access`' to look up."""
    rows = AllowedSender.objects.exclude(source=SenderSource.PAIRING).values_list("account_id", "number")
    listed: dict[int, list[str]] = {}
    for pk, number in rows:
        listed.setdefault(pk, []).append(number)
    return listed


def _resolve(
    row: SmsAccount,
    channel: ChannelSettings,
    env: AccountEnvironment,
    listed: list[str] | tuple[str, ...],
    look_up: LookUp,
) -> Account:
    if row.account_id == SANDBOX_ID:
        channel, env = ChannelSettings(), _sandbox_environment()

    def said(column: str, otherwise: Any = "") -> Any:
        """The account's value wins, else the channel's, even a blank one; null is "not set here"."""
        for level in (row, channel):
            if (value := getattr(level, column)) is not None:
                return value
        return otherwise

    enabled = row.enabled and channel.enabled is not False
    secrets = secrets_of((row, channel), env, look_up if enabled else not_while_switched_off)
    pace = SANDBOX_SEGMENTS_PER_SECOND if row.account_id == SANDBOX_ID else DEFAULT_SEGMENTS_PER_SECOND
    limit = said("text_chunk_limit", None) or env.text_chunk_limit or DEFAULT_TEXT_CHUNK_LIMIT
    return Account(
        pk=row.pk,
        id=row.account_id,
        name=said("name"),
        enabled=enabled,
        account_sid=said("account_sid", env.account_sid).strip(),
        auth_token=secrets.auth_token,
        secondary_auth_token=secrets.secondary_auth_token,
        api_key_sid=said("api_key_sid", env.api_key_sid).strip(),
        api_key_secret=secrets.api_key_secret,
        unavailable=secrets.trouble,
        shared_keys=env.shared_keys,
        from_number=said("from_number", env.from_number).strip(),
        messaging_service_sid=said("messaging_service_sid", env.messaging_service_sid).strip(),
        default_to=said("default_to"),
        initiate_to=frozenset(said("initiate_to", ())),
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


def _index(accounts: list[Account], default_account: str = "") -> Accounts:
    by_path: dict[str, Account] = {}
    conflicts: list[str] = []
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
    return Accounts({account.id: account for account in accounts}, by_path, tuple(conflicts), default_account)


class _Cache:
    """The accounts, at most `FRESH_FOR` old. One thread reloads; the others are served what there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: Accounts | None = None
        self._last: Accounts | None = None  # also after `forget`: what a change is told against
        self._stale_at = 0.0
        self._trouble = ""

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
            fresh = load(resolver.peek)
        except (DatabaseFailure, ConfigurationError, ImproperlyConfigured) as error:
            if known is None:
                raise
            self._tell_of(error)
            return known
        if self._trouble:
            logger.info("accounts.reloaded")
        self._trouble = ""
        if self._last is not None:
            changes.tell(self._last, fresh)
        self._last = fresh
        tell_unavailable(fresh)
        return fresh

    def _tell_of(self, error: Exception) -> None:
        """Once for each trouble, however long it lasts. A database's own words may hold an address."""
        reason = type(error).__name__ if isinstance(error, DatabaseFailure) else str(error)
        if reason != self._trouble:
            logger.error("accounts.not_reloaded reason=%r", reason)
        self._trouble = reason

    def peek(self) -> Accounts | None:
        return self._accounts

    def forget(self) -> None:
        self._accounts = None

    def start_over(self) -> None:
        self._accounts = self._last = None
        self._trouble = ""
        _told.clear()


_cache = _Cache()
_told: dict[str, str] = {}  # by account, what the log last said of its secrets


def tell_unavailable(known: Accounts) -> None:
    """Log each account that rests for want of a secret, and each that works again: once, not at every reload."""
    for account in known.by_id.values():
        if not account.enabled or _told.get(account.id, "") == account.unavailable:
            continue
        if account.unavailable.endswith(resolver.NOT_YET):
            continue  # in a moment there is real news
        _told[account.id] = account.unavailable
        if account.unavailable:
            logger.error("account.unavailable account=%s reason=%r", account.id, account.unavailable)
        else:
            logger.info("account.available account=%s", account.id)


def current() -> Accounts:
    """The accounts, at most `FRESH_FOR` old. For the webhook and the worker; commands use `load`."""
    return _cache.get()


def forget() -> None:
    """Make the next `current()` read afresh: after a change in this process."""
    _cache.forget()


def secrets_in_memory() -> set[str]:
    """Every secret of the accounts that this process knows, for whoever must keep them out of what is shown."""
    known = _cache.peek()
    accounts = known.by_id.values() if known else ()
    return resolver.known() | {
        secret
        for account in accounts
        for secret in (
            account.auth_token,
            account.secondary_auth_token,
            account.api_key_secret,
            *account.shared_keys.values(),
        )
        if secret
    }


def start_over() -> None:
    """As in a process that has just begun: between tests."""
    _cache.start_over()
