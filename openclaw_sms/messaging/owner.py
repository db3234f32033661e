"""Telling the owner something, once: by text where the account has numbers for that, by mail where
SMS_OWNER_EMAIL says so, and always in the console.
"""

import logging
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import mailbox, outbox
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import Conversation, OutboundKind, OwnerNotice

logger = logging.getLogger(__name__)


def tell_once(account: Account, key: str, sentence_name: str, /, **values: str) -> bool:
    """Tell the owner the sentence templates/sms/`sentence_name`.txt; True when this call did it.

    `key` says what it is about, and whatever it is once per ("pairing_full:2026-11-25"): another call with the same
    key, in any process and for ever, is False. Call it outside of a transaction that holds rows of a sender.
    """
    now = timezone.now()
    sentence = say(sentence_name, **values)
    try:
        with transaction.atomic():
            notice = OwnerNotice.objects.create(account_id=account.pk, key=key, sentence=sentence, at=now)
            notice.texted = sum(_text(account, number, sentence, now) for number in account.owner_numbers)
            notice.save(update_fields=["texted"])
            mailbox.write(account, key, sentence_name, sentence, values, now=now)
    except IntegrityError:
        return False
    logger.warning("owner.told account=%s key=%s texted=%s", account.id, key, notice.texted)
    return True


def today() -> str:
    """The day as keys name it, in the gateway's own time zone."""
    return timezone.localdate().isoformat()


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
