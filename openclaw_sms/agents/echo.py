"""The agent of a fresh installation: it shows what a real one would be given.

Its reply is markdown on purpose, so that the first thing a person sees is markdown arriving as plain text.
Calls nobody and remembers nothing.
"""

import re

from openclaw_sms.agents.base import Attachment, Question


class Echo:
    """Answers every text with the text itself and how to replace this agent."""

    name = "echo"
    history_turns = 0

    def answer(self, question: Question) -> str:
        """Markdown whose plain form is GSM-7 but for the sender's words; two segments if those are few."""
        return (
            "**Your agent would receive:**\n\n"
            f"{_verbatim(question.words)}\n\n"
            f"{''.join(map(_received, question.attachments))}"
            f"- as `{question.session_key}`\n"
            "- its **markdown** arrives as plain text, like this\n\n"
            "This is the built-in echo. Set `SMS_AGENT` to connect a real agent."
        )

    def close(self) -> None:
        """Nothing is held."""


def _received(attachment: Attachment) -> str:
    return f"- a {attachment.kind}: `{attachment.content_type}`, {attachment.size} bytes\n"


def _verbatim(text: str) -> str:
    """`text` in a fence it cannot close: the one place in markdown where nothing has a meaning."""
    longest_run = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return f"{fence}\n{text}\n{fence}"
