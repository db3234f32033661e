"""Telling the owner that a stranger waits: by text to the account's owner numbers, and by mail, once a request.

Called inside the transaction that keeps the request, so that the owner is told if and only if there is one.
"""

from django.template.loader import render_to_string

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import owner
from openclaw_sms.models import PairingRequest, PairingState, Reason
from openclaw_sms.text.phone import mask


def asked(account: Account, request: PairingRequest) -> None:
    """A stranger asks to be let in."""
    key = f"pairing:{request.pk}"
    owner.tell_once(account, key, "owner_pairing", code=request.code, sender=request.sender)
    owner.mail_once(
        account,
        key,
        subject=f"{mask(request.sender)} asks to text your assistant",
        body=render_to_string("email/pairing.txt", {"account": account.id, "request": request}),
    )


def cap_has_bitten(account: Account, cap: Reason) -> None:
    """A stranger got no code because of `cap`. Told once a day, whatever their number."""
    key = f"{cap.value}:{owner.today()}"
    owner.tell_once(account, key, f"owner_{cap.value}", account=account.id)
    if cap is Reason.PAIRING_FULL:
        waiting = PairingRequest.objects.filter(account_id=account.pk, state=PairingState.PENDING).order_by("-id")
        owner.mail_once(
            account,
            key,
            subject="Strangers wait, and there is no room for more",
            body=render_to_string("email/pairing_full.txt", {"account": account.id, "waiting": waiting}),
        )
