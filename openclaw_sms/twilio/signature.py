"""Deciding whether a webhook request came from Twilio, over the raw bytes and the configured public URL.

The scheme: base64 of an HMAC over the URL Twilio called, followed by every distinct name and value of the
form in sorted order. This module reads no Host or forwarded header, never re-sorts or re-serialises a query,
never trims a value, never raises on what a stranger sends and never says which check failed.
Sources: https://www.twilio.com/docs/usage/webhooks/webhooks-security, the official library's
request_validator, and https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys.

Twilio is not consistent in how it writes the URL it signs, so a few spellings of the same URL are tried: with
and without the port, with and without userinfo, with and without a trailing "?", and four encodings of the
query. That is at most 2 x 2 x 4 spellings times two readings of the body: 32 HMACs a key, and 4 for an
ordinary request.

The signed string has no separators, so the scheme itself cannot tell `a=b` from `a&b`, and it carries no
time: a replay is recognised by its MessageSid, not here.
"""

import base64
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from openclaw_sms.twilio.callbacks import part_of
from openclaw_sms.twilio.urlencoded import fields_of, is_valid_utf8

SIGNATURE_HEADER = "X-Twilio-Signature"
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"

HMAC_SHA1 = "HMAC_SHA1"
HMAC_SHA256 = "HMAC_SHA256"
DIGESTS: Mapping[str, str] = {HMAC_SHA1: "sha1", HMAC_SHA256: "sha256"}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?P<rest>.*)", re.DOTALL
)
_AUTHORITY = re.compile(r"(?P<userinfo>.*@)?(?P<host>\[[^\]]*\]|[^:@]*)(?P<port>:\d+)?", re.DOTALL)
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}

# Known to be signed as written and sent percent-encoded (twilio-node issues 621, 1059 and 1183).
_APOSTROPHE = (("'", "%27"),)
_BREAKERS = (*_APOSTROPHE, ("@", "%40"), (":", "%3A"))


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """What Twilio may sign one account's webhooks with.

    auth_tokens: the account's auth token, and the next one during a rotation; each signs with HMAC-SHA1.
    shared_keys: webhook shared keys, id to secret. Empty secrets are ignored everywhere.
    """

    auth_tokens: tuple[str, ...] = field(repr=False)
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


def verify(
    *,
    public_url: str,
    query: str,
    body: bytes,
    signature: str | None,
    settings: str | None,
    keys: SigningKeys,
) -> bool:
    """True when `signature` is Twilio's over this request. Never raises.

    public_url: the URL Twilio is configured with; its fragment is dropped. query: the request's raw query
    string, used when the configured URL has none (or when the request carries a part's id, see
    `callbacks.part_of`).
    body: the raw bytes of the form. signature, settings: the two headers' values, None when absent.
    """
    given = (signature or "").split(",", 1)[0].strip().encode("utf-8", "replace")
    digest, secrets = _secrets(settings, keys)
    if not given or not secrets or not public_url:
        return False
    contents = _signed_contents(body)
    return any(
        hmac.compare_digest(_signature(secret, digest, url + content), given)
        for url in _spellings(public_url, query)
        for content in contents
        for secret in secrets
    )


def sign(*, url: str, body: bytes, token: str) -> str:
    """The signature header of Twilio's form post of `body` to `url`; a fragment is not part of it."""
    content = _signed_contents(body)[0]
    return _signature(token.encode(), DIGESTS[HMAC_SHA1], _bytes(url.partition("#")[0]) + content).decode()


def _signature(secret: bytes, digest: str, message: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret, message, digest))


def _secrets(settings: str | None, keys: SigningKeys) -> tuple[str, list[bytes]]:
    """The digest to use and the secrets to try; no secrets when the request cannot be believed.

    A request that names a shared key is believed under that key only. One that names none is signed with the
    auth token, for which Twilio documents HMAC-SHA1 alone.
    """
    named = _parameters(settings or "")
    algorithm = named.get("algorithm", HMAC_SHA1).upper()
    candidates: tuple[str, ...] = ()
    if "key" in named:
        candidates = (keys.shared_keys.get(named["key"], ""),)
    elif algorithm == HMAC_SHA1:
        candidates = keys.auth_tokens
    digest = DIGESTS.get(algorithm)
    if digest is None:
        return "", []
    return digest, [secret.encode("utf-8", "replace") for secret in candidates if secret]


def _parameters(settings: str) -> dict[str, str]:
    """`key=...,algorithm=...` as the official library reads it: the first value that is not blank counts."""
    found: dict[str, str] = {}
    for piece in settings.split(","):
        name, _, value = piece.partition("=")
        if value.strip():
            found.setdefault(name.strip(), value.strip())
    return found


def _signed_contents(body: bytes) -> list[bytes]:
    """The form as it goes into the hash: sorted distinct names, each with its sorted distinct values.

    UTF-8 sorts by bytes as it does by code points. A body that is not UTF-8 may have been signed as it stands
    or after it was read as latin-1; the latter reading is the one `payloads.parse_form` makes and loses
    nothing.
    """
    fields = fields_of(body)
    content = b"".join(name + value for name, value in sorted(set(fields)))
    if is_valid_utf8(fields):
        return [content]
    return [content, content.decode("latin-1").encode("utf-8")]


def _spellings(public_url: str, query: str) -> Iterator[bytes]:
    """The URL in every way Twilio may have written it, most likely first, each once."""
    url = public_url.partition("#")[0]
    parts = _URL.fullmatch(url)
    if parts is None:
        yield _bytes(url)
        return
    queries = _queries(public_url, parts["rest"].removeprefix("?"), query)
    seen: set[bytes] = set()
    for authority in _authorities(parts["scheme"], parts["authority"]):
        for spelled in queries:
            spelling = _bytes(f"{parts['scheme']}://{authority}{parts['path']}") + spelled
            if spelling not in seen:
                seen.add(spelling)
                yield spelling


def _authorities(scheme: str, authority: str) -> Iterator[str]:
    """The authority with its port as configured and the other way, with userinfo and without.

    The other way is: a port left out, or the scheme's own put in. Twilio documents that it drops userinfo, and
    the port of an https URL; in practice it does not always.
    """
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        yield authority
        return
    host, port = parts["host"], parts["port"] or ""
    other_port = "" if port else _DEFAULT_PORTS.get(scheme.lower(), "")
    for userinfo in (parts["userinfo"] or "", ""):
        yield userinfo + host + port
        yield userinfo + host + other_port


def _queries(public_url: str, configured: str, received: str) -> list[bytes]:
    """The query, "?" included, in every way Twilio may have signed it.

    A configured query stands as configured. Only a part's id, which we appended ourselves, makes the received
    one count instead: it must then be under the signature.
    """
    if configured and not part_of(public_url=public_url, query=received):
        return [_bytes(f"?{configured}")]
    if not received:
        return [b"", b"?"]
    decoded, apostrophe, encoded = received, received, received
    for written, escaped in _BREAKERS:
        decoded = _replaced(decoded, escaped, written)
        encoded = encoded.replace(written, escaped)
    for written, escaped in _APOSTROPHE:
        apostrophe = _replaced(apostrophe, escaped, written)
    return [b"?" + _raw(spelled) for spelled in (received, apostrophe, decoded, encoded)]


def _replaced(query: str, escaped: str, written: str) -> str:
    return query.replace(escaped, written).replace(escaped.lower(), written)


def _raw(query: str) -> bytes:
    """A WSGI query string as it came over the wire: one character a byte."""
    try:
        return query.encode("latin-1")
    except UnicodeEncodeError:
        return _bytes(query)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
