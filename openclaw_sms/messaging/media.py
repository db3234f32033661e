"""The files of a text received: noted when it is stored, fetched once its sender may talk, kept until erased.

Nothing is fetched for a stranger. A file is fetched outside of any transaction and written behind the turn's fence;
a crash in between fetches it again. What can never be fetched is said in the text itself, to the agent, and shown to
the operator; what Twilio may hand over later makes the text wait, and with it the later texts of that sender.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from openclaw_sms.agents.base import Attachment
from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import backoff
from openclaw_sms.messaging.lease import Lease
from openclaw_sms.models import InboundMessage, MediaBytes, MediaItem, MediaState
from openclaw_sms.text.media_types import agreed, counted, noun
from openclaw_sms.twilio.media import TOO_LARGE, Fetched, MediaSource, NotFetched
from openclaw_sms.twilio.payloads import MAX_MEDIA, InboundText

logger = logging.getLogger(__name__)

# As much as Twilio takes of a message in either direction, and as an agent's prompt can bear.
MOST_TOGETHER = 5 * 1024 * 1024
MEGABYTE = 1024 * 1024
# For all files of one text, in one try.
TIME_FOR_ALL = timedelta(seconds=60)
# Some three minutes of waits, in which later texts of the sender wait too: longer than most troubles of a service
# last, and as long as a person believes that an answer may still come.
MOST_TRIES = 8

# PostgreSQL's text cannot hold it; no address or type has it.
NUL, REPLACEMENT = "\x00", "\N{REPLACEMENT CHARACTER}"
TOO_MANY = f"a text has at most {MAX_MEDIA}"
NO_ADDRESS = "Twilio gave no address for it"
UNCOUNTED = "Twilio did not say how many there are"
NOT_AS_DECLARED = "not of the kind it is said to be"
UNKNOWN_KIND = "of a kind that is not known here"
EMPTY = "it is empty"
ERASED = "it was erased"


@dataclass(frozen=True, slots=True)
class Collected:
    """The files at hand, a line about those that are not, and when to try again for those that may yet come."""

    attachments: tuple[Attachment, ...] = ()
    notice: str = ""
    again_at: datetime | None = None


def note(text: InboundMessage, payload: InboundText) -> None:
    """Write down which files a text has; again is harmless. Fetches nothing."""
    if payload.num_media != 0:
        MediaItem.objects.bulk_create(_noted(text, payload), ignore_conflicts=True)


def collect(text: InboundMessage, payload: InboundText, account: Account, lease: Lease) -> Collected:
    """Fetch what is missing of the files of a text whose sender may talk. Raises `LeaseLost`."""
    if payload.num_media == 0:
        return Collected()
    note(text, payload)
    items = list(MediaItem.objects.filter(inbound=text))
    source = MediaSource(account.credentials, text.sid, settings.TWILIO_API_BASE_URL)
    deadline = time.monotonic() + TIME_FOR_ALL.total_seconds()
    waits = []
    for item in [each for each in items if each.state == MediaState.WAITING]:
        room = MOST_TOGETHER - sum(each.size for each in items if each.state == MediaState.KEPT)
        failure = _fetch(item, source, account, lease, room=room, deadline=deadline)
        if failure is not None and item.state == MediaState.WAITING:
            waits.append(backoff.delay(item.attempts, retry_after=failure.retry_after))
    if waits:
        return Collected(again_at=timezone.now() + max(waits))
    return Collected(_attachments(items), notice(items))


def notice(items: Iterable[MediaItem]) -> str:
    """What is said of files that are not there: "[1 picture could not be fetched: too large]", a line each cause."""
    missing: dict[tuple[str, str], int] = {}
    for item in items:
        if item.state in (MediaState.UNAVAILABLE, MediaState.ERASED):
            cause = (noun(item.declared_type), item.why)
            missing[cause] = missing.get(cause, 0) + item.stands_for
    return "\n".join(
        f"[{counted(number, thing)} could not be fetched: {why}]" for (thing, why), number in missing.items()
    )


def named(inbound_pks: Iterable[int]) -> dict[int, str]:
    """For each text that has files, how many of what: "[2 pictures]"."""
    kinds: dict[int, dict[str, int]] = {}
    for item in MediaItem.objects.filter(inbound__in=list(inbound_pks)).order_by("inbound", "position"):
        of_text = kinds.setdefault(item.inbound_id or 0, {})
        thing = noun(item.content_type or item.declared_type)
        of_text[thing] = of_text.get(thing, 0) + item.stands_for
    return {
        pk: f"[{', '.join(counted(number, thing) for thing, number in things.items())}]"
        for pk, things in kinds.items()
    }


def erase(inbound_pks: Iterable[int]) -> int:
    """Forget the bytes and addresses of all files of these texts; how many files that were. Counts and kinds stay."""
    return _erase(MediaItem.objects.filter(inbound__in=list(inbound_pks)))


def erase_sent(message_pks: Iterable[int]) -> int:
    """The same for the files that went out with these messages."""
    return _erase(MediaItem.objects.filter(part__message__in=list(message_pks)))


def _noted(text: InboundMessage, payload: InboundText) -> list[MediaItem]:
    items = [
        MediaItem(
            inbound=text,
            position=position,
            url=media.url.replace(NUL, REPLACEMENT),
            declared_type=media.content_type[:200].replace(NUL, REPLACEMENT),
        )
        for position, media in enumerate(payload.media)
    ]
    missing = 1 if payload.num_media is None else payload.num_media - len(items)
    if missing > 0:
        why = UNCOUNTED if payload.num_media is None else NO_ADDRESS if len(items) < MAX_MEDIA else TOO_MANY
        rest = MediaItem(inbound=text, position=len(items), state=MediaState.UNAVAILABLE, why=why, stands_for=missing)
        items.append(rest)
    return items


def _fetch(
    item: MediaItem, source: MediaSource, account: Account, lease: Lease, *, room: int, deadline: float
) -> NotFetched | None:
    """Fetch one file and write down what came of it; the failure, if there was one."""
    limit = room if account.media_max_mb is None else min(room, int(account.media_max_mb * MEGABYTE))
    try:
        fetched = source.fetch(item.url, limit=limit, deadline=deadline) if limit > 0 else _refuse_large()
        content_type = _type_of(fetched, item.declared_type)
    except NotFetched as failure:
        again = failure.again and item.attempts + 1 < MOST_TRIES
        state = MediaState.WAITING if again else MediaState.UNAVAILABLE
        _settle(item, lease, state=state, why=str(failure))
        logger.warning("media.not_fetched media=%s attempts=%s again=%s", item.pk, item.attempts, again)
        return failure
    _settle(item, lease, fetched.data, state=MediaState.KEPT, content_type=content_type, size=len(fetched.data))
    logger.info("media.fetched media=%s bytes=%s", item.pk, item.size)
    return None


def _refuse_large() -> Fetched:
    raise NotFetched(TOO_LARGE)


def _type_of(fetched: Fetched, declared: str) -> str:
    """What the bytes are, if that fits what they are said to be. Raises `NotFetched`."""
    if not fetched.data:
        raise NotFetched(EMPTY)
    found = agreed(fetched.data, declared or fetched.declared)
    if not found:
        raise NotFetched(NOT_AS_DECLARED if agreed(fetched.data, "") else UNKNOWN_KIND)
    return found


def _settle(item: MediaItem, lease: Lease, data: bytes | None = None, **changes: object) -> None:
    """Write down what one try brought, behind the fence."""
    changes |= {"attempts": item.attempts + 1}
    with transaction.atomic():
        lease.confirm(timezone.now())
        if MediaItem.objects.filter(pk=item.pk, state=MediaState.WAITING).update(**changes) and data is not None:
            MediaBytes.objects.create(item=item, data=data)
    for name, value in changes.items():
        setattr(item, name, value)


def _attachments(items: list[MediaItem]) -> tuple[Attachment, ...]:
    kept = [item.pk for item in items if item.state == MediaState.KEPT]
    content = MediaBytes.objects.in_bulk(kept)
    return tuple(Attachment(item.content_type, bytes(content[item.pk].data)) for item in items if item.pk in content)


def _erase(items: QuerySet[MediaItem]) -> int:
    with transaction.atomic():
        MediaBytes.objects.filter(item__in=items).delete()
        return items.exclude(state=MediaState.ERASED).update(state=MediaState.ERASED, url="", why=ERASED)
