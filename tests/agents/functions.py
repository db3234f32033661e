"""Functions that `SMS_AGENT=tests.agents.functions:…` can name, good and bad."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from openclaw_sms.agents import AgentError, Question, Reply

NOT_A_FUNCTION = "text"
seen: list[tuple[Path, bytes, int]] = []


def shout(question: Question) -> str:
    return question.text.upper()


def stay_silent(question: Question) -> None:
    return None


def count(question: Question) -> int:
    return len(question.text)


def repeat_and_fail(question: Question) -> NoReturn:
    raise LookupError(f"{question.sender} wrote {question.text}")


def leave(question: Question) -> NoReturn:
    sys.exit(question.text)


def ask_for_patience(question: Question) -> NoReturn:
    raise AgentError("agent_busy", "The queue is full: wait.", retryable=True, retry_after=timedelta(seconds=7))


async def answer_later(question: Question) -> str:
    return question.text


def return_a_coroutine(question: Question) -> object:
    return answer_later(question)


def look(question: Question) -> str:
    for attachment in question.attachments:
        assert attachment.path is not None
        seen.append((attachment.path, attachment.path.read_bytes(), attachment.path.stat().st_mode))
    return f"{len(seen)} files"


def send_back(question: Question) -> Reply:
    path = question.attachments[0].path
    assert path is not None
    return Reply("yours", ("https://a.example.com/1.png", path, b"bytes", str(path)))


def send_what_is_missing(question: Question) -> Reply:
    return Reply("", ("/nowhere/at/all.png",))


def send_a_number(question: Question) -> Reply:
    return Reply("", (3,))  # type: ignore[arg-type]  # what nobody checked


def say_a_number(question: Question) -> Reply:
    return Reply(3)  # type: ignore[arg-type]


class Desk:
    @staticmethod
    def answer(question: Question) -> str:
        return f"desk: {question.text}"


class AsyncDesk:
    async def __call__(self, question: Question) -> str:
        return question.text


async_desk = AsyncDesk()
