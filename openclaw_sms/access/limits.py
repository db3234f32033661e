"""What strangers may cost, and how often a machine may talk to a machine: counted in rows, never in memory.

The pairing limits are asked inside the transaction that would write the reply, after `pairing.lock`, so that two
strangers cannot both have the last one.
"""

from datetime import datetime, timedelta

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import TO_STRANGERS, OutboundKind, OutboundMessage, Reason
from openclaw_sms.text.phone import country_of, number_of

# Rolling, so that nobody gets twice as much around midnight.
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def of_country(account: Account, number: str) -> Reason:
    """`Reason.COUNTRY` for a stranger whose country is not on the account's list; an empty list is any country."""
    wanted = {country.upper() for country in account.allow_countries}
    return Reason.COUNTRY if wanted and country_of(number_of(number)) not in wanted else Reason.NONE


def of_strangers(account: Account, number: str, *, now: datetime) -> Reason:
    """Why `number` draws no further text that it did not have to be approved for; NONE when it may.

    `number`: an address as conversations have it. By text and on WhatsApp somebody has what one person has.
    """
    # All accounts' of the day, which the limits themselves keep few: by time they are found at once, by account not.
    lately = OutboundMessage.objects.filter(kind__in=TO_STRANGERS, created_at__gt=now - DAY)
    ours = [
        number_of(sender)
        for account_pk, sender in lately.values_list("conversation__account__pk", "conversation__sender")
        if account_pk == account.pk
    ]
    if ours.count(number_of(number)) >= account.pairing_replies_per_sender:
        return Reason.PAIRING_SPENT_SENDER
    return Reason.PAIRING_SPENT if len(ours) >= account.pairing_replies_per_day else Reason.NONE


def of_replies(account: Account, conversation_pk: int, *, now: datetime) -> Reason:
    """`Reason.REPLY_CAP` when the agent has answered one sender as often as it may in an hour."""
    lately = OutboundMessage.objects.filter(
        conversation_id=conversation_pk, kind=OutboundKind.REPLY, created_at__gt=now - HOUR
    )
    return Reason.REPLY_CAP if lately.count() >= account.replies_per_hour else Reason.NONE
