"""Mail to the owner: written as a row where it became necessary, sent by a worker's own thread.

A mail server that is slow or away holds up no text. What it does not take is tried again, a few times.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff
from openclaw_sms.messaging.background import Background
from openclaw_sms.models import MailState, OwnerMail
from openclaw_sms.text.phone import mask

logger = logging.getLogger(__name__)

MOST_TRIES = 5
# Longer than the mail server's time limit: a worker that died with a mail in hand leaves it to another one.
IN_HAND_FOR = timedelta(minutes=2)
LOOK_AGAIN_AFTER = timedelta(seconds=1)


def write(account: Account, key: str, name: str, sentence: str, values: Mapping[str, str], *, now: datetime) -> None:
    """Keep a mail to SMS_OWNER_EMAIL with what templates/email/`name`.txt, or else notice.txt, makes of `sentence`.

    For `owner.tell_once`, inside its transaction: there it happens once for each `key`.
    """
    if not settings.SMS_OWNER_EMAIL:
        return
    shown = {**values, "account": account.id, "sentence": sentence}
    body = render_to_string([f"email/{name}.txt", "email/notice.txt"], shown)
    subject = redacted_subject(sentence)
    OwnerMail.objects.create(account_id=account.pk, key=key, subject=subject, body=body, created_at=now)


def redacted_subject(sentence: str) -> str:
    """The first sentence, its numbers masked: subjects show on locked screens."""
    first = sentence.partition(". ")[0].removesuffix(".")
    return " ".join(mask(word) if word.startswith("+") else word for word in first.split())[:200]


def wake_if_due(now: datetime) -> None:
    """For the sweep: let the thread send what is due."""
    if _due(now).exists():
        _background.wake()


def send_due(now: datetime) -> int:
    """Send every mail that is due and in nobody's hands; how many were tried."""
    tried = 0
    for letter in _due(now).order_by("id")[:20]:
        mine = _due(now).filter(pk=letter.pk, attempts=letter.attempts)
        if mine.update(next_attempt_at=now + IN_HAND_FOR, attempts=letter.attempts + 1):
            _send(letter)
            tried += 1
    return tried


def _send(letter: OwnerMail) -> None:
    attempts = letter.attempts + 1
    rows = OwnerMail.objects.filter(pk=letter.pk)
    try:
        send_mail(f"OpenClaw SMS: {letter.subject}", letter.body, None, [settings.SMS_OWNER_EMAIL])
    except Exception as error:  # whatever a mail server can do wrong; its words may quote the mail
        again = attempts < MOST_TRIES
        logger.warning("mail.not_sent mail=%s error=%s again=%s", letter.pk, type(error).__name__, again)
        state = MailState.WAITING if again else MailState.FAILED
        rows.update(state=state, next_attempt_at=timezone.now() + backoff.delay(attempts))
        return
    rows.update(state=MailState.SENT, next_attempt_at=None, body="")
    logger.info("mail.sent mail=%s", letter.pk)


def _due(now: datetime) -> QuerySet[OwnerMail]:
    if not settings.SMS_OWNER_EMAIL:
        return OwnerMail.objects.none()
    waits = Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now)
    return OwnerMail.objects.filter(waits, state=MailState.WAITING)


def _work() -> bool:
    return send_due(timezone.now()) > 0


_background = Background("owner-mail", _work, LOOK_AGAIN_AFTER)
