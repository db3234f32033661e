"""Functions that `SMS_AGENT=tests.agents.functions:…` can name, good and bad."""

import sys
from datetime import timedelta
from typing import NoReturn

from openclaw_sms.agents import AgentError, Question

NOT_A_FUNCTION = "text"


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


class Desk:
    @staticmethod
    def answer(question: Question) -> str:
        return f"desk: {question.text}"


class AsyncDesk:
    async def __call__(self, question: Question) -> str:
        return question.text


async_desk = AsyncDesk()
