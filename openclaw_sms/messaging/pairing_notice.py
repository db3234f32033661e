"""Telling the owner that a stranger waits, once a request: with what to answer by text, or to type.

Not in the transaction that keeps the request, which holds the stranger's rows. Should the process die in between, the
stranger's next text tells. That the owner cannot be told is logged, and keeps nothing else from happening.
"""

import logging
from datetime import datetime

from openclaw_sms.access import pairing
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import owner

logger = logging.getLogger(__name__)


def tell(account: Account, sender: str, *, now: datetime) -> None:
    """Tell the owner about the pending request of `sender`, if there is one."""
    try:
        request = pairing.asked(account.pk, sender, now=now)
        if request is not None:
            key = f"pairing:{request.pk}"
            owner.tell_once(account, key, "owner_pairing", code=request.code, sender=request.sender)
    except Exception as error:
        logger.error("owner.not_told account=%s error=%s", account.id, type(error).__name__)
