"""Which agent to build, as a value. Refuses to read the environment; `config` does that."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

# A client that hangs up cancels an OpenClaw run, so patience is the safe default.
DEFAULT_READ_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The `SMS_AGENT*` settings; each field ignored by a backend that has no use for it.

    `pseudonym_key` is a secret of this installation. With it, an endpoint that is not an OpenClaw gateway is
    told each sender as a keyed hash in `user`; without it that field is left out, because an unkeyed hash of
    a phone number is undone by hashing every number.

    `token_source` gives the token of each request anew, for one that is kept elsewhere and may change; it raises
    `AgentError` when it cannot. Backends ask `bearer()`.
    """

    spec: str = "echo"
    url: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    model: str = "openclaw/default"
    read_timeout: timedelta = DEFAULT_READ_TIMEOUT
    history_turns: int = 0
    system_prompt: str = field(default="", repr=False)
    pseudonym_key: str = field(default="", repr=False)
    token_source: Callable[[], str] | None = field(default=None, repr=False)

    def bearer(self) -> str:
        """The token to send now, or "". Raises `AgentError`."""
        return self.token if self.token_source is None else self.token_source()
