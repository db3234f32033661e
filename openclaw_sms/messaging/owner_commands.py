"""What the owner may do by text: `approve CODE` and `dismiss CODE`, from one of the account's owner numbers.

Only where posts are signed: with the signature check switched off anybody could write an owner's number into a form.
Everything else that an owner number texts goes the way of any text.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openclaw_sms.access import pairing
from openclaw_sms.access.audit import Actor
from openclaw_sms.access.pairing import ALPHABET, CODE_LENGTH, PairingError
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import admission
from openclaw_sms.messaging.sentences import say
from openclaw_sms.text.phone import mask, parse_sender
from openclaw_sms.twilio.payloads import InboundText

_COMMAND = re.compile(
    rf"(?P<verb>approve|dismiss)\s+(?:sms\s+)?(?P<code>[{ALPHABET}]{{{CODE_LENGTH}}})[.!]?", re.IGNORECASE
)
_DONE = {"approve": "owner_approved", "dismiss": "owner_dismissed"}
# The last part of a sentence's name, by what stood in the way.
_REFUSED = {"pairing_expired": "owner_code_expired", "pairing_decided": "owner_code_decided"}


@dataclass(frozen=True, slots=True)
class OwnerCommand:
    verb: Literal["approve", "dismiss"]
    code: str


def read(account: Account, text: InboundText) -> OwnerCommand | None:
    """The command in a text, if it is one and its sender may give it."""
    if account.validation_disabled or parse_sender(text.sender).address not in account.owner_numbers:
        return None
    found = _COMMAND.fullmatch(text.body.strip())
    if found is None:
        return None
    return OwnerCommand("approve" if found["verb"].lower() == "approve" else "dismiss", found["code"].upper())


def obey(command: OwnerCommand, account: Account, *, sender: str, now: datetime) -> str:
    """Decide the request, on this account alone, and give the sentence to answer with."""
    actor = Actor(f"sms:{mask(sender)}")
    try:
        if command.verb == "approve":
            admission.approve(command.code, actor=actor, now=now, account_pk=account.pk)
        else:
            pairing.dismiss(command.code, actor=actor, now=now, account_pk=account.pk)
    except PairingError as refused:
        return say(_REFUSED.get(refused.code, "owner_code_unknown"), code=command.code)
    return say(_DONE[command.verb], code=command.code)
