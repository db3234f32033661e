"""Pairing: a stranger gets a code, the owner approves it, and from then on the number may talk.

Here is what the command line, the console and (later) the API call; none of them changes a request by itself.
Nothing here texts anybody.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from openclaw_sms.access import audit
from openclaw_sms.access.audit import Actor
from openclaw_sms.models import (
    AllowedSender,
    InboundMessage,
    PairingRequest,
    PairingState,
    SenderSource,
    SmsAccount,
)
from openclaw_sms.text.phone import number_of

# No I and O, no 0 and 1: a code is read from one screen and typed into another.
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 8
# Long enough to find the owner, short enough that a code in an old screenshot is worthless.
VALID_FOR = timedelta(hours=1)
# A stranger must not be able to fill the owner's list.
MOST_PENDING = 3


class PairingError(Exception):
    """A request that cannot be decided. `code` is stable; the message is the operator's sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Approval:
    """What `approve` did: the request it ended, and the number that may talk from now on."""

    request: PairingRequest
    sender: AllowedSender


def is_paired(account_pk: int, address: str) -> bool:
    """By number: whoever was approved as a texter is the same person on WhatsApp, where the account takes that."""
    number = number_of(address)
    return AllowedSender.objects.filter(account_id=account_pk, number=number, source=SenderSource.PAIRING).exists()


def pending(now: datetime, *, account_pk: int | None = None) -> QuerySet[PairingRequest]:
    """Requests that wait for the owner, oldest first."""
    expire(now)
    requests = PairingRequest.objects.filter(state=PairingState.PENDING).select_related("account", "first_text")
    if account_pk is not None:
        requests = requests.filter(account_id=account_pk)
    return requests.order_by("created_at", "id")


def expire(now: datetime) -> int:
    """End the requests whose hour is over. Counted from the first text: texting again does not extend it."""
    over = PairingRequest.objects.filter(state=PairingState.PENDING, expires_at__lt=now)
    return over.update(state=PairingState.EXPIRED)


def lock(account_pk: int) -> None:
    """Until the transaction ends nobody else asks for, approves or dismisses a request of this account."""
    SmsAccount.objects.select_for_update().get(pk=account_pk)


def request(text: InboundMessage, *, now: datetime) -> PairingRequest | None:
    """The pending request of the sender of `text`: the one there is, a new one, or None while all slots are taken.

    Must run inside a transaction, after `lock`: two strangers cannot share the last slot.
    """
    known = asked(text.account_id, text.sender, now=now)
    if known is not None:
        seen(known, now=now)
        return known
    if PairingRequest.objects.filter(account_id=text.account_id, state=PairingState.PENDING).count() >= MOST_PENDING:
        return None
    return PairingRequest.objects.create(
        account_id=text.account_id,
        sender=text.sender,
        code=_unused_code(),
        first_text=text,
        created_at=now,
        last_seen_at=now,
        expires_at=now + VALID_FOR,
    )


def asked(account_pk: int, sender: str, *, now: datetime) -> PairingRequest | None:
    """The pending request of one sender."""
    expire(now)
    return PairingRequest.objects.filter(account_id=account_pk, sender=sender, state=PairingState.PENDING).first()


def seen(request: PairingRequest, *, now: datetime) -> None:
    """Note that a waiting sender has texted again."""
    request.last_seen_at = now
    request.save(update_fields=["last_seen_at"])


def forget(request: PairingRequest) -> None:
    """Take back a request whose sender was never told of it, in the transaction that made it."""
    request.delete()


def approve(code: str, *, actor: Actor, now: datetime, account_pk: int | None = None) -> Approval:
    """Let the sender behind `code` in (any case, surrounding space ignored). Once: a second call is told so.

    Raises `PairingError`.
    """
    with transaction.atomic():
        found = _decide(code, PairingState.APPROVED, actor=actor, now=now, account_pk=account_pk)
        sender, _ = AllowedSender.objects.get_or_create(
            account_id=found.account_id,
            number=number_of(found.sender),
            source=SenderSource.PAIRING,
            defaults={"added_by": actor.name},
        )
        audit.record("pairing.approved", actor=actor, at=now, account_id=found.account_id, subject=found.sender)
    return Approval(found, sender)


def dismiss(code: str, *, actor: Actor, now: datetime, account_pk: int | None = None) -> PairingRequest:
    """Drop the request behind `code`. The sender is not blocked: the next text asks anew. Raises `PairingError`."""
    with transaction.atomic():
        found = _decide(code, PairingState.DISMISSED, actor=actor, now=now, account_pk=account_pk)
        audit.record("pairing.dismissed", actor=actor, at=now, account_id=found.account_id, subject=found.sender)
    return found


def _decide(code: str, to: PairingState, *, actor: Actor, now: datetime, account_pk: int | None) -> PairingRequest:
    found = pending(now, account_pk=account_pk).filter(code=code.strip().upper()).first()
    if found is None:
        raise _nothing_pending(code, account_pk)
    lock(found.account_id)
    if not found.move(to, decided_at=now, decided_by=actor.name):
        found.refresh_from_db()
        raise _already_decided(found)
    return found


def _nothing_pending(code: str, account_pk: int | None) -> PairingError:
    """Tell a code that somebody else has just used from one that never was."""
    used = PairingRequest.objects.filter(code=code.strip().upper()).exclude(state=PairingState.PENDING)
    if account_pk is not None:
        used = used.filter(account_id=account_pk)
    last = used.order_by("-created_at").first()
    if last is not None:
        return _already_decided(last)
    return PairingError(
        "pairing_not_found", "No pending request has that code: see `pairing list sms` for those that wait."
    )


def _already_decided(found: PairingRequest) -> PairingError:
    if found.state == PairingState.EXPIRED:
        return PairingError("pairing_expired", "That code has expired: the sender's next text draws a new one.")
    word = PairingState(found.state).label
    return PairingError("pairing_decided", f"That request was already {word} by {found.decided_by or 'someone'}.")


def _unused_code() -> str:
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        if not PairingRequest.objects.filter(code=code, state=PairingState.PENDING).exists():
            return code
