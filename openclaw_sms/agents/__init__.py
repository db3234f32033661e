"""What answers a text: one seam (`Agent`) and the backends that implement it.

Nothing here knows SMS, Twilio, a model or Django. A backend gets a `Question`, returns markdown, and reports
every failure as an `AgentError`; whether to ask again, flatten, split or apologise is decided above.
"""

from openclaw_sms.agents.base import (
    Agent,
    AgentError,
    AgentErrorCode,
    AnswersLater,
    Attachment,
    Question,
    Reply,
    Role,
    Turn,
)
from openclaw_sms.agents.registry import build_agent
from openclaw_sms.agents.settings import AgentSettings

__all__ = [
    "Agent",
    "AgentError",
    "AgentErrorCode",
    "AgentSettings",
    "AnswersLater",
    "Attachment",
    "Question",
    "Reply",
    "Role",
    "Turn",
    "build_agent",
]
