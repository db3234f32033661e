"""The chat completions format, as pure functions: what is sent and how the reply is found.

An OpenClaw gateway, which is the owner's own, gets the sender's number as part of its session key. Any other
endpoint is taken for a third party and never sees a number.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

from openclaw_sms.agents.base import AgentError, AgentErrorCode, Attachment, Question, Reply, Role, described
from openclaw_sms.agents.settings import AgentSettings

# What vision models take. An OpenClaw gateway converts two kinds more.
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_OPENCLAW_PICTURES = _PICTURES | {"image/heic", "image/heif"}
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


def reply_in(body: bytes) -> str | Reply:
    """The first choice's message: its text, and a `Reply` when pictures are with it; "" for null content.

    Content is a string or a list of parts. Pictures are `image_url` parts, or in `images` as some endpoints have it;
    each by its https address or as a `data:` URL, and never a path: an endpoint has no say over this machine's files.
    `AgentError` `agent_misbehaved` when `body` is not JSON or has no message.
    """
    try:
        message = json.loads(body)["choices"][0]["message"]
        content, images = message.get("content"), message.get("images")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        message = None
    if message is None:
        raise _misbehaved()
    parts = content if isinstance(content, list) else []
    if not (content is None or isinstance(content, str | list)):
        raise _misbehaved()
    text = content if isinstance(content, str) else "".join(_part_text(part) for part in parts)
    pictures = tuple(_pictures([*parts, *(images if isinstance(images, list) else [])]))
    return Reply(well_formed(text), pictures) if pictures else well_formed(text)


def _messages(question: Question, settings: AgentSettings) -> list[dict[str, object]]:
    system: list[dict[str, object]] = (
        [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
    )
    recent = question.history[-settings.history_turns :] if settings.history_turns else ()
    earlier: list[dict[str, object]] = [{"role": _CHAT_ROLES[turn.role], "content": turn.text} for turn in recent]
    return [*system, *earlier, {"role": "user", "content": _content(question, settings)}]


def _content(question: Question, settings: AgentSettings) -> str | list[dict[str, object]]:
    """The text alone, or with its pictures as parts. Other files are named in the text: the format has no place."""
    taken = _OPENCLAW_PICTURES if is_openclaw(settings.model) else _PICTURES
    pictures = [each for each in question.attachments if each.content_type in taken]
    others = tuple(each for each in question.attachments if each.content_type not in taken)
    notice = f"{described(others)[:-1]}, not shown]" if others else ""
    words = "\n\n".join(filter(None, [question.text, notice])) or described(tuple(pictures))
    if not pictures:
        return words
    return [{"type": "text", "text": words}, *map(_picture_part, pictures)]


def _picture_part(picture: Attachment) -> dict[str, object]:
    encoded = base64.b64encode(picture.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{picture.content_type};base64,{encoded}"}}


def _pictures(parts: list[object]) -> Iterator[str]:
    """The addresses of `image_url` parts: an object's `url` or the value itself. What is no address is no picture."""
    for part in parts:
        address = part.get("image_url") if isinstance(part, dict) else None
        if isinstance(address, dict):
            address = address.get("url")
        if isinstance(address, str) and ("://" in address or address[:5].lower() == "data:"):
            yield well_formed(address)


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
