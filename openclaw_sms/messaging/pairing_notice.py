"""Telling the owner that a stranger waits: by text to the account's owner numbers, and by mail, once a request.

Called inside the transaction that keeps the request: the owner is told if and only if there is one. That the owner
cannot be told must not keep the stranger's code back: such a failure is logged, and only its own writes undone.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.template.loader import render_to_string

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import owner
from openclaw_sms.models import PairingRequest, PairingState, Reason
from openclaw_sms.text.phone import mask

logger = logging.getLogger(__name__)


def asked(account: Account, request: PairingRequest) -> None:
    """A stranger asks to be let in."""
    with _not_fatal(account):
        _tell_of_request(account, request)


def cap_has_bitten(account: Account, cap: Reason) -> None:
    """A stranger got no code because of `cap`. Told once a day, whatever their number."""
    with _not_fatal(account):
        _tell_of_cap(account, cap)


@contextmanager
def _not_fatal(account: Account) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        logger.error("notice.not_written account=%s error=%s", account.id, type(error).__name__)


def _tell_of_request(account: Account, request: PairingRequest) -> None:
    key = f"pairing:{request.pk}"
    owner.tell_once(account, key, "owner_pairing", code=request.code, sender=request.sender)
    owner.mail_once(
        account,
        key,
        subject=f"{mask(request.sender)} asks to text your assistant",
        body=render_to_string("email/pairing.txt", {"account": account.id, "request": request}),
    )


def _tell_of_cap(account: Account, cap: Reason) -> None:
    key = f"{cap.value}:{owner.today()}"
    owner.tell_once(account, key, f"owner_{cap.value}", account=account.id)
    if cap is Reason.PAIRING_FULL:
        waiting = PairingRequest.objects.filter(account_id=account.pk, state=PairingState.PENDING).order_by("-id")
        owner.mail_once(
            account,
            key,
            subject="Strangers wait, and there is no room for more",
            body=render_to_string("email/pairing_full.txt", {"account": account.id, "waiting": waiting}),
        )
