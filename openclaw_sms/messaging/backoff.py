"""How long to wait before the next try."""

import random
from datetime import timedelta

FIRST = timedelta(seconds=2)
# Jitter may come out as nothing at all; a server that has just refused is not asked again in the same instant.
SHORTEST = timedelta(milliseconds=100)
# A queue that waits longer than this looks dead to the person at the other end.
LONGEST = timedelta(minutes=5)
# However long we are asked to stay away: a header with a slip in it must not silence a conversation for days.
LONGEST_ASKED_FOR = timedelta(minutes=15)


def delay(attempt: int, *, retry_after: timedelta | None = None) -> timedelta:
    """The wait after failed try number `attempt` (from 1): doubling, with full jitter, never under `retry_after`.

    Full jitter spreads the tries of many conversations that failed at the same moment.
    """
    doublings: int = min(attempt - 1, 10)
    ceiling = min(FIRST * (1 << doublings), LONGEST)
    jittered = ceiling * float(random.uniform(0.0, 1.0))  # noqa: S311 - spreads load, guards nothing
    return max(SHORTEST, jittered, min(retry_after or timedelta(0), LONGEST_ASKED_FOR))
