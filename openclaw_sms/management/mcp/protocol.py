"""The Model Context Protocol over stdio: JSON-RPC 2.0, one message a line. Tools only, and no state between calls.

Knows no text and no row: what a tool does is the caller's. Never writes anything but answers to its output.
Source: https://modelcontextprotocol.io/specification/2025-11-25 (lifecycle, transports, tools).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LONGEST_LINE = 1024 * 1024

PARSE_ERROR, INVALID_REQUEST, NO_SUCH_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602


class ToolFailed(Exception):
    """A tool that could not do what it was asked. The message is a sentence for the agent."""


@dataclass(frozen=True, slots=True)
class Tool:
    """`run` gets the arguments as they came and gives a JSON object. Raises `ToolFailed`."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    run: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    read_only: bool


class Server:
    """Answers messages. `tools` is asked anew each time, because a token can lose its rights meanwhile."""

    def __init__(self, name: str, version: str, instructions: str, tools: Callable[[], Iterable[Tool]]) -> None:
        self._info = {"name": name, "version": version}
        self._instructions = instructions
        self._tools = tools

    def serve(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Until `source` ends."""
        while line := source.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                _skip_line(source, line)
            answer = self.answer(line)
            if answer is not None:
                sink.write(json.dumps(answer).encode() + b"\n")
                sink.flush()

    def answer(self, line: bytes) -> dict[str, Any] | None:
        """The response to one line; None for a notification and a blank line."""
        if not line.strip():
            return None
        try:
            message = json.loads(line[:LONGEST_LINE])
        except (ValueError, RecursionError):
            return _failed(None, PARSE_ERROR, "This is not JSON, or longer than 1 MB.")
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return None if _is_response(message) else _failed(None, INVALID_REQUEST, "This is no request.")
        if "id" not in message:
            return None
        return self._respond(message["id"], message["method"], message.get("params"))

    def _respond(self, request_id: object, method: str, params: object) -> dict[str, Any]:
        given: Mapping[str, Any] = params if isinstance(params, dict) else {}
        match method:
            case "initialize":
                return _done(request_id, self._introduction(given))
            case "ping":
                return _done(request_id, {})
            case "tools/list":
                return _done(request_id, {"tools": [_described(tool) for tool in self._tools()]})
            case "tools/call":
                return self._call(request_id, given)
        return _failed(request_id, NO_SUCH_METHOD, "There is no such method.")

    def _introduction(self, params: Mapping[str, Any]) -> dict[str, Any]:
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": self._info,
            "instructions": self._instructions,
        }

    def _call(self, request_id: object, params: Mapping[str, Any]) -> dict[str, Any]:
        tool = next((each for each in self._tools() if each.name == params.get("name")), None)
        if tool is None:
            return _failed(request_id, INVALID_PARAMS, "There is no such tool for this token.")
        arguments = params.get("arguments") or {}
        if not isinstance(arguments, dict):
            return _failed(request_id, INVALID_PARAMS, "The arguments must be an object.")
        try:
            result = tool.run(arguments)
        except ToolFailed as failed:
            return _done(request_id, {"content": [_text(str(failed))], "isError": True})
        content = [_text(json.dumps(result, ensure_ascii=False))]
        return _done(request_id, {"content": content, "structuredContent": dict(result), "isError": False})


def _described(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": dict(tool.input_schema),
        "annotations": {"readOnlyHint": tool.read_only, "destructiveHint": False, "openWorldHint": True},
    }


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _is_response(message: object) -> bool:
    return isinstance(message, dict) and ("result" in message or "error" in message)


def _done(request_id: object, result: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": dict(result)}


def _failed(request_id: object, code: int, sentence: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": sentence}}


def _skip_line(source: BinaryIO, read: bytes) -> None:
    """Leave the rest of a line that is too long unread."""
    while read and not read.endswith(b"\n"):
        read = source.readline(LONGEST_LINE)
