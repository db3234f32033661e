"""Telling the owner that a stranger waits, once a request, and that a limit kept one from it, once a day.

Called inside the transaction that keeps the request: the owner is told if and only if there is one. That the owner
cannot be told must not keep the stranger's code back: such a failure is logged, and only its own writes undone.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import owner
from openclaw_sms.models import PairingRequest, Reason

logger = logging.getLogger(__name__)


def asked(account: Account, request: PairingRequest) -> None:
    """A stranger asks to be let in."""
    with _not_fatal(account):
        owner.tell_once(account, key_of(request.pk), "owner_pairing", code=request.code, sender=request.sender)


def key_of(request_pk: int) -> str:
    """What a notice about this request is kept under."""
    return f"pairing:{request_pk}"


def cap_has_bitten(account: Account, cap: Reason) -> None:
    """A stranger got no code because of `cap`."""
    with _not_fatal(account):
        owner.tell_once(account, f"{cap.value}:{owner.today()}", f"owner_{cap.value}", account=account.id)


@contextmanager
def _not_fatal(account: Account) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        logger.error("notice.not_written account=%s error=%s", account.id, type(error).__name__)
