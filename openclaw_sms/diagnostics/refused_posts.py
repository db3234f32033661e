"""Remembering posts that failed the signature, to say later what would have let them verify.

The commonest fault is a public URL that is not, byte for byte, what is entered at Twilio: http for https, a port, a
slash, another host name, a query. For a refused post each likely URL is tried. That answers a question of the
operator's and never lets anything in: the post was refused before it came here.

What it may cost is bounded, since anybody can post: the request thread only puts a reference into a short queue; one
background thread tries a few posts at once and then one a second; what comes faster is only counted. Bodies are held
in memory until they were tried, never stored. Rows hold sums: account, ten minutes, which change, how many.
"""

import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging.background import Background
from openclaw_sms.models import RefusedPosts
from openclaw_sms.text.web_address import without_secrets
from openclaw_sms.twilio import signature
from openclaw_sms.twilio.signature import SigningKeys

# Base64 of an HMAC-SHA1 or HMAC-SHA256. What is not even that was not signed by anybody.
WELL_FORMED = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")
PROXY = "TwilioProxy/"
# A slip shows in the first few posts; a flood must not become arithmetic.
TRIED_AT_ONCE = 20
TRIED_A_SECOND = 1.0
FLUSH_EVERY = timedelta(seconds=3)
KEPT_FOR = timedelta(days=2)
SLOT_MINUTES = 10  # fine enough to say "in the last hour"
# Accounts times variants that one process sums up between two flushes.
MOST_SUMS = 200
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")

UNTRIED = "untried"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Post:
    """A refused post, as it came. `host` and `path` are what the request said, which nobody has vouched for."""

    account_pk: int
    public_url: str = field(repr=False)
    keys: SigningKeys = field(repr=False)
    host: str
    path: str = field(repr=False)
    query: str = field(repr=False)
    body: bytes = field(repr=False)
    signature: str = field(repr=False)
    settings: str | None = field(repr=False)
    from_proxy: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Variant:
    """One likely slip: the public URL as it would have to be."""

    name: str
    url: str = field(repr=False)


@dataclass(slots=True)
class _Sum:
    count: int = 0
    last_at: datetime = LONG_AGO


Key = tuple[int, datetime, str, str, bool]

_lock = threading.Lock()
_waiting: deque[Post] = deque()
_sums: dict[Key, _Sum] = defaultdict(_Sum)
_allowance = float(TRIED_AT_ONCE)
_allowed_since = time.monotonic()


def remember(
    account: Account,
    *,
    host: str,
    path: str,
    query: str,
    body: bytes,
    given: str | None,
    settings: str | None,
    agent: str,
) -> None:
    """Note a refused post. Cheap, never raises, touches no table.

    host: the Host header. given, settings: the two signature headers. agent: the User-Agent.
    """
    from_proxy = agent.startswith(PROXY)
    header = (given or "").split(",", 1)[0].strip()
    if not (from_proxy or WELL_FORMED.fullmatch(header)):
        return
    now = timezone.now()
    post = Post(
        account.pk,
        account.public_webhook_url,
        account.signing_keys,
        host if HOST.fullmatch(host) else "",
        path,
        query,
        body,
        header,
        settings,
        from_proxy,
        now,
    )
    with _lock:
        if _may_be_tried():
            _waiting.append(post)
        else:
            _add(post, UNTRIED, "")
    _background.wake()


def variants(post: Post) -> Iterator[Variant]:
    """Likely public URLs, the likeliest slip first: one change each, then the host together with one change."""
    url = post.public_url.partition("#")[0]
    yield from _single_changes(url, post)
    if post.host:
        here = urlsplit(url)._replace(netloc=post.host)
        for scheme in ("https", "http"):
            elsewhere = here._replace(scheme=scheme).geturl()
            yield Variant("host", elsewhere)
            yield from (Variant("host", each.url) for each in _single_changes(elsewhere, post))


def would_verify(post: Post) -> Variant | None:
    """The first variant under which Twilio's signature of the post holds."""
    if not post.signature:
        return None
    tried = {post.public_url.partition("#")[0]}
    for variant in variants(post):
        if variant.url in tried:
            continue
        tried.add(variant.url)
        if signature.verify(
            public_url=variant.url,
            query=post.query,
            body=post.body,
            signature=post.signature,
            settings=post.settings,
            keys=post.keys,
        ):
            return variant
    return None


def flush() -> bool:
    """Try what waits and add the sums to the rows. False when there was nothing. On failure the sums are kept."""
    _try_waiting()
    with _lock:
        taken = dict(_sums)
        _sums.clear()
    if not taken:
        return False
    try:
        with transaction.atomic():
            for key, summed in sorted(taken.items()):
                _write(key, summed)
            RefusedPosts.objects.filter(since__lt=timezone.now() - KEPT_FOR).delete()
    except Exception:
        with _lock:
            for key, summed in taken.items():
                _sums[key].count += summed.count
                _sums[key].last_at = max(_sums[key].last_at, summed.last_at)
        raise
    return True


def forget() -> None:
    """Drop what was not flushed, and start afresh: between tests."""
    global _allowance
    with _lock:
        _waiting.clear()
        _sums.clear()
        _allowance = float(TRIED_AT_ONCE)


def _single_changes(url: str, post: Post) -> Iterator[Variant]:
    parts = urlsplit(url)
    other_scheme = "http" if parts.scheme == "https" else "https"
    yield Variant("scheme", parts._replace(scheme=other_scheme).geturl())
    slashed = parts.path.removesuffix("/") if parts.path.endswith("/") else f"{parts.path}/"
    yield Variant("slash", parts._replace(path=slashed).geturl())
    if parts.query:
        yield Variant("query", parts._replace(query="").geturl())
    if post.query:
        yield Variant("query", parts._replace(query=post.query).geturl())
    if post.path != parts.path:
        yield Variant("path", parts._replace(path=post.path).geturl())
    if parts.port is not None:
        yield Variant("port", parts._replace(netloc=parts.netloc.rpartition(":")[0]).geturl())
    yield Variant("port", parts._replace(netloc=f"{_without_port(parts.netloc)}:8443").geturl())
    yield Variant("slash", parts._replace(scheme=other_scheme, path=slashed).geturl())


def _without_port(netloc: str) -> str:
    return re.sub(r":\d+$", "", netloc)


def _may_be_tried() -> bool:
    """A token bucket: a burst, then so many a second. Under the lock."""
    global _allowance, _allowed_since
    now = time.monotonic()
    _allowance = min(TRIED_AT_ONCE, _allowance + (now - _allowed_since) * TRIED_A_SECOND)
    _allowed_since = now
    if _allowance < 1 or len(_waiting) >= TRIED_AT_ONCE:
        return False
    _allowance -= 1
    return True


def _try_waiting() -> None:
    while True:
        with _lock:
            if not _waiting:
                return
            post = _waiting.popleft()
        found = _tried(post)
        with _lock:
            _add(post, found.name if found else "", without_secrets(found.url) if found else "")


def _tried(post: Post) -> Variant | None:
    try:
        return would_verify(post)
    except ValueError:  # a configured URL that cannot be taken apart
        return None


def _add(post: Post, variant: str, url: str) -> None:
    """Under the lock."""
    key = (post.account_pk, _slot(post.at), variant, url[:500], post.from_proxy)
    if key in _sums or len(_sums) < MOST_SUMS:
        summed = _sums[key]
        summed.count += 1
        summed.last_at = max(summed.last_at, post.at)


def _slot(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % SLOT_MINUTES, second=0, microsecond=0)


def _write(key: Key, summed: _Sum) -> None:
    account_pk, since, variant, url, from_proxy = key
    about = {"account_id": account_pk, "since": since, "variant": variant, "url": url, "from_proxy": from_proxy}
    rows = RefusedPosts.objects.filter(**about)
    more = {"count": F("count") + summed.count, "last_at": summed.last_at}
    if not rows.update(**more):
        RefusedPosts.objects.bulk_create([RefusedPosts(**about, last_at=summed.last_at)], ignore_conflicts=True)
        rows.update(**more)


_background = Background("refused-posts", flush, FLUSH_EVERY)
