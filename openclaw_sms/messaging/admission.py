"""Letting a sender in: the approval, and the text that tells them, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from openclaw_sms.access import pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.secrets import resolver
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import AllowedSender, Conversation, OutboundKind, PairingRequest


@dataclass(frozen=True, slots=True)
class Admission:
    """`warning` says why the sender could not be told; they are let in all the same."""

    request: PairingRequest
    sender: AllowedSender
    warning: str = ""


def approve(
    code: str, *, actor: Actor, now: datetime, account_pk: int | None = None, notify: bool = False
) -> Admission:
    """Approve `code` and, with `notify`, put the news into the outbox. Raises `PairingError`."""
    with transaction.atomic():
        approval = pairing.approve(code, actor=actor, now=now, account_pk=account_pk)
        warning = _tell(approval.request, actor, now) if notify else ""
    return Admission(approval.request, approval.sender, warning)


def _tell(request: PairingRequest, actor: Actor, now: datetime) -> str:
    account = accounts.load(resolver.peek).by_pk(request.account_id)
    if account is None or not (account.enabled and account.configured):
        return "the account cannot send texts."
    conversation, _ = Conversation.objects.get_or_create(account_id=request.account_id, sender=request.sender)
    outbox.write(
        conversation,
        say("approved"),
        kind=OutboundKind.NOTICE,
        author=actor.name,
        limit=account.text_chunk_limit,
        now=now,
    )
    return ""
