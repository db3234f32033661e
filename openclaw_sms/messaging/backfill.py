"""Back-fill: texts that Twilio received for us and whose webhook never got here.

Twilio hardly retries a webhook, so what came during an outage is found by comparing Twilio's list with ours. A text
found so is admitted through the same inbox, as the same form, and takes the same way as any other. Silent when there
is nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import circuits, inbox, outbox
from openclaw_sms.models import BackFillMark, InboundMessage
from openclaw_sms.twilio import payloads
from openclaw_sms.twilio.client import MediaFile, Received, TwilioClient
from openclaw_sms.twilio.errors import TwilioError
from openclaw_sms.twilio.payloads import InboundText

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
# A younger text's webhook may be on its way right now: Twilio gives it 15 seconds, and perhaps a second try.
YOUNG = timedelta(seconds=60)
# Twilio's list may be behind itself, and its clock is not ours.
OVERLAP = timedelta(minutes=10)
# After a longer silence the operator decides: `manage.py backfill --hours`.
FARTHEST_BACK = timedelta(hours=24)
AT_ONCE = 1000
SHORTEST_WINDOW = timedelta(seconds=2)


@dataclass(slots=True)
class Result:
    """What one comparison found: `listed` at Twilio, `missed` the sids we had not, oldest first."""

    account: Account
    since: datetime
    until: datetime
    listed: int = 0
    missed: list[str] = field(default_factory=list)


def due_accounts(now: datetime) -> list[Account]:
    """Accounts whose list is to be compared now, each for this caller alone.

    Only accounts that have received a text by webhook: before that, another program may be the one that answers.
    """
    ready = [account for account in accounts.current().by_id.values() if _is_wired(account)]
    return [account for account in ready if _claim(account, now)]


def _is_wired(account: Account) -> bool:
    if not account.serves_webhook or account.unavailable or circuits.of(account.pk) is not None:
        return False
    return InboundMessage.objects.filter(account_id=account.pk, backfilled=False).exists()


def _claim(account: Account, now: datetime) -> bool:
    """Move the account's next run on; False when it is not due or another machine was faster."""
    _, is_new = BackFillMark.objects.get_or_create(
        account_id=account.pk, defaults={"begun_at": now, "seen_until": now, "next_run_at": now + EVERY}
    )
    due = BackFillMark.objects.filter(account_id=account.pk, next_run_at__lte=now)
    return not is_new and bool(due.update(next_run_at=now + EVERY))


def catch_up(account: Account, now: datetime) -> Result | None:
    """Compare from where the last comparison ended. None when Twilio could not be asked: the next run tries again."""
    mark = BackFillMark.objects.get(account_id=account.pk)
    since = max(mark.seen_until - OVERLAP, mark.begun_at, now - FARTHEST_BACK)
    try:
        result = compare(account, since=since, until=now - YOUNG)
    except TwilioError as error:
        logger.warning("backfill.failed account=%s code=%s", account.id, error.code)
        return None
    BackFillMark.objects.filter(pk=mark.pk).update(seen_until=result.until)
    return result


def compare(account: Account, *, since: datetime, until: datetime, admit: bool = True) -> Result:
    """Admit what Twilio received between the two times and we have not. Raises `TwilioError`.

    One bounded look: when Twilio has more in that time than is fetched at once, `until` of the result is earlier.
    """
    twilio = outbox.carrier(account)
    listed, until = _listed(twilio, account, since, until)
    known = set(
        InboundMessage.objects.filter(
            account_id=account.pk, sid__in=[received.sid for received in listed]
        ).values_list("sid", flat=True)
    )
    result = Result(account, since, until, listed=len(listed))
    for received in listed:
        if received.sid in known:
            continue
        if not admit or _admit(twilio, account, received):
            result.missed.append(received.sid)
    if admit and result.missed:
        logger.warning("backfill.admitted account=%s count=%s", account.id, len(result.missed))
    return result


def compare_all(
    account: Account, *, since: datetime, until: datetime, admit: bool, each: Callable[[Result], None]
) -> None:
    """Compare the whole time, look by look. Raises `TwilioError`."""
    while since < until:
        result = compare(account, since=since, until=until, admit=admit)
        each(result)
        since = result.until


def _listed(
    twilio: TwilioClient, account: Account, since: datetime, until: datetime
) -> tuple[list[Received], datetime]:
    """The texts, and the end of the time they are complete for: Twilio lists the newest first."""
    while True:
        listed = twilio.received_between(
            to=account.from_number,
            messaging_service_sid=account.messaging_service_sid,
            since=since,
            until=until,
            limit=AT_ONCE,
        )
        if len(listed) < AT_ONCE or until - since <= SHORTEST_WINDOW:
            return listed, until
        until = since + (until - since) / 2


def _admit(twilio: TwilioClient, account: Account, received: Received) -> bool:
    """Whether it was new. The form is what the webhook would have brought."""
    media = twilio.media_of(received.sid) if received.num_media else []
    form = as_form(received, media)
    text = payloads.classify(payloads.parse_form(form))
    if not isinstance(text, InboundText):
        raise TypeError("the form of a text is a text")
    return inbox.accept(account, text, form=form, now=received.sent_at, backfilled=True).new


def as_form(received: Received, media: list[MediaFile]) -> bytes:
    fields = {
        "ApiVersion": "2010-04-01",
        "SmsSid": received.sid,
        "SmsMessageSid": received.sid,
        "MessageSid": received.sid,
        "SmsStatus": "received",
        "AccountSid": received.account_sid,
        "From": received.sender,
        "To": received.recipient,
        "Body": received.body,
        "NumSegments": str(received.num_segments),
        "NumMedia": str(len(media)),
    }
    if received.messaging_service_sid:
        fields["MessagingServiceSid"] = received.messaging_service_sid
    for number, file in enumerate(media):
        fields |= {f"MediaUrl{number}": file.url, f"MediaContentType{number}": file.content_type}
    return urlencode(fields).encode()
