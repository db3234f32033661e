"""Files of ours that Twilio fetches, under addresses that nobody can guess and that soon expire.

An address is the account's public webhook URL, `/media/` and a signed token. It is made in the moment of a post, so a
post that is tried again has a fresh one; nothing has to be cleaned up, and no table is read for a forged one.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import MediaBytes, MediaItem, MediaState, OutboundPart
from openclaw_sms.text.media_types import EXTENSIONS
from openclaw_sms.twilio.hosts import is_loopback, is_public_host

VALID_FOR = timedelta(minutes=10)
SEGMENT = "/media/"
_SALT = "openclaw_sms media"


class CannotServe(Exception):
    """Twilio could not reach this gateway for a file."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A file as it is served. `name`: ASCII, at most 20 characters, as Twilio asks for."""

    content_type: str
    name: str
    size: int
    data: bytes = field(repr=False)


def can_serve(account: Account) -> bool:
    """Whether Twilio could fetch a file at the account's public URL: https, and public.

    A pretend Twilio on this machine can reach this machine.
    """
    try:
        parts = urlsplit(account.public_webhook_url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if is_loopback(urlsplit(settings.TWILIO_API_BASE_URL).hostname or "") and is_loopback(host):
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and is_public_host(host)


def addresses(part: OutboundPart, account: Account) -> tuple[str, ...]:
    """Where Twilio finds the part's files, in order. Raises `CannotServe`."""
    return tuple(
        item.url if item.state == MediaState.REMOTE else address_of(item, account)
        for item in part.media.filter(state__in=(MediaState.REMOTE, MediaState.KEPT))
    )


def address_of(item: MediaItem, account: Account) -> str:
    """A new address of a kept file, valid from now on for ten minutes. Raises `CannotServe`."""
    if not can_serve(account):
        raise CannotServe
    url = urlsplit(account.public_webhook_url.partition("#")[0])
    token = _signer().sign_object([account.pk, item.token.hex])
    query = f"?{url.query}" if url.query else ""
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}{SEGMENT}{token}{query}"


def find(token: str, account: Account) -> Hosted | None:
    """The file behind a token, None for one that is forged, expired, another account's or erased meanwhile."""
    try:
        account_pk, item_token = _signer().unsign_object(token, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    if account_pk != account.pk:
        return None
    kept = MediaBytes.objects.select_related("item").filter(
        item__token=item_token, item__state=MediaState.KEPT, item__part__conversation__account_id=account.pk
    )
    found = kept.first()
    return None if found is None else _hosted(found)


def _hosted(found: MediaBytes) -> Hosted:
    item = found.item
    # Not the token: the name travels on to phones.
    mark = salted_hmac(_SALT, item.token.hex).hexdigest()[:10]
    name = f"mms-{mark}.{EXTENSIONS.get(item.content_type, 'bin')}"
    return Hosted(item.content_type, name, item.size, bytes(found.data))


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(sep=".", salt=_SALT)
