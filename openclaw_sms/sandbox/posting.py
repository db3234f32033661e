"""Posting and fetching as Twilio does, over real HTTP, from this machine and from nowhere else.

Signatures come from Twilio's own library; the product checks them with its own code.
"""

import functools
import secrets
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

import httpx
from twilio.request_validator import RequestValidator

from openclaw_sms.twilio.callbacks import is_loopback
from openclaw_sms.twilio.signature import SIGNATURE_HEADER

# Of Twilio's 15 s, what is left when it could connect at once.
TIMEOUT = timedelta(seconds=10)


def is_on_this_machine(url: str) -> bool:
    """Whether `url` may be posted to. The HTTP client's own reading of the URL counts."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in ("http", "https") and is_loopback(parsed.host)


def post_signed(url: str, form: Mapping[str, str], *, auth_token: str) -> int | None:
    """The HTTP status of the answer, None when there was none. Raises ValueError for another machine's URL.

    A fragment carries Twilio's connection overrides: it is neither requested nor signed.
    """
    target = url.partition("#")[0]
    if not is_on_this_machine(target):
        raise ValueError("the sandbox posts to this machine only")
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "User-Agent": "TwilioProxy/1.1",
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        SIGNATURE_HEADER: RequestValidator(auth_token).compute_signature(target, dict(form)),
    }
    try:
        return _client().post(target, content=urlencode(form), headers=headers).status_code
    except httpx.HTTPError:
        return None


def fetch(url: str) -> tuple[str, bytes] | None:
    """Content type and bytes of a file at `url`, None when there is none. ValueError for another machine's URL."""
    if not is_on_this_machine(url):
        raise ValueError("the sandbox fetches from this machine only")
    try:
        answer = _client().get(url, headers={"User-Agent": "TwilioProxy/1.1"})
    except httpx.HTTPError:
        return None
    return (answer.headers.get("content-type", ""), answer.content) if answer.status_code == 200 else None


@functools.cache
def _client() -> httpx.Client:
    return httpx.Client(
        timeout=TIMEOUT.total_seconds(),
        trust_env=False,  # a proxy named in the environment would carry off what is meant for this machine
        follow_redirects=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )
