"""A pretend agent: an OpenAI-compatible `POST /v1/chat/completions` on loopback that keeps what it was asked.

It answers with markdown, as agents do, so that every journey also shows that markdown does not reach a phone.
It keeps no history and streams nothing.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.loopback import Answer, LoopbackServer, Request

PATH = "/v1/chat/completions"
MODELS = "/v1/models"
SESSION_KEY = "x-openclaw-session-key"


@dataclass(frozen=True, slots=True)
class Turn:
    """One request for an answer: header names in lower case, `payload` the decoded JSON."""

    headers: Mapping[str, str]
    payload: Mapping[str, Any]

    @property
    def sender(self) -> str:
        """The E.164 number at the end of the session key; empty if there is none."""
        return self.headers.get(SESSION_KEY, "").rpartition(":")[2]

    @property
    def text(self) -> str:
        """What the person wrote: the words of the last message."""
        return "".join(part["text"] for part in self._parts if part["type"] == "text")

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        """Content type and bytes of each picture in the last message."""
        urls = [part["image_url"]["url"] for part in self._parts if part["type"] == "image_url"]
        found = [re.fullmatch(r"data:([^;]+);base64,(.+)", url) for url in urls]
        return [(match[1], base64.b64decode(match[2], validate=True)) for match in found if match]

    @property
    def _parts(self) -> list[dict[str, Any]]:
        content = self.payload["messages"][-1]["content"]
        return [{"type": "text", "text": content}] if isinstance(content, str) else content


# Words, or a list of content parts.
Said = str | list[dict[str, Any]]
Reply = Callable[[Turn], Said]


def echo_in_markdown(turn: Turn) -> str:
    return f"**You said:** {turn.text}"


class PretendAgent(LoopbackServer):
    """An agent for as long as the `with` block lasts. `replies(function)` says what it answers."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.turns: list[Turn] = []
        self.said: list[str] = []
        self._reply: Reply = echo_in_markdown
        self._failures: list[int] = []
        self.lists_models = True

    @property
    def url(self) -> str:
        return self.origin + PATH

    def replies(self, reply: Reply) -> None:
        """Answer with this function from now on; it may block for as long as it likes to think."""
        with self.changed:
            self._reply = reply

    def fails_next(self, status: int, times: int) -> None:
        """Answer the next `times` requests with this status."""
        with self.changed:
            self._failures.extend([status] * times)

    def behaves(self) -> None:
        """Echo again, and forget the failures that have not happened yet."""
        with self.changed:
            self._reply = echo_in_markdown
            self._failures.clear()

    def turns_of(self, number: str) -> list[Turn]:
        """What one sender asked, oldest first, failed attempts too."""
        with self.changed:
            return [turn for turn in self.turns if turn.sender == number]

    def was_asked(self, text: str) -> bool:
        """Whether this text reached the agent, from anyone and anywhere in the request."""
        with self.changed:
            return any(text in json.dumps(turn.payload, ensure_ascii=False) for turn in self.turns)

    def answer(self, request: Request) -> Answer:
        if request.method == "GET" and request.path == MODELS and self.lists_models:
            return self._models(request)
        if request.method != "POST" or request.path != PATH:
            return _failure(404, "no such path")
        turn = Turn(request.headers, json.loads(request.body))
        with self.changed:
            self.turns.append(turn)
            reply = self._reply
            failure = self._failures.pop(0) if self._failures else None
            self.changed.notify_all()
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _failure(401, "wrong token")
        if failure is not None:
            return _failure(failure, "told to fail")
        said = reply(turn)
        with self.changed:
            self.said.append(said if isinstance(said, str) else json.dumps(said))
        return _completion(turn, said)

    def _models(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _failure(401, "wrong token")
        value = {"object": "list", "data": [{"id": "openclaw/default", "object": "model"}]}
        return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _completion(turn: Turn, said: Said) -> Answer:
    value = {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": turn.payload.get("model", ""),
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _failure(status: int, message: str) -> Answer:
    value = {"error": {"message": message, "type": "pretend", "code": status}}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
