"""Bearer tokens: how a program comes in, what it may do, and how often.

A token is shown once, when it is made; the row keeps its SHA-256 and its beginning. The limit of requests is counted
in the row, so it holds for any number of processes. Texts nobody.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.models import ApiToken, Scope

PREFIX = "ocs_"
RANDOM_BYTES = 32
SHOWN = 10  # characters: enough to tell tokens apart, 36 of the 256 random bits
WINDOW = timedelta(minutes=1)


class TokenError(ValueError):
    """A token that cannot be made or found. `code` is stable; the message is the operator's sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Created:
    """`plain` is the token itself: show it now, it is not kept."""

    row: ApiToken
    plain: str = field(repr=False)


def create(
    name: str,
    scopes: Collection[str],
    *,
    actor: Actor,
    now: datetime,
    account_pk: int | None = None,
    expires_at: datetime | None = None,
) -> Created:
    """A new token for `name`, restricted to one account if `account_pk` is given. Raises `TokenError`."""
    wanted = [scope.value for scope in Scope if scope.value in scopes]
    if not wanted or len(wanted) != len(set(scopes)):
        raise TokenError("scope", f"Give at least one scope of {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= now:
        raise TokenError("expires_at", "The token would have expired already: choose a later time.")
    plain = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    row = ApiToken(
        name=_checked(name),
        prefix=plain[:SHOWN],
        digest=digest(plain),
        scopes=wanted,
        account_id=account_pk,
        created_at=now,
        created_by=actor.name,
        expires_at=expires_at,
    )
    with transaction.atomic():
        _insert(row)
        audit.record(
            "token.created", actor=actor, at=now, account_id=account_pk, subject=row.name[:64], scopes=wanted
        )
    return Created(row, plain)


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise TokenError("name", "Name the token after the program that uses it, in 1 to 100 characters.")
    return name


def _insert(row: ApiToken) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise TokenError("name", f"There is a token called {row.name!r} already: choose another name.") from None


def digest(plain: str) -> str:
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


def find(plain: str, *, now: datetime) -> ApiToken | None:
    """The live token that `plain` is. Candidates are found by their beginning and compared in constant time."""
    if not plain.startswith(PREFIX):
        return None
    wanted = digest(plain)
    for row in live(now).filter(prefix=plain[:SHOWN]).select_related("account"):
        if hmac.compare_digest(row.digest, wanted):
            return row
    return None


def live(now: datetime) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True)


def count(token: ApiToken, *, now: datetime) -> timedelta | None:
    """Count one request. None when it may go on, else how long until the next may: SMS_API_PER_MINUTE is spent."""
    rows = ApiToken.objects.filter(pk=token.pk)
    began = Q(window_began_at__gt=now - WINDOW)
    spent = rows.filter(began, window_requests__lt=settings.SMS_API_PER_MINUTE)
    for _ in range(2):  # of the first requests of a window, those that come second find it begun
        if spent.update(window_requests=F("window_requests") + 1, last_used_at=now):
            return None
        if rows.exclude(began).update(window_began_at=now, window_requests=1, last_used_at=now):
            return None
    since = rows.values_list("window_began_at", flat=True).first() or now
    return max(since + WINDOW - now, timedelta(seconds=1))


def revoke(row: ApiToken, *, actor: Actor, now: datetime) -> bool:
    """End a token. False when it had been revoked already."""
    with transaction.atomic():
        if not ApiToken.objects.filter(pk=row.pk, revoked_at__isnull=True).update(revoked_at=now):
            return False
        row.revoked_at = now
        audit.record("token.revoked", actor=actor, at=now, account_id=row.account_id, subject=row.name[:64])
    return True


def named(name_or_prefix: str) -> ApiToken:
    """The token called so, or that begins so. Raises `TokenError`."""
    found = list(ApiToken.objects.filter(Q(name=name_or_prefix) | Q(prefix=name_or_prefix[:SHOWN]))[:2])
    if len(found) != 1:
        raise TokenError("no_token", "No token is called that: see `tokens list`.")
    return found[0]


def state(row: ApiToken, *, now: datetime) -> str:
    if row.revoked_at:
        return "revoked"
    return "expired" if row.expires_at and row.expires_at <= now else "live"
