"""An agent behind a webhook: the text is posted, signed as Standard Webhooks prescribes, and the answer is the reply.

200 with `{"text": "…"}` or with plain text is the reply; 204, or an empty text, is none; 202 says that the reply
comes later through the API, with the text's `sid` as `inReplyTo`. `webhook-id` is the same however often a text is
posted, so that a receiver can tell a repetition. Asks once, like every backend, and never follows a redirect.
"""

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from openclaw_sms.agents.base import AgentError, AgentErrorCode, AnswersLater, Attachment, Question, Reply, Turn
from openclaw_sms.agents.chat_completions import open_client
from openclaw_sms.agents.chat_failures import failure_of_status, failure_of_transport, too_large, took_too_long
from openclaw_sms.agents.chat_format import well_formed
from openclaw_sms.agents.endpoint import Endpoint, webhook_endpoint
from openclaw_sms.agents.settings import AgentSettings
from openclaw_sms.signing import standard_webhooks
from openclaw_sms.signing.standard_webhooks import InvalidSecret, SigningSecrets

LARGEST_ANSWER = 1024 * 1024  # bytes
ACCEPTED, NO_CONTENT = 202, 204
NEXT_STEPS = {400: "look at its log", 404: "correct SMS_AGENT_URL"}
NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes = field(repr=False)


class Webhook:
    """Posts each question. SMS_AGENT_TOKEN is the signing secret, `whsec_…`; several sign together."""

    name = "webhook"

    def __init__(self, settings: AgentSettings) -> None:
        self.history_turns = settings.history_turns
        self._endpoint: Endpoint = webhook_endpoint(settings.url)
        if settings.token_source is None:
            _secrets(settings.token)  # one that could never sign is refused before anything starts
        self._settings = settings
        self._read_timeout = settings.read_timeout
        self._client = open_client(self._endpoint, settings.read_timeout)

    def answer(self, question: Question) -> str | Reply:
        """The reply in markdown, "" for none. Raises `AgentError`, or `AnswersLater` for a 202."""
        try:
            return reply_in(self._post(question))
        except httpx.HTTPError as error:
            failure = failure_of_transport(error, self._endpoint.origin, self._read_timeout)
        # Raised out here so that the httpx error, which holds the text, is not chained to it.
        raise failure

    def close(self) -> None:
        """Close the connections, those of running answers too."""
        self._client.close()

    def _post(self, question: Question) -> _Answer:
        give_up_at = time.monotonic() + self._read_timeout.total_seconds()
        payload = request_body(question, history_turns=self.history_turns)
        secrets = _secrets(self._settings.bearer())
        signed = secrets.headers(message_id=message_id(question), at=datetime.now(UTC), payload=payload)
        headers = {"content-type": "application/json", **signed}
        with self._client.stream("POST", self._endpoint.url, content=payload, headers=headers) as response:
            if not response.is_success:
                raise failure_of_status(response, self._endpoint.origin, next_steps=NEXT_STEPS)
            body = self._bounded_body(response, give_up_at)
        return _Answer(response.status_code, response.headers.get("content-type", ""), body)

    def _bounded_body(self, response: httpx.Response, give_up_at: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_raw():  # raw: decompression could grow one chunk a thousandfold
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise too_large(self._endpoint.origin, LARGEST_ANSWER, fix="make it answer with the reply alone")
            if time.monotonic() > give_up_at:
                raise took_too_long(self._endpoint.origin, self._read_timeout)
        return bytes(body)


def request_body(question: Question, *, history_turns: int = 0) -> bytes:
    """The JSON to post, in the form of an event. Escaped to ASCII, which also carries lone surrogates."""
    recent = question.history[-history_turns:] if history_turns else ()
    data = {
        "sid": question.message_sid,
        "account": question.account,
        "from": question.sender,
        "text": question.words,
        "receivedAt": question.received_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "sessionKey": question.session_key,
        "attempt": question.attempt,
        "attachments": [_named(attachment) for attachment in question.attachments],
        "history": [_as_json(turn) for turn in recent],
    }
    return json.dumps({"type": "text.received", "timestamp": data["receivedAt"], "data": data}).encode("ascii")


def message_id(question: Question) -> str:
    """The same for every try of one text."""
    return f"text_{NOT_IN_AN_ID.sub('', question.message_sid)}"


def reply_in(answer: _Answer) -> str | Reply:
    """The reply a successful answer holds. `AgentError` `agent_misbehaved` when it holds none it could be."""
    if answer.status == ACCEPTED:
        raise AnswersLater
    if answer.status == NO_CONTENT or not answer.body.strip():
        return ""
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind == "text/plain":
        return answer.body.decode("utf-8", "replace")
    reply = _json_reply(answer.body)
    if reply is None:
        raise AgentError(
            AgentErrorCode.MISBEHAVED,
            'The agent answered with neither text/plain nor JSON like {"text": "…"}: correct its answer, '
            "or let it answer 204 for no reply.",
        )
    return reply if reply.media else reply.text


def _json_reply(body: bytes) -> Reply | None:
    """`text` may be absent or null; `media` lists public https addresses or `data:` URLs."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    given = {name: each for name, each in value.items() if each is not None}
    text, media = given.get("text", ""), given.get("media", [])
    if not (isinstance(text, str) and isinstance(media, list) and all(isinstance(each, str) for each in media)):
        return None
    return Reply(well_formed(text), tuple(well_formed(each) for each in media))


def _named(attachment: Attachment) -> dict[str, object]:
    return {"contentType": attachment.content_type, "size": attachment.size}


def _as_json(turn: Turn) -> dict[str, str]:
    return {"role": turn.role.value, "text": turn.text}


def _secrets(token: str) -> SigningSecrets:
    try:
        return standard_webhooks.parse(token)
    except InvalidSecret as error:
        raise AgentError(
            AgentErrorCode.NOT_CONFIGURED, f"SMS_AGENT_TOKEN, which signs for SMS_AGENT=webhook, {error}."
        ) from None
