"""The three tools that agents get: send a text, list threads, read one. What the API does, under the same token.

A token that lacks a scope is not shown the tool; one that is restricted to an account sees no other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from openclaw_sms.access import opt_out, tokens
from openclaw_sms.access.audit import Actor
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.management.mcp.protocol import Tool, ToolFailed
from openclaw_sms.messaging import automation, idempotency, pages, threads, wire
from openclaw_sms.messaging.automation import NotAccepted, Order
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.messaging.idempotency import KeyInvalid, KeyReused
from openclaw_sms.messaging.pages import InvalidCursor
from openclaw_sms.messaging.wire import Json
from openclaw_sms.models import ApiToken, Conversation, Scope
from openclaw_sms.text.phone import InvalidNumber
from openclaw_sms.twilio.client import InsecureApiBase

MOST_ROWS = 50
REFUSALS = (
    ConfigurationError,
    ImproperlyConfigured,
    InsecureApiBase,
    InvalidCursor,
    InvalidNumber,
    KeyInvalid,
    KeyReused,
    NotAccepted,
    Withheld,
)

WORDS = {"type": "string"}
PAGE = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS},
    "cursor": {**WORDS, "description": "`next` of the page before"},
}
ACCOUNT = {"account": {**WORDS, "description": "An account's id; without it the default account"}}
SEND = {
    "text": {**WORDS, "description": "Markdown; it arrives as plain text", "minLength": 1},
    "to": {**WORDS, "description": "E.164, such as +15551234567; without it the account's default recipient"},
    **ACCOUNT,
    "in_reply_to": {**WORDS, "description": "`sid` of a text received: this is its answer"},
    "idempotency_key": {**WORDS, "description": "Repeat it when you repeat a call, and nobody is texted twice"},
}


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a token may use. `plain` is the token itself, checked anew for each call: it may be revoked meanwhile."""

    plain: str

    def tools(self) -> Iterator[Tool]:
        """Those that the token's scopes allow now; none once it is revoked."""
        close_old_connections()
        token = tokens.find(self.plain, now=timezone.now())
        if token is None:
            return
        if token.grants(Scope.SEND):
            yield _tool("send_sms", "Send a text message (SMS) to an allowed recipient.", SEND, self._run(_send))
        if token.grants(Scope.READ):
            yield _tool("list_threads", "List SMS threads, the latest first.", {**ACCOUNT, **PAGE}, self._run(_list))
            thread = {"thread": {"type": "integer", "description": "`id` of a thread"}, **PAGE}
            yield _tool("read_thread", "Read an SMS thread, newest first.", thread, self._run(_read))

    def _run(self, use: Callable[[ApiToken, "Arguments"], Json]) -> Callable[[Mapping[str, Any]], Json]:
        def run(arguments: Mapping[str, Any]) -> Json:
            try:
                return use(self._admitted(), Arguments(arguments))
            except REFUSALS as refused:
                raise ToolFailed(str(refused)) from None
            except DatabaseError:
                raise ToolFailed("The gateway cannot use its database now: try again later.") from None

        return run

    def _admitted(self) -> ApiToken:
        now = timezone.now()
        token = tokens.find(self.plain, now=now)
        if token is None:
            raise ToolFailed("The token of this server is not valid any more: ask the operator for another.")
        wait = tokens.count(token, now=now)
        if wait is not None:
            raise ToolFailed(f"Too many calls: wait {wait.total_seconds():.0f} seconds.")
        return token


@dataclass(frozen=True, slots=True)
class Arguments:
    """A call's arguments, each checked when it is asked for. Raises `ToolFailed`."""

    given: Mapping[str, Any]

    def words(self, name: str) -> str:
        value = self.given.get(name, "")
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ToolFailed(f"{name} must be a string.")
        # No database takes NUL, and not every one half a surrogate pair.
        return value.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")

    def number(self, name: str, *, otherwise: int | None = None, most: int = pages.LARGEST_KEY) -> int:
        value = self.given.get(name, otherwise)
        if type(value) is not int or not 1 <= value <= most:
            raise ToolFailed(f"{name} must be a whole number from 1 to {most}.")
        return value

    @property
    def limit(self) -> int:
        return self.number("limit", otherwise=20, most=MOST_ROWS)


def _tool(name: str, description: str, properties: Mapping[str, Any], run: Callable[..., Json]) -> Tool:
    needed = [field for field in ("text", "thread") if field in properties]
    schema = {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    return Tool(name, description, schema, run, read_only=name != "send_sms")


def _send(token: ApiToken, asked: Arguments) -> Json:
    order = Order(
        text=asked.words("text"),
        to=asked.words("to"),
        account_id=asked.words("account") or None,
        in_reply_to=asked.words("in_reply_to"),
        account_pk=token.account_id,
    )
    now = timezone.now()
    author = Actor.with_token(token.name).name
    send = partial(automation.send, order, author=author, now=now)
    outcome = idempotency.once(token, asked.words("idempotency_key"), dict(asked.given), now=now, act=send)
    told = wire.receipt(threads.sent_texts().get(pk=outcome.message.pk))
    return told if token.grants(Scope.READ) else wire.without_words(told)


def _list(token: ApiToken, asked: Arguments) -> Json:
    named = asked.words("account") or None
    restricted = named is not None or token.account_id is not None
    rows = threads.conversations(
        account_pk=automation.permitted(named, token.account_id).pk if restricted else None,
        before=pages.position(asked.words("cursor")),
        limit=asked.limit + 1,
    )
    return pages.page(rows, asked.limit, _thread, _end)


def _read(token: ApiToken, asked: Arguments) -> Json:
    rows = Conversation.objects.filter(pk=asked.number("thread"))
    if token.account_id is not None:
        rows = rows.filter(account_id=token.account_id)
    conversation = rows.first()
    if conversation is None:
        raise ToolFailed("There is no such thread: see list_threads.")
    before = pages.position(asked.words("cursor"))
    items = threads.thread(conversation, before=before, limit=asked.limit + 1)
    return pages.page(items, asked.limit, wire.said, lambda item: pages.at_position(threads.position_of(item)))


def _thread(row: Conversation) -> Json:
    return wire.conversation(row, opted_out=opt_out.is_out(row.account_id, row.sender))


def _end(row: Conversation) -> str:
    return pages.at_position(threads.position_of_conversation(row))
