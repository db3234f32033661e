"""The URL Twilio reports a text's fate to: deriving it, and finding our own part's id in it again.

The id travels as one query parameter at the very end of the configured public URL. When that URL has a query
of its own the signature is normally checked over the configured query alone, which would leave the id
unsigned; therefore `part_of` names the only form in which an id is believed, and `signature.verify` checks
exactly that form.
"""

import re
from urllib.parse import urlsplit

from openclaw_sms.twilio.hosts import is_loopback as is_loopback
from openclaw_sms.twilio.hosts import is_public_host

PART_PARAMETER = "part"
MAX_URL_LENGTH = 4_000
DEFAULT_READ_TIMEOUT = "5000"
DEFAULT_RETRIES = "1"
# Left alone, Twilio repeats a report only when it could not connect.
RETRY_REASONS = ("ct", "rt", "5xx")

_PART = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")


def status_callback_url(public_url: str, *, part: str, allow_loopback: bool = False) -> str:
    """The StatusCallback for one part, or "" when Twilio could not reach `public_url`.

    `part` is 1 to 64 of A-Z a-z 0-9 _ - (ValueError otherwise). The fragment carries Twilio's connection
    overrides: `rp` is completed with ct, rt and 5xx, `rt` defaults to 5000 ms, `rc` to 1, the rest stays.
    `allow_loopback` is for a pretend Twilio on this machine.
    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """
    if not _PART.fullmatch(part):
        raise ValueError("a part's id is 1 to 64 letters, digits, _ or -")
    url, _, fragment = public_url.partition("#")
    if not _is_reachable(url, allow_loopback=allow_loopback):
        return ""
    path, _, query = url.partition("?")
    callback = f"{path}?{query}{'&' if query else ''}{PART_PARAMETER}={part}#{with_retries(fragment)}"
    return callback if len(callback) <= MAX_URL_LENGTH else ""


def part_of(*, public_url: str, query: str) -> str:
    """The part's id in a request's raw query string, or "".

    Only the form `status_callback_url` makes is recognised: the configured query unchanged, then the id, then
    nothing. A request accepted by `signature.verify` has such an id under its signature.
    """
    configured = public_url.partition("#")[0].partition("?")[2]
    start = f"{configured}&{PART_PARAMETER}=" if configured else f"{PART_PARAMETER}="
    part = query.removeprefix(start) if query.startswith(start) else ""
    return part if _PART.fullmatch(part) else ""


def _is_reachable(url: str, *, allow_loopback: bool) -> bool:
    if not _URL_CHARACTERS.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises ValueError on a port that is none)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return False
    return is_public_host(parts.hostname or "") or (allow_loopback and is_loopback(parts.hostname or ""))


def webhook_url(public_url: str) -> str:
    """What is entered at Twilio as the webhook: the public URL, and in its fragment when Twilio shall try again."""
    url, _, fragment = public_url.partition("#")
    return f"{url}#{with_retries(fragment)}"


def with_retries(fragment: str) -> str:
    """The fragment, completed with Twilio's connection overrides as `status_callback_url` describes."""
    overrides = dict(piece.partition("=")[::2] for piece in fragment.split("&") if "=" in piece)
    overrides["rc"] = _kept(overrides.get("rc", ""), lowest=1, highest=5, default=DEFAULT_RETRIES)
    overrides["rt"] = _kept(overrides.get("rt", ""), lowest=100, highest=15_000, default=DEFAULT_READ_TIMEOUT)
    overrides["rp"] = _with_reasons(overrides.get("rp", ""))
    return "&".join(f"{name}={value}" for name, value in overrides.items())


def _with_reasons(policy: str) -> str:
    reasons = [reason for reason in policy.split(",") if reason]
    if "all" in reasons:
        return policy
    return ",".join([*reasons, *(reason for reason in RETRY_REASONS if reason not in reasons)])


def _kept(value: str, *, lowest: int, highest: int, default: str) -> str:
    is_valid = value.isascii() and value.isdigit() and len(value) <= 5 and lowest <= int(value) <= highest
    return value if is_valid else default
