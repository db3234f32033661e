"""What a debug page may show: no secret, even with DEBUG on.

Django hides what is marked sensitive only while DEBUG is off, when nobody sees the page anyway. Here it is always
hidden, and beyond that the secrets themselves are looked for: every one that this process has read, decrypted, looked
up or just been given is taken out of local variables, settings, messages and whatever else the page would print.
"""

from collections.abc import ItemsView, Iterator
from pprint import pformat
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

SECRET_SETTINGS = ("SECRET_KEY", "SMS_AGENT_TOKEN")
# Addresses that may hold a password, and whose names do not say so.
SECRET_ADDRESSES = ("DATABASE_URL", "SMS_QUEUE_URL")
SHORTEST = 4  # characters; what is shorter is found everywhere


class _AsIs(str):
    """Text that a page prints as it is, not as a literal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class HideSecrets(SafeExceptionReporterFilter):
    """Takes whole values away: of names that sound secret, and of variables in which a secret is."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def cleanse_setting(self, key: int | str, value: Any) -> Any:
        return self.cleansed_substitute if key in SECRET_ADDRESSES else super().cleanse_setting(key, value)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> ItemsView[str, Any]:
        secrets = set(known_secrets(request))
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self._without(name, value, secrets) for name, value in found}.items()

    def _without(self, name: str, value: Any, secrets: set[str]) -> Any:
        if self.hidden_settings.search(name):
            return _AsIs(self.cleansed_substitute)
        try:
            shown = pformat(value, width=10_000)
        except Exception as error:  # a broken repr must not break the page that reports it
            return _AsIs(f"<{type(value).__name__}: {type(error).__name__}>")
        return _AsIs(self.cleansed_substitute if any(secret in shown for secret in secrets) else shown)


class Reporter(ExceptionReporter):
    """Takes what is left out of the finished page: an exception's own words, a header, a query."""

    def get_traceback_html(self) -> SafeString:
        return self._cleansed(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        return self._cleansed(super().get_traceback_text())

    def _cleansed(self, page: str) -> SafeString:
        for secret in known_secrets(self.request):
            for spelling in {secret, escape(secret), repr(secret)[1:-1]}:
                page = page.replace(spelling, HideSecrets.cleansed_substitute)
        return mark_safe(page)  # noqa: S308  (Django's own page, with less in it)


def known_secrets(request: HttpRequest | None) -> Iterator[str]:
    """Every secret this process could show, longest first."""
    from openclaw_sms.config import accounts  # late: logging loads this module before there are models
    from openclaw_sms.models import fields

    candidates = {str(getattr(settings, name, "")) for name in SECRET_SETTINGS}
    candidates |= {*settings.SMS_ENCRYPTION_KEYS, *fields.seen, *accounts.secrets_in_memory()}
    candidates |= {*_of_environment(), *_entered(request)}
    return iter(sorted((one for one in candidates if len(one) >= SHORTEST), key=len, reverse=True))


def _of_environment() -> Iterator[str]:
    from openclaw_sms.config import accounts
    from openclaw_sms.config.sources import ConfigurationError

    try:
        account = accounts.of_environment()
    except (ConfigurationError, ImproperlyConfigured):
        return
    yield from (account.auth_token, account.secondary_auth_token, account.api_key_secret)
    yield from account.shared_keys.values()


def _entered(request: HttpRequest | None) -> Iterator[str]:
    """What somebody typed into a field for a secret."""
    for name in getattr(request, "sensitive_post_parameters", []):
        if request is not None and name in request.POST:
            yield from request.POST.getlist(name)
