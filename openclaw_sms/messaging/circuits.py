"""A circuit for each account: while Twilio refuses every text alike, texts wait instead of failing one by one.

It opens by itself, is tried at growing intervals, and closes by itself. What can be seen by asking (credentials) is
asked; what only a text can show is tried with one text that waits anyway. Errors about one recipient never open it:
a stranger must not be able to stop an account.
"""

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from openclaw_sms.messaging import queue
from openclaw_sms.models import Circuit, OutboundPart, PartState, ProbeKind, Reason
from openclaw_sms.twilio.errors import TwilioFault

logger = logging.getLogger(__name__)

# First wait and longest wait between probes. A question costs nothing, a refused post little; a text that is reported
# undelivered is lost to its recipient, so those are few.
INTERVALS = {
    ProbeKind.QUESTION: (timedelta(seconds=5), timedelta(minutes=1)),
    ProbeKind.POST: (timedelta(seconds=10), timedelta(minutes=5)),
    ProbeKind.REPORT: (timedelta(minutes=5), timedelta(hours=1)),
}
# The text that was just refused lets the others be tried first.
BEHIND_THE_OTHERS = timedelta(seconds=2)
WOKEN_AT_ONCE = 500


def open_circuits() -> list[Circuit]:
    """For whoever shows what is wrong."""
    return list(Circuit.objects.filter(closed_at__isnull=True).select_related("account"))


def of(account_pk: int) -> Circuit | None:
    return Circuit.objects.filter(account_id=account_pk, closed_at__isnull=True).first()


def trip(account_pk: int, fault: TwilioFault, *, reported: bool, now: datetime) -> Circuit:
    """Open the account's circuit, or note the newest refusal in the one that is open.

    `reported`: Twilio took the text and refused it later, so only a report can show that all is well again.
    """
    known = of(account_pk)
    if known is not None:
        Circuit.objects.filter(pk=known.pk).update(code=fault.code, sentence=fault.sentence)
        return known
    probe = _probe_for(fault, reported=reported)
    try:
        with transaction.atomic():
            circuit = Circuit.objects.create(
                account_id=account_pk,
                code=fault.code,
                sentence=fault.sentence,
                probe=probe,
                opened_at=now,
                next_probe_at=now + INTERVALS[probe][0],
            )
    except IntegrityError:  # another worker was faster
        return Circuit.objects.get(account_id=account_pk, closed_at__isnull=True)
    logger.error("circuit.opened account=%s code=%s", account_pk, fault.code)
    return circuit


def _probe_for(fault: TwilioFault, *, reported: bool) -> ProbeKind:
    if reported:
        return ProbeKind.REPORT
    return ProbeKind.QUESTION if fault.shows_in_a_question else ProbeKind.POST


def claim_probe(circuit: Circuit, now: datetime) -> bool:
    """Whether the caller is the one to try now. Whoever wins moves the next try on."""
    if circuit.next_probe_at > now:
        return False
    first, longest = INTERVALS[ProbeKind(circuit.probe)]
    following = now + min(first * (1 << min(circuit.probes + 1, 10)), longest)
    mine = Circuit.objects.filter(pk=circuit.pk, closed_at__isnull=True, next_probe_at=circuit.next_probe_at)
    won = mine.update(next_probe_at=following, probes=circuit.probes + 1)
    if won:
        circuit.next_probe_at, circuit.probes = following, circuit.probes + 1
    return bool(won)


def probe_soon(account_pk: int) -> None:
    """The operator changed something: look now."""
    now = timezone.now()
    Circuit.objects.filter(account_id=account_pk, closed_at__isnull=True).update(next_probe_at=now, probes=0)
    _release(account_pk)


def close(account_pk: int, now: datetime) -> bool:
    """Close the circuit and let what waited go on. False when none was open."""
    if not Circuit.objects.filter(account_id=account_pk, closed_at__isnull=True).update(closed_at=now):
        return False
    logger.info("circuit.closed account=%s", account_pk)
    _release(account_pk)
    return True


def reported_well(account_pk: int, accepted_at: datetime, now: datetime) -> None:
    """A text that was accepted at `accepted_at` arrived: that closes a circuit which was open by then."""
    circuit = of(account_pk)
    if circuit is not None and circuit.opened_at <= accepted_at:
        close(account_pk, now)


def _release(account_pk: int) -> None:
    """Make the waiting parts due. Those not woken here are found by the sweep."""
    waiting = OutboundPart.objects.filter(
        conversation__account_id=account_pk, state=PartState.QUEUED, reason=Reason.CIRCUIT_OPEN
    )
    conversations = list(waiting.order_by("conversation_id").values_list("conversation_id", flat=True).distinct())
    with transaction.atomic():
        OutboundPart.lock(waiting)
        waiting.update(next_attempt_at=None)
    for conversation in conversations[:WOKEN_AT_ONCE]:
        queue.wake_outbox(conversation)


def was_closed_after(account_pk: int, moment: datetime) -> bool:
    """Whether a circuit was closed since: what is reported of older texts is no news."""
    return Circuit.objects.filter(account_id=account_pk, closed_at__gt=moment).exists()
