"""Agents for the tests, as an operator would write them: plain functions, named by SMS_AGENT."""

from datetime import timedelta

from openclaw_sms.agents.base import AgentError, Question, Reply

asked: list[Question] = []
answers: list[str | Reply | Exception | None] = []


def scripted(question: Question) -> str | Reply | None:
    """Note the question, and give the next of `answers` (an exception is raised); after them, a standard reply."""
    asked.append(question)
    answer = answers.pop(0) if answers else f"You said **{question.words}**"
    if isinstance(answer, Exception):
        raise answer
    return answer


def busy(retry_after: timedelta | None = None) -> AgentError:
    return AgentError("agent_busy", "The agent is busy: wait.", retryable=True, retry_after=retry_after)


def broken() -> AgentError:
    return AgentError("agent_refused", "The agent refused the token: set SMS_AGENT_TOKEN.")
