"""System checks: settings that are dangerous, or that keep an account from doing what somebody expects of it.

`manage.py check` shows what the environment alone tells; `manage.py check --database default` looks at every account
as it is in effect, and `manage.py check --deploy` also tells what nothing is wrong without. The gateway logs what is
wrong when it starts, and the console shows an account its own.
An id never changes its meaning; docs/configuration.md lists them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Error as CheckError
from django.core.checks import Info as CheckInfo
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from openclaw_sms.config import accounts, agent_token
from openclaw_sms.config.accounts import SANDBOX_ID, Account, Accounts
from openclaw_sms.config.credentials import LookUp
from openclaw_sms.config.secrets import resolver
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.providers import provider_of
from openclaw_sms.config.secrets.reference import DEFAULT_PROVIDER, SecretRef, Source
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.models import ANYONE, DmPolicy
from openclaw_sms.twilio.callbacks import status_callback_url

TAG = "openclaw_sms"


LEVELS: Mapping[str, Callable[..., CheckMessage]] = {"E": CheckError, "W": CheckWarning, "I": CheckInfo}


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that is checked. `grave`: people or money are at risk, so it is shown in red."""

    id: str
    hint: str
    grave: bool = False

    def found(self, sentence: str) -> CheckMessage:
        return LEVELS[self.id[0]](sentence, hint=self.hint, id=f"{TAG}.{self.id}")


UNSIGNED = Kind(
    "W001",
    "Set dangerouslyDisableSignatureValidation to false, and unset SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION: "
    "whoever knows the address can speak as anybody.",
    grave=True,
)
NOBODY_LISTED = Kind("W002", "Add senders to allowFrom (SMS_ALLOWED_USERS), or choose dmPolicy pairing.")
OPEN = Kind(
    "W003",
    "Choose dmPolicy pairing or allowlist, unless the whole world is to talk to your agent at your cost.",
    grave=True,
)
OPEN_TO_FEW = Kind("W004", 'Add "*" to allowFrom if anyone is to be admitted, or choose dmPolicy allowlist.')
PAIRING_OFF = Kind(
    "W005",
    'Remove "*" from allowFrom (SMS_ALLOWED_USERS): it admits anyone, without a code or an approval.',
    grave=True,
)
UNREACHABLE_URL = Kind(
    "W006",
    "Give publicWebhookUrl a host name that the internet knows: not a private address, not a single label such as "
    "localhost, no underscore, no user name.",
)
PLAIN_HTTP = Kind("W007", "Use https: over plain http everybody on the way reads the texts.")
OTHER_PATH = Kind("W008", "Have the proxy map one path to the other, or let publicWebhookUrl end in webhookPath.")
DEAF = Kind("W009", "Set publicWebhookUrl (SMS_PUBLIC_WEBHOOK_URL) if the account is to receive texts.")
NO_KEYS = Kind(
    "I001",
    "Set SMS_ENCRYPTION_KEYS, then run `manage.py secrets rotate`: stored secrets are else lost with SECRET_KEY.",
)
RESTS = Kind("W011", "Mend what the sentence names; the account goes on by itself then.")
INCOMPLETE = Kind(
    "W012", "Set accountSid, authToken, and fromNumber or messagingServiceSid, or switch the account off."
)
AGENT_RESTS = Kind("W013", "Mend what the sentence names; texts are tried again, and parked when the tries are out.")
SAME_PATH = Kind("E001", "Give each account a webhookPath of its own.")
RESERVED_PATH = Kind(
    "E002", "Choose a webhookPath that is not the console's or the gateway's own, such as /webhooks/sms."
)
UNUSABLE = Kind("E003", "Correct the setting that the sentence names; nothing is served until then.")

KINDS = (
    *(UNSIGNED, NOBODY_LISTED, OPEN, OPEN_TO_FEW, PAIRING_OFF, UNREACHABLE_URL, PLAIN_HTTP, OTHER_PATH, DEAF),
    *(RESTS, INCOMPLETE, AGENT_RESTS, SAME_PATH, RESERVED_PATH, UNUSABLE, NO_KEYS),
)
# What the environment alone cannot tell: the rest of the account may be in the console.
NEEDS_ROWS = frozenset({NOBODY_LISTED, OPEN_TO_FEW, DEAF, RESTS, INCOMPLETE})


def is_grave(message: CheckMessage) -> bool:
    return any(kind.grave for kind in KINDS if message.id == f"{TAG}.{kind.id}")


def of_account(account: Account) -> list[CheckMessage]:
    """What is dangerous or useless about one account that is switched on."""
    if not account.enabled or account.id == SANDBOX_ID:
        return []
    return [kind.found(f"Account {account.id} {sentence}.") for kind, sentence in _found(account)]


def of_accounts(known: Accounts) -> list[CheckMessage]:
    """Of each account, and of all together."""
    shared = [
        (RESERVED_PATH if "belongs to the gateway" in sentence else SAME_PATH).found(sentence)
        for sentence in known.conflicts
    ]
    return [*shared, *(message for account in known.by_id.values() for message in of_account(account))]


def of_everything() -> list[CheckMessage]:
    """All that is wrong with the settings now in effect; reads the database and looks secrets up."""
    return [*_attempted(_of_agents_token), *_attempted(lambda: of_accounts(accounts.load()))]


def of_environments_account() -> list[CheckMessage]:
    """What the environment alone tells of the default account."""
    account = accounts.of_environment()
    told = [(kind, sentence) for kind, sentence in _found(account) if kind not in NEEDS_ROWS]
    return [kind.found(f"Account {account.id} {sentence}.") for kind, sentence in told]


@register(TAG, Tags.security)
def check_environment(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    if databases:
        return []  # everything is looked at as it is in effect, below
    return [*_attempted(_of_agents_token_in_the_environment), *_attempted(of_environments_account)]


@register(TAG, Tags.security, deploy=True)
def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Advice: without it everything works, and `doctor` has nothing to say."""
    if settings.DEBUG or settings.SMS_SANDBOX or settings.SMS_ENCRYPTION_KEYS:
        return []
    return [NO_KEYS.found("SMS_ENCRYPTION_KEYS is not set: SECRET_KEY encrypts what is stored.")]


@register(TAG, Tags.database)
def check_accounts(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    if not databases or "default" not in databases:
        return []
    try:
        return of_everything()
    except DatabaseError:
        return []  # before the first `migrate` there is nothing to look at


def _attempted(look: Callable[[], list[CheckMessage]]) -> list[CheckMessage]:
    try:
        return look()
    except (ConfigurationError, ImproperlyConfigured) as error:
        return [UNUSABLE.found(str(error))]


def _of_agents_token() -> list[CheckMessage]:
    return _of_agents_token_by(resolver.resolve)


def _of_agents_token_in_the_environment() -> list[CheckMessage]:
    """Without the database, which has the definitions of providers: only what needs none."""

    def look_up(ref: SecretRef) -> str:
        is_plain = ref.source is Source.ENV and ref.provider == DEFAULT_PROVIDER
        return provider_of(ref, {}).look_up(ref) if is_plain else ""

    return _of_agents_token_by(look_up)


def _of_agents_token_by(look_up: LookUp) -> list[CheckMessage]:
    ref = agent_token.reference()
    try:
        if ref is not None:
            look_up(ref)
    except SecretUnavailable as error:
        return [AGENT_RESTS.found(f"{agent_token.NAME}: {error}")]
    return []


def _found(account: Account) -> Iterator[tuple[Kind, str]]:
    if account.validation_disabled and not settings.DEBUG:
        yield UNSIGNED, "accepts posts that nobody signed"
    yield from _who_may_talk(account)
    if account.public_webhook_url:
        yield from _public_url(account)
    elif account.configured and not account.validation_disabled:
        yield DEAF, "receives nothing: it has no publicWebhookUrl to check signatures against"
    if not account.configured:
        yield INCOMPLETE, "neither sends nor receives: its settings are incomplete"
    elif account.unavailable:
        yield RESTS, f"rests: {account.unavailable.rstrip('.')}"


def _who_may_talk(account: Account) -> Iterator[tuple[Kind, str]]:
    anyone = ANYONE in account.allow_from
    if account.dm_policy is DmPolicy.OPEN:
        yield (
            (OPEN, "is open: anyone may talk to the agent")
            if anyone
            else (
                OPEN_TO_FEW,
                'is open and its allowFrom lacks "*": only the listed senders get in',
            )
        )
    elif account.dm_policy is not DmPolicy.DISABLED and anyone:
        yield PAIRING_OFF, f'admits anyone: "*" in its allowFrom switches dmPolicy {account.dm_policy.value} off'
    elif account.dm_policy is DmPolicy.ALLOWLIST and not account.allow_from:
        yield NOBODY_LISTED, "answers nobody: dmPolicy is allowlist, and allowFrom is empty"


def _public_url(account: Account) -> Iterator[tuple[Kind, str]]:
    url = account.public_webhook_url
    if not status_callback_url(url, part="check"):
        yield UNREACHABLE_URL, "has a publicWebhookUrl that Twilio cannot reach: it asks for no delivery reports"
    if url.lower().startswith("http:"):
        yield PLAIN_HTTP, "has a publicWebhookUrl without TLS"
    path = urlsplit(url).path.rstrip("/") or "/"
    if path != account.webhook_path:
        yield OTHER_PATH, f"is posted to at the path {path} and listens at {account.webhook_path}"
