"""Telling the owner that a stranger waits: by text to the account's owner numbers, and by mail, once a request.

Called inside the transaction that keeps the request, so that the owner is told if and only if there is one. That the
owner cannot be told must not keep the stranger's code back: such a failure is logged, and only its own writes undone.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import notices, owner
from openclaw_sms.models import PairingRequest, PairingState
from openclaw_sms.text.phone import mask

logger = logging.getLogger(__name__)


@contextmanager
def _not_fatal(account: Account) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        logger.error("notice.not_written account=%s error=%s", account.id, type(error).__name__)


def asked(account: Account, request: PairingRequest, *, now: datetime) -> None:
    """A stranger asks to be let in."""
    with _not_fatal(account):
        _asked(account, request, now)


def slots_are_full(account: Account, *, now: datetime) -> None:
    """Another stranger found no free slot. Told once as long as the same requests fill the slots."""
    with _not_fatal(account):
        _slots_are_full(account, now)


def _asked(account: Account, request: PairingRequest, now: datetime) -> None:
    key = f"pairing:{request.pk}"
    owner.tell_once(account, key, "owner_pairing", code=request.code, sender=request.sender)
    if settings.SMS_OWNER_EMAIL:
        values = {"account": account.id, "request": request}
        notices.write(
            account,
            key,
            subject=f"{mask(request.sender)} asks to text your assistant",
            body=render_to_string("email/pairing.txt", values),
            now=now,
        )


def _slots_are_full(account: Account, now: datetime) -> None:
    waiting = PairingRequest.objects.filter(account_id=account.pk, state=PairingState.PENDING).order_by("-id")
    newest = waiting.values_list("pk", flat=True).first()
    key = f"pairing_full:{newest}"
    owner.tell_once(account, key, "owner_pairing_full", account_id=account.id)
    if settings.SMS_OWNER_EMAIL:
        notices.write(
            account,
            key,
            subject="Strangers wait, and there is no room for more",
            body=render_to_string("email/pairing_full.txt", {"account": account.id, "waiting": waiting}),
            now=now,
        )
