"""Numbers for Prometheus, the same on whatever process is asked: sums from counter rows, the rest counted now.

What happened comes from `messaging.counters`, what is comes from partial indexes over the few rows that are not at
rest. No label holds a number, a sender or a text.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from openclaw_sms.messaging import counters, heartbeat
from openclaw_sms.messaging.counters import AGENT_BUCKETS
from openclaw_sms.models import (
    UNSENT,
    UNSETTLED,
    WAITING,
    Conversation,
    Counter,
    InboundMessage,
    InboundState,
    OutboundPart,
    PartState,
)

PREFIX = "openclaw_sms_"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# Name, what it counts, its labels in order.
COUNTERS = (
    (counters.TEXTS_ACCEPTED, "Texts stored.", ("account",)),
    (counters.TEXTS_REPEATED, "Texts that Twilio delivered again.", ("account",)),
    (counters.POSTS_REFUSED, "Posts to a webhook that were refused, by cause.", ("account", "cause")),
    (counters.TURNS, "Turns that ended, by what became of the text and why.", ("outcome", "reason")),
    (counters.SENDS, "Posts to Twilio, by outcome: accepted, or the class of the error.", ("outcome",)),
)


def exposition() -> bytes:
    """The text format, version 0.0.4. Raises `DatabaseError`."""
    counters.flush()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gateway())
    return generate_latest(registry)


class _Gateway(Collector):
    def collect(self) -> Iterator[Metric]:
        rows = list(Counter.objects.values_list("name", "labels", "value"))
        for name, words, labels in COUNTERS:
            yield _counter(name, words, labels, rows)
        yield _histogram(rows)
        yield from _now(timezone.now())

    def describe(self) -> Iterator[Metric]:
        yield from ()


Rows = list[tuple[str, str, float]]


def _counter(name: str, words: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    family = CounterMetricFamily(PREFIX + name, words, labels=labels)
    for row_name, spelled, value in rows:
        if row_name == name:
            said = dict(pair.partition("=")[::2] for pair in spelled.split(",") if pair)
            family.add_metric([said.get(label, "") for label in labels], value)
    return family


def _histogram(rows: Rows) -> Metric:
    """Rows count each bucket alone; Prometheus wants the sums up to each bound."""
    name = counters.AGENT_SECONDS
    family = HistogramMetricFamily(f"{PREFIX}{name}", "Seconds that the agent took to answer.")
    counted = {spelled: value for row_name, spelled, value in rows if row_name == f"{name}_bucket"}
    total = next((value for row_name, _, value in rows if row_name == f"{name}_sum"), 0.0)
    buckets, so_far = [], 0.0
    for bound in (*(f"{bound:g}" for bound in AGENT_BUCKETS), "+Inf"):
        so_far += counted.get(f"le={bound}", 0.0)
        buckets.append((bound, so_far))
    family.add_metric([], buckets, total)
    return family


def _now(now: datetime) -> Iterator[Metric]:
    yield _by_label("parts", "Parts that have not come to a good end, by state.", "state", _parts())
    waiting = InboundMessage.objects.filter(state__in=WAITING)
    unsent = OutboundPart.objects.filter(state__in=UNSENT)
    depth = {"texts": waiting.count(), "parts": unsent.count()}
    yield _by_label("queue_depth", "Texts and parts that wait or are in hand.", "queue", depth)
    ages = {
        "texts": _age(waiting.aggregate(oldest=Min("received_at"))["oldest"], now),
        "parts": _age(unsent.aggregate(oldest=Min("message__created_at"))["oldest"], now),
    }
    yield _by_label("queue_oldest_seconds", "How long the oldest of them has waited.", "queue", ages)
    leases = {
        "turn": Conversation.objects.filter(turn_lease_until__gte=now).count(),
        "send": Conversation.objects.filter(send_lease_until__gte=now).count(),
    }
    yield _by_label("leases", "Conversations that a worker holds.", "lane", leases)
    dead = InboundMessage.objects.filter(state=InboundState.PARKED).count()
    yield GaugeMetricFamily(f"{PREFIX}dead_letters", "Texts put aside for the operator.", value=dead)
    alive = heartbeat.alive(now).count()
    yield GaugeMetricFamily(f"{PREFIX}workers", "Worker processes seen lately.", value=alive)


def _parts() -> dict[str, float]:
    """Every state but the two good ends is there, also with none in it."""
    counted = OutboundPart.objects.filter(state__in=UNSETTLED).values_list("state").annotate(Count("id")).order_by()
    return {str(PartState(state).value): 0.0 for state in UNSETTLED} | dict(counted)


def _by_label(name: str, words: str, label: str, values: "dict[str, float] | dict[str, int]") -> Metric:
    family = GaugeMetricFamily(PREFIX + name, words, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0
