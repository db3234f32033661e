"""Sending what the owner must be told: rows of `OwnerNotice`, taken up by a worker's own thread.

A text goes through the outbox like any other. A mail server that is slow or away holds up no text; what it does not
take is tried again, a few times.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff, outbox
from openclaw_sms.messaging.background import Background
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import Conversation, NoticeState, NoticeWay, OutboundKind, OwnerNotice

logger = logging.getLogger(__name__)

MOST_TRIES = 5
MOST_AT_ONCE = 20
# Longer than the mail server's time limit: a worker that died with a mail in hand leaves it to another one.
IN_HAND_FOR = timedelta(minutes=2)
LOOK_AGAIN_AFTER = timedelta(seconds=1)


def wake() -> None:
    """There may be something to send."""
    _background.wake()


def wake_if_due(now: datetime) -> None:
    """For the sweep: let the thread send what is due."""
    if _due(now).exists():
        wake()


def send_due(now: datetime) -> int:
    """Send every notice that is due and in nobody's hands; how many were tried."""
    tried = 0
    for notice in _due(now).order_by("id")[:MOST_AT_ONCE]:
        if notice.way == NoticeWay.TEXT:
            tried += _text_all(notice, now)
        elif (
            _due(now)
            .filter(pk=notice.pk, attempts=notice.attempts)
            .update(next_attempt_at=now + IN_HAND_FOR, attempts=notice.attempts + 1)
        ):
            _mail(notice)
            tried += 1
    return tried


def _text_all(notice: OwnerNotice, now: datetime) -> bool:
    """Put the text for each owner number into the outbox, in the transaction that makes the notice sent."""
    account = accounts.current().by_pk(notice.account_id)
    numbers = account.owner_numbers if account is not None and account.enabled and account.configured else ()
    with transaction.atomic():
        if not _due(now).filter(pk=notice.pk).update(state=NoticeState.SENT, next_attempt_at=None):
            return False
        texted = sum(_text(account, number, notice.sentence, now) for number in numbers if account is not None)
        OwnerNotice.objects.filter(pk=notice.pk).update(texted=texted)
    return True


def _text(account: Account, number: str, sentence: str, now: datetime) -> bool:
    conversation, _ = Conversation.objects.get_or_create(account_id=account.pk, sender=number)
    try:
        outbox.write(
            conversation,
            sentence,
            kind=OutboundKind.OWNER,
            author="gateway",
            limit=account.text_chunk_limit,
            now=now,
        )
    except Withheld as withheld:
        logger.warning("owner.not_texted account=%s reason=%s", account.id, withheld.code)
        return False
    return True


def _mail(notice: OwnerNotice) -> None:
    attempts = notice.attempts + 1
    rows = OwnerNotice.objects.filter(pk=notice.pk)
    try:
        mail = EmailMessage(f"OpenClaw SMS: {notice.sentence}", notice.body, to=[settings.SMS_OWNER_EMAIL])
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
    waits = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)
    due = OwnerNotice.objects.filter(waits, state=NoticeState.WAITING)
    return due if settings.SMS_OWNER_EMAIL else due.exclude(way=NoticeWay.MAIL)


def _work() -> bool:
    return send_due(timezone.now()) > 0


_background = Background("owner-notices", _work, LOOK_AGAIN_AFTER)
