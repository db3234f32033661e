"""Texting the owner about what needs them: once for each thing, through the same outbox as everything else."""

from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import Conversation, NoticeState, OutboundKind, OwnerNotice

BY_TEXT = "sms"


def tell_once(account: Account, key: str, sentence_name: str, **values: str) -> bool:
    """Text the sentence in templates/sms/ to every owner number of the account; whether this call was the first.

    Call it inside the transaction that makes it necessary. Without owner numbers nothing happens.
    """
    if not account.owner_numbers:
        return False
    now = timezone.now()
    _, first = OwnerNotice.objects.get_or_create(
        account_id=account.pk, key=key, way=BY_TEXT, defaults={"created_at": now, "state": NoticeState.SENT}
    )
    for number in account.owner_numbers if first else ():
        conversation, _ = Conversation.objects.get_or_create(account_id=account.pk, sender=number)
        outbox.write(
            conversation,
            say(sentence_name, **values),
            kind=OutboundKind.NOTICE,
            author="gateway",
            limit=account.text_chunk_limit,
            now=now,
        )
    return first
