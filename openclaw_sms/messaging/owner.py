"""Telling the owner something, once: by text to the account's owner numbers, by mail, and always in the console.

A notice is a row, written in the transaction that makes it necessary and sent by `messaging.notices` afterwards: the
owner is told if and only if the thing happened, and no transaction holds two people's conversations at once.
"""

import logging

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import notices
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import NoticeState, NoticeWay, OwnerNotice
from openclaw_sms.text.phone import mask

logger = logging.getLogger(__name__)


def tell_once(account: Account, key: str, sentence_name: str, /, **values: str) -> bool:
    """Tell the owner the sentence templates/sms/`sentence_name`.txt; True when this call did it.

    `key` says what it is about, and whatever it is once per ("pairing_full:2026-11-25"): another call with the same
    key, in any process and for ever, is False. A mail says what templates/email/ has under that name, or notice.txt.
    """
    sentence = say(sentence_name, **values)
    # Without a number to text there is nothing to send: the console shows it.
    state = NoticeState.WAITING if account.owner_numbers else NoticeState.SENT
    first = _keep(account, key, NoticeWay.TEXT, sentence=sentence, state=state)
    if first and settings.SMS_OWNER_EMAIL:
        shown = {**values, "account": account.id, "sentence": sentence}
        body = render_to_string([f"email/{sentence_name}.txt", "email/notice.txt"], shown)
        _keep(account, key, NoticeWay.MAIL, sentence=subject_of(sentence), body=body)
    return first


def subject_of(sentence: str) -> str:
    """The first sentence, its numbers masked: subjects show on locked screens."""
    first = sentence.partition(". ")[0].removesuffix(".")
    return " ".join(mask(word) if word.startswith("+") else word for word in first.split())[:200]


def today() -> str:
    """The day as keys name it, in the gateway's own time zone."""
    return timezone.localdate().isoformat()


def _keep(account: Account, key: str, way: NoticeWay, **notice: str) -> bool:
    _, first = OwnerNotice.objects.get_or_create(
        account_id=account.pk, key=key, way=way, defaults={"at": timezone.now(), **notice}
    )
    if first:
        logger.info("owner.notice account=%s key=%s way=%s", account.id, key, way.value)
        transaction.on_commit(notices.wake)
    return first
