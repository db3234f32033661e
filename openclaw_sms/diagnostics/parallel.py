"""Asking several questions at once, and going on with what was answered when the time is over.

The threads are daemons: one that hangs in a socket keeps neither the report nor the end of the process waiting.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import connection

# A hundred accounts have three hundred questions; that many connections at once would be rude.
MOST_AT_ONCE = 32

Name = TypeVar("Name", bound=Hashable)
Question = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question: a value, what it raised, or neither, when there was no time left."""

    value: Any = None
    error: Exception | None = None
    in_time: bool = True


UNANSWERED = Answer(in_time=False)


def ask_all(questions: Mapping[Name, Question], *, within: timedelta) -> dict[Name, Answer]:
    """Every question's answer, by its name, after `within` at the latest."""
    deadline = time.monotonic() + within.total_seconds()
    waiting = deque(questions.items())
    answers: dict[Name, Answer] = {}
    threads = [
        threading.Thread(target=_ask, args=(waiting, answers), name="probe", daemon=True)
        for _ in range(min(len(waiting), MOST_AT_ONCE))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    waiting.clear()  # nothing new is begun for a report that is already written
    return {name: answers.get(name, UNANSWERED) for name in questions}


def _ask(waiting: "deque[tuple[Name, Question]]", answers: dict[Name, Answer]) -> None:
    while waiting:
        try:
            name, question = waiting.popleft()
        except IndexError:
            break
        try:
            answers[name] = Answer(value=question())
        except Exception as error:
            answers[name] = Answer(error=error)
    connection.close()
