"""Mail to the owner: written as a row where it became necessary, sent by a worker's own thread.

A mail server that is slow or away holds up no text. What it does not take is tried again, a few times.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff
from openclaw_sms.messaging.background import Background
from openclaw_sms.models import NoticeState, OwnerNotice

logger = logging.getLogger(__name__)

BY_MAIL = "email"
MOST_TRIES = 5
# Longer than the mail server's time limit: a worker that died with a mail in hand leaves it to another one.
IN_HAND_FOR = timedelta(minutes=2)
LOOK_AGAIN_AFTER = timedelta(seconds=1)


def write(account: Account, key: str, *, subject: str, body: str, now: datetime) -> bool:
    """Keep a mail to SMS_OWNER_EMAIL, once for each `key`; whether this call was the first."""
    _, first = OwnerNotice.objects.get_or_create(
        account_id=account.pk,
        key=key,
        way=BY_MAIL,
        defaults={"subject": subject, "body": body, "created_at": now},
    )
    return first


def wake_if_due(now: datetime) -> None:
    """For the sweep: let the thread send what is due."""
    if _due(now).exists():
        _background.wake()


def send_due(now: datetime) -> int:
    """Send every mail that is due and in nobody's hands; how many were tried."""
    tried = 0
    for notice in _due(now).order_by("id")[:20]:
        mine = _due(now).filter(pk=notice.pk, attempts=notice.attempts)
        if mine.update(next_attempt_at=now + IN_HAND_FOR, attempts=notice.attempts + 1):
            _send(notice)
            tried += 1
    return tried


def _send(notice: OwnerNotice) -> None:
    attempts = notice.attempts + 1
    rows = OwnerNotice.objects.filter(pk=notice.pk)
    try:
        mail = EmailMessage(f"OpenClaw SMS: {notice.subject}", notice.body, to=[settings.SMS_OWNER_EMAIL])
        mail.send()
    except Exception as error:  # whatever a mail server can do wrong; its words may quote the mail
        again = attempts < MOST_TRIES
        logger.warning("notice.not_sent notice=%s error=%s again=%s", notice.pk, type(error).__name__, again)
        state = NoticeState.WAITING if again else NoticeState.FAILED
        rows.update(state=state, next_attempt_at=timezone.now() + backoff.delay(attempts))
        return
    rows.update(state=NoticeState.SENT, next_attempt_at=None, body="")
    logger.info("notice.sent notice=%s", notice.pk)


def _due(now: datetime) -> QuerySet[OwnerNotice]:
    if not settings.SMS_OWNER_EMAIL:
        return OwnerNotice.objects.none()
    waits = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)
    return OwnerNotice.objects.filter(waits, state=NoticeState.WAITING, way=BY_MAIL)


def _work() -> bool:
    return send_due(timezone.now()) > 0


_background = Background("owner-mail", _work, LOOK_AGAIN_AFTER)
