"""Alice's question to her agent, and what must never be seen of it outside."""

import traceback
from dataclasses import replace
from datetime import UTC, datetime

from openclaw_sms.agents import AgentError, Question, Role, Turn

ALICE = "+15550001111"
TEXT = "what about my blood test"
TOKEN = "gateway-token-5f2c"
LEAKED_ANSWER = "your-blood-test-is"

QUESTION = Question(
    text=TEXT,
    sender=ALICE,
    account="default",
    message_sid="SM00000000000000000000000000000001",
    received_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
    attempt=1,
)
HISTORY = (
    Turn(Role.USER, "first"),
    Turn(Role.AGENT, "first answer"),
    Turn(Role.USER, "second"),
    Turn(Role.AGENT, "second answer"),
)


def question(text: str = TEXT, history: tuple[Turn, ...] = ()) -> Question:
    return replace(QUESTION, text=text, history=history)


def assert_is_for_the_operator(error: AgentError) -> None:
    """One sentence with a next step, and nothing private in any form the error can be printed in."""
    sentence = str(error)
    assert sentence.endswith(".")
    assert ": " in sentence, "the next step follows a colon"
    assert "\n" not in sentence
    assert error.__context__ is None or error.__suppress_context__
    for form in (sentence, repr(error), "".join(traceback.format_exception(error))):
        for secret in (ALICE, ALICE[1:], TEXT, TOKEN, LEAKED_ANSWER):
            assert secret not in form
