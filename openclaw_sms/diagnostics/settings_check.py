"""What an account's settings alone say: asked of nobody, so it is known even while Twilio hangs."""

from collections.abc import Iterator

from django.conf import settings

from openclaw_sms.config.accounts import Account
from openclaw_sms.config.sources import is_web_address
from openclaw_sms.diagnostics.findings import Code, Finding, note
from openclaw_sms.models import ANYONE, DmPolicy
from openclaw_sms.text.web_address import host_of
from openclaw_sms.twilio.callbacks import is_loopback, status_callback_url


def token_status(account: Account) -> str:
    """The reference channel's words."""
    if account.unavailable:
        return "configured_unavailable"
    return "available" if account.auth_token else "missing"


def signature_validation(account: Account) -> str:
    """The reference channel's words, and `disabled`."""
    if account.validation_disabled:
        return "disabled"
    if not account.public_webhook_url:
        return "missing-public-url"
    return "configured" if is_web_address(account.public_webhook_url) else "invalid-public-url"


def findings(account: Account) -> list[Finding]:
    """Of an account that is switched on; one that is switched off is as its owner wants it."""
    return [*_credentials(account), *_receiving(account), *_access(account)] if account.enabled else []


def _credentials(account: Account) -> Iterator[Finding]:
    if sentence := account.unavailable:
        yield Finding(
            Code.TOKEN_UNAVAILABLE,
            "The auth token is configured, but cannot be had now.",
            sentence,
            "manage.py config validate",
            account.id,
        )
    elif not (account.account_sid and account.auth_token):
        absent = "accountSid" if not account.account_sid else "authToken"
        yield Finding(
            Code.MISSING_CREDENTIALS,
            "The account cannot send or receive: its Twilio credentials are not complete.",
            f"{absent} is not set",
            f"manage.py channels add --account {account.id}",
            account.id,
        )
    if not (account.from_number or account.messaging_service_sid):
        yield Finding(
            Code.MISSING_SENDER,
            "The account has nothing to send from.",
            "neither fromNumber nor messagingServiceSid is set",
            f"manage.py channels add --account {account.id}",
            account.id,
        )


def _receiving(account: Account) -> Iterator[Finding]:
    url, state = account.public_webhook_url, signature_validation(account)
    if state == "disabled":
        yield Finding(
            Code.SIGNATURE_DISABLED,
            "Anybody who knows the webhook's address can text as anybody, also as you.",
            "dangerouslyDisableSignatureValidation is on",
            "set it to false, and publicWebhookUrl to the address entered at Twilio",
            account.id,
        )
    elif state == "missing-public-url":
        yield Finding(
            Code.MISSING_PUBLIC_URL,
            "The account receives nothing: signatures are computed over the public URL, and there is none.",
            "publicWebhookUrl is not set",
            "set SMS_PUBLIC_WEBHOOK_URL, or publicWebhookUrl in the account's settings",
            account.id,
        )
    elif state == "invalid-public-url":
        yield Finding(
            Code.INVALID_PUBLIC_URL,
            "The account receives nothing: its public URL is not a web address.",
            "publicWebhookUrl does not begin with https:// and a host",
            "set publicWebhookUrl to the whole address entered at Twilio",
            account.id,
        )
    if url and state == "configured" and not _can_be_called_back(url):
        yield note(
            Code.NO_STATUS_CALLBACK,
            "Texts go out without delivery reports: Twilio cannot reach the public URL's host from outside.",
            evidence=f"the host is {host_of(url)}",
            fix="use a public host name without underscores",
            account=account.id,
        )


def _can_be_called_back(url: str) -> bool:
    allow_loopback = is_loopback(host_of(settings.TWILIO_API_BASE_URL))
    return bool(status_callback_url(url, part="x", allow_loopback=allow_loopback))


def _access(account: Account) -> Iterator[Finding]:
    anyone = ANYONE in account.allow_from
    if account.dm_policy is DmPolicy.ALLOWLIST and not account.allow_from:
        yield Finding(
            Code.ALLOWLIST_EMPTY,
            "Every text is refused: the policy is allowlist, and the list is empty.",
            "allowFrom has no entry",
            "set allowFrom (SMS_ALLOWED_USERS), or the policy to pairing",
            account.id,
        )
    if account.dm_policy is DmPolicy.OPEN and not anyone:
        yield Finding(
            Code.OPEN_WITHOUT_ANYONE,
            "Only listed senders are answered: the policy is open, but the list does not say *.",
            "allowFrom does not contain *",
            'set allowFrom to ["*"], or the policy to pairing',
            account.id,
        )
    if anyone and account.dm_policy is not DmPolicy.DISABLED:
        yield note(
            Code.OPEN_TO_ANYONE,
            "Anybody who texts the number talks to the agent, at your cost.",
            evidence="allowFrom contains *",
            fix="remove * from allowFrom, and use the policy pairing",
            account=account.id,
        )
