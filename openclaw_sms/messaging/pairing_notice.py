"""Telling the owner that a stranger waits: by text to the account's owner numbers, and by mail, once a request.

Called inside the transaction that keeps the request, so that the owner is told if and only if there is one.
"""

from datetime import datetime

from django.conf import settings
from django.template.loader import render_to_string

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import notices, owner
from openclaw_sms.models import PairingRequest, PairingState
from openclaw_sms.text.phone import mask


def asked(account: Account, request: PairingRequest, *, now: datetime) -> None:
    """A stranger asks to be let in."""
    key = f"pairing:{request.pk}"
    owner.tell_once(account, key, "owner_pairing", code=request.code, sender=request.sender)
    if settings.SMS_OWNER_EMAIL:
        values = {"account": account.id, "request": request}
        notices.write(
            account,
            key,
            subject=f"{mask(request.sender)} asks to text your assistant",
            body=render_to_string("email/pairing.txt", values),
            now=now,
        )


def slots_are_full(account: Account, *, now: datetime) -> None:
    """Another stranger found no free slot. Told once as long as the same requests fill the slots."""
    waiting = PairingRequest.objects.filter(account_id=account.pk, state=PairingState.PENDING).order_by("-id")
    newest = waiting.values_list("pk", flat=True).first()
    key = f"pairing_full:{newest}"
    owner.tell_once(account, key, "owner_pairing_full", name=account.id)
    if settings.SMS_OWNER_EMAIL:
        notices.write(
            account,
            key,
            subject="Strangers wait, and there is no room for more",
            body=render_to_string("email/pairing_full.txt", {"account": account.id, "waiting": waiting}),
            now=now,
        )
