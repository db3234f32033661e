"""An agent inside the gateway's process, so that a soak measures the gateway and nothing else."""

from openclaw_sms.agents.base import Question


def repeat(question: Question) -> str:
    return f"You said: {question.text}"
