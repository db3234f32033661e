"""Who must not be texted any more: one row a number and account, and an audit row for each change of it.

The last word counts, by the time it was said, not by the time it was looked at: a START that waited behind a slow
agent does not undo a STOP that came after it.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from openclaw_sms.access import audit
from openclaw_sms.access.audit import GATEWAY, Actor
from openclaw_sms.models import AuditEvent, OptOut, OutboundPart, Reason
from openclaw_sms.text.phone import number_of

RECORDED, LIFTED = "opt_out.recorded", "opt_out.lifted"
_NUMBER = re.compile(r"\+\d{1,15}", re.ASCII)
CSV_HEADER = ("account", "number", "state", "since", "source", "sid", "by", "reason")


def is_out(account_pk: int, address: str) -> bool:
    """By number: who said STOP by SMS is not texted on WhatsApp either."""
    number = number_of(address)
    return OptOut.objects.filter(account_id=account_pk, number=number, out=True).exists()


def listed(account_pk: int | None = None) -> QuerySet[OptOut]:
    """Those who are out now, the latest first."""
    rows = OptOut.objects.filter(out=True).select_related("account")
    return rows if account_pk is None else rows.filter(account_id=account_pk)


def suppress(
    account_pk: int,
    number: str,
    *,
    source: str,
    at: datetime,
    sid: str = "",
    actor: Actor = GATEWAY,
    reason: str = "",
) -> bool:
    """Opt `number` (E.164) out, and give up what waits to be sent to it.

    `source` is an `OptOutSource`, `at` the time it was said, `sid` the text that said it. True when this changed
    anything; False when they were out already, or came back later than `at`.
    """
    number = number_of(number)
    with transaction.atomic():
        won = _say(account_pk, number, out=True, source=source, at=at, sid=sid, actor=actor, reason=reason)
        if is_out(account_pk, number):
            OutboundPart.cancel_waiting(account_pk, number, Reason.OPTED_OUT)
    return won


def restore(
    account_pk: int,
    number: str,
    *,
    source: str,
    at: datetime,
    sid: str = "",
    actor: Actor = GATEWAY,
    reason: str = "",
) -> bool:
    """Let `number` be texted again. True when they were out and this brought them back. Arguments as `suppress`."""
    return _say(account_pk, number_of(number), out=False, source=source, at=at, sid=sid, actor=actor, reason=reason)


def history(account_pk: int, number: str) -> QuerySet[AuditEvent]:
    """How it came about, the latest change first."""
    return AuditEvent.objects.filter(account_id=account_pk, subject=number_of(number), action__in=(RECORDED, LIFTED))


def as_rows(opt_outs: QuerySet[OptOut]) -> Iterator[tuple[str, ...]]:
    """For a CSV file, with its header. Whole numbers: it is for other systems to leave these people alone too."""
    yield CSV_HEADER
    for row in opt_outs.iterator():
        state = "opted out" if row.out else "back"
        since = row.changed_at.isoformat(timespec="seconds")
        said = (row.account.account_id, row.number, state, since, row.source, row.sid, row.actor, row.reason)
        yield tuple(_inert(word) for word in said)


def _inert(word: str) -> str:
    """What a spreadsheet would take for a formula, made text; a number's plus stays."""
    is_formula = word[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") and not _NUMBER.fullmatch(word)
    return f"'{word}" if is_formula else word


def _say(
    account_pk: int, number: str, *, out: bool, source: str, at: datetime, sid: str, actor: Actor, reason: str
) -> bool:
    said = {"source": source, "sid": sid, "reason": reason, "actor": actor.name}
    with transaction.atomic():
        if not _write(account_pk, number, out=out, at=at, **said):
            return False
        detail = {name: word for name, word in said.items() if word and name != "actor"}
        audit.record(RECORDED if out else LIFTED, actor=actor, at=at, account_id=account_pk, subject=number, **detail)
    return True


def _write(account_pk: int, number: str, *, out: bool, at: datetime, **said: str) -> bool:
    """Whether the row now says so because of this call. A word that changes nothing still counts as the last one."""
    if out:
        _, new = OptOut.objects.get_or_create(
            account_id=account_pk,
            number=number,
            defaults={"out": True, "changed_at": at, "last_word_at": at, **said},
        )
        if new:
            return True
    known = OptOut.objects.filter(account_id=account_pk, number=number, last_word_at__lte=at)
    if known.filter(out=not out).update(out=out, changed_at=at, last_word_at=at, **said):
        return True
    known.update(last_word_at=at)
    return False
