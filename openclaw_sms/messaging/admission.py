"""Letting a sender in: the approval, and the text that tells them, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from openclaw_sms.access import opt_out, pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.secrets import resolver
from openclaw_sms.messaging import outbox
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.sentences import say
from openclaw_sms.models import AllowedSender, Conversation, OutboundKind, PairingRequest, PairingState


@dataclass(frozen=True, slots=True)
class Admission:
    """`warning` is a sentence: why the sender could not be told, or cannot be texted. They are let in anyway."""

    request: PairingRequest
    sender: AllowedSender
    warning: str = ""


def approve(
    code: str, *, actor: Actor, now: datetime, account_pk: int | None = None, notify: bool = False
) -> Admission:
    """Approve `code` and, with `notify`, put the news into the outbox. Raises `PairingError`."""
    with transaction.atomic():
        if notify:
            _hold_conversation(code, account_pk)
        approval = pairing.approve(code, actor=actor, now=now, account_pk=account_pk)
        warning = _tell(approval.request, actor, now) if notify else _opted_out(approval.request)
    return Admission(approval.request, approval.sender, warning)


def _hold_conversation(code: str, account_pk: int | None) -> None:
    """The stranger's conversation before the account's requests, as a turn of theirs takes them."""
    requests = PairingRequest.objects.filter(code=code.strip().upper(), state=PairingState.PENDING)
    if account_pk is not None:
        requests = requests.filter(account_id=account_pk)
    for account, sender in requests.values_list("account_id", "sender"):
        list(Conversation.objects.select_for_update(no_key=True).filter(account_id=account, sender=sender))


def _opted_out(request: PairingRequest) -> str:
    """An approval does not bring back who said stop."""
    if not opt_out.is_out(request.account_id, request.sender):
        return ""
    return "They have opted out: they are not answered or texted until they text START."


def _tell(request: PairingRequest, actor: Actor, now: datetime) -> str:
    account = accounts.load(resolver.peek).by_pk(request.account_id)
    if account is None or not (account.enabled and account.configured):
        return "They could not be told: the account cannot send texts."
    if opted_out := _opted_out(request):
        return opted_out
    conversation, _ = Conversation.objects.get_or_create(account_id=request.account_id, sender=request.sender)
    try:
        outbox.write(
            conversation,
            say("approved"),
            kind=OutboundKind.NOTICE,
            author=actor.name,
            limit=account.text_chunk_limit,
            now=now,
        )
    except Withheld as withheld:
        return f"They could not be told: {withheld}"
    return ""
