"""The chat completions format, as pure functions: what is sent and how the reply is found.

An OpenClaw gateway, which is the owner's own, gets the sender's number as part of its session key. Any other
endpoint is taken for a third party and never sees a number.
"""

import hashlib
import hmac
import json

from openclaw_sms.agents.base import AgentError, AgentErrorCode, Question, Role
from openclaw_sms.agents.settings import AgentSettings

_CHAT_ROLES = {Role.USER: "user", Role.AGENT: "assistant"}


def is_openclaw(model: str) -> bool:
    """Whether `model` is one of an OpenClaw gateway (`openclaw/default`, `openclaw/<agent id>`)."""
    return model.startswith("openclaw")


def request_headers(question: Question, settings: AgentSettings) -> dict[str, str]:
    """The headers that carry the token and, for an OpenClaw gateway, the conversation."""
    headers = {"content-type": "application/json"}
    if settings.token:
        headers["authorization"] = f"Bearer {settings.token}"
    if is_openclaw(settings.model):
        headers["x-openclaw-session-key"] = question.session_key
        headers["x-openclaw-message-channel"] = "sms"
    return headers


def request_body(question: Question, settings: AgentSettings) -> bytes:
    """The JSON to post: system prompt if set, the last `history_turns` turns, the new text.

    Escaped to ASCII, which also carries the lone surrogates that a broken phone can produce.
    """
    body: dict[str, object] = {
        "model": settings.model,
        "messages": _messages(question, settings),
        "stream": False,
    }
    if settings.pseudonym_key and not is_openclaw(settings.model):
        body["user"] = _pseudonym(question.sender, settings.pseudonym_key)
    return json.dumps(body).encode("ascii")


def reply_in(body: bytes) -> str:
    """The text of the first choice: a string, the text parts of a list joined, or "" for null content.

    `AgentError` `agent_misbehaved` when `body` is not JSON or has no message.
    """
    try:
        message = json.loads(body)["choices"][0]["message"]
        content = message.get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        message = None
    if message is None:
        raise _misbehaved()
    if content is None:
        return ""
    if isinstance(content, list):
        content = "".join(_part_text(part) for part in content)
    if not isinstance(content, str):
        raise _misbehaved()
    return well_formed(content)


def _messages(question: Question, settings: AgentSettings) -> list[dict[str, str]]:
    system = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
    recent = question.history[-settings.history_turns :] if settings.history_turns else ()
    earlier = [{"role": _CHAT_ROLES[turn.role], "content": turn.text} for turn in recent]
    return [*system, *earlier, {"role": "user", "content": question.text}]


def _pseudonym(sender: str, key: str) -> str:
    return hmac.new(key.encode(), f"openclaw-sms sender {sender}".encode(), hashlib.sha256).hexdigest()


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def well_formed(text: str) -> str:
    """JSON can spell half a surrogate pair; no database can store one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _misbehaved() -> AgentError:
    return AgentError(
        AgentErrorCode.MISBEHAVED,
        "The agent answered with something that is no chat completion: "
        "check that SMS_AGENT_URL is an OpenAI-compatible endpoint.",
    )
