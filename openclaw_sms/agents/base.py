"""The seam between a text and whatever answers it.

Defines what an agent is asked, what it must offer and how it fails. Refuses to know any backend, and keeps
texts and numbers out of every repr, because reprs end in logs.
"""

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from openclaw_sms.text.media_types import counted, noun


class Role(enum.Enum):
    """Who wrote an earlier text of the conversation."""

    USER = "user"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier text of the conversation, as it was received or sent."""

    role: Role
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a text. `content_type` is what its bytes show, not what somebody said.

    `path` is a file with these bytes, for a Python function and for as long as it runs; None for other agents.
    """

    content_type: str
    data: bytes = field(repr=False)
    path: Path | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @property
    def kind(self) -> str:
        """What a person calls it: picture, video, recording, contact card or file."""
        return noun(self.content_type)


@dataclass(frozen=True, slots=True)
class Reply:
    """An agent's answer with files beside its words. `text` is markdown and may be empty.

    Each of `media` is a public https address or a `data:` URL (str), a local file (Path), or the bytes themselves.
    """

    text: str = field(default="", repr=False)
    media: tuple[str | Path | bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """One text for an agent to answer.

    `sender` is E.164, behind `whatsapp:` if the text came that way. `text` names the files that could not be fetched,
    and is empty when somebody sent nothing but files, which are in `attachments`. `received_at` is aware. `attempt`
    counts from 1; above 1, an earlier try may already have reached the agent. `history` is oldest first and does not
    contain `text`.
    """

    text: str = field(repr=False)
    sender: str = field(repr=False)
    account: str
    message_sid: str
    received_at: datetime
    attempt: int
    history: tuple[Turn, ...] = field(default=(), repr=False)
    attachments: tuple[Attachment, ...] = ()

    @property
    def words(self) -> str:
        """`text`, or what was sent instead of one, as "[2 pictures]": for agents that need words."""
        return self.text or described(self.attachments)

    @property
    def session_key(self) -> str:
        """The key under which an OpenClaw gateway keeps this sender's direct conversation."""
        return f"agent:main:sms:direct:{self.sender}"


class Agent(Protocol):
    """Something that answers texts. One instance serves all worker threads at once."""

    name: str
    history_turns: int
    """How many earlier turns it wants in `Question.history`; 0 means it keeps its own history."""

    def answer(self, question: Question) -> str | Reply:
        """The reply in markdown; an empty one means that nothing is to be sent.

        Raises only `AgentError`, or `AnswersLater` when the reply comes through the API.
        """
        ...

    def close(self) -> None:
        """Give back connections. No answer may be asked for afterwards."""
        ...


def described(attachments: tuple[Attachment, ...]) -> str:
    """How many of what, in square brackets: "[2 pictures, 1 recording]"; "" for none."""
    kinds: dict[str, int] = {}
    for attachment in attachments:
        kinds[attachment.kind] = kinds.get(attachment.kind, 0) + 1
    counts = [counted(number, kind) for kind, number in kinds.items()]
    return f"[{', '.join(counts)}]" if counts else ""


class AgentErrorCode(enum.StrEnum):
    """The stable, documented names of what can go wrong; equal to their plain strings."""

    UNREACHABLE = "agent_unreachable"
    BUSY = "agent_busy"
    TIMEOUT = "agent_timeout"
    REFUSED = "agent_refused"
    FAILED = "agent_failed"
    MISBEHAVED = "agent_misbehaved"
    NOT_CONFIGURED = "agent_not_configured"
    TOKEN_UNAVAILABLE = "agent_token_unavailable"  # noqa: S105  (a name, not a token)


class AnswersLater(Exception):
    """The agent has taken the text and gives its answer later, through the API. Not a failure."""


class AgentError(Exception):
    """No reply was obtained.

    `str()` is one sentence for the operator, with the next step in it; it holds no text, number, token or
    credential. `retryable` is true only when the agent cannot have begun to work on the text, since asking
    twice may make it act twice. `retry_after` is how long the agent asked to be left alone, if it said so.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
