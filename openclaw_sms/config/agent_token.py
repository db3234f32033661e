"""The agent's token by reference: `SMS_AGENT_TOKEN_REF=source:provider:id`, the way references are written everywhere
else that people read them."""

from django.conf import settings

from openclaw_sms.config.secrets.reference import SecretRef, parse_words
from openclaw_sms.config.sources import ConfigurationError

NAME = "SMS_AGENT_TOKEN_REF"


def reference() -> SecretRef | None:
    """Where the agent's token is kept, or None when it is no reference. Raises `ConfigurationError`."""
    if not settings.SMS_AGENT_TOKEN_REF:
        return None
    if settings.SMS_AGENT_TOKEN:
        raise ConfigurationError(f"SMS_AGENT_TOKEN and {NAME} are both set: unset one of them.")
    try:
        return parse_words(settings.SMS_AGENT_TOKEN_REF)
    except ConfigurationError as error:
        raise ConfigurationError(f"{NAME}: {error}") from None
