"""`Idempotency-Key`: a program that repeats a request because it saw no answer must not text anybody twice.

The key is written in the transaction that writes the text. Of two requests with one key, the second waits for the
first at the unique constraint and then finds its text. A request that was refused uses no key up.
Source: draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from openclaw_sms.models import ApiToken, IdempotencyKey, OutboundMessage

KEPT_FOR = timedelta(hours=24)
LONGEST = 255


class KeyReused(Exception):
    """The key was used for something else. The message is a sentence for the caller."""

    code = "idempotency_key_reused"


class KeyInvalid(ValueError):
    code = "idempotency_key_invalid"


@dataclass(frozen=True, slots=True)
class Outcome:
    message: OutboundMessage
    replayed: bool


def once(token: ApiToken, key: str, request: object, *, now: datetime, act: Callable[[], OutboundMessage]) -> Outcome:
    """Do `act` in a transaction unless this token did so under this key; without a key, do it.

    `request` is what was asked, as JSON values. Raises `KeyInvalid`, `KeyReused`, and whatever `act` raises.
    """
    if not key:
        with transaction.atomic():
            return Outcome(act(), replayed=False)
    if len(key) > LONGEST or not all("!" <= character <= "~" for character in key):
        raise KeyInvalid(f"The Idempotency-Key must be 1 to {LONGEST} visible ASCII characters.")
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    IdempotencyKey.objects.filter(created_at__lt=now - KEPT_FOR).delete()
    return _known(token, key, digest) or _first(token, key, digest, now, act)


def _known(token: ApiToken, key: str, digest: str) -> Outcome | None:
    row = IdempotencyKey.objects.filter(token=token, key=key).select_related("message").first()
    if row is None:
        return None
    if row.request_digest != digest:
        raise KeyReused("This Idempotency-Key came with another request before: use a new key for a new text.")
    if row.message is None:
        raise KeyReused("The text sent with this Idempotency-Key was erased since: use a new key for a new text.")
    return Outcome(row.message, replayed=True)


def _first(token: ApiToken, key: str, digest: str, now: datetime, act: Callable[[], OutboundMessage]) -> Outcome:
    row = IdempotencyKey(token=token, key=key, request_digest=digest, created_at=now)
    with transaction.atomic():
        if _insert(row):
            message = act()
            IdempotencyKey.objects.filter(pk=row.pk).update(message=message)
            return Outcome(message, replayed=False)
    outcome = _known(token, key, digest)
    if outcome is None:
        raise KeyReused("Another request with this Idempotency-Key was at work and failed: send it again.")
    return outcome


def _insert(row: IdempotencyKey) -> bool:
    """Whether the key is ours; waits while another transaction holds it."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True
