"""The protocol alone: what each message draws, and that nothing on a line ends the server."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_sms.management.mcp.protocol import LONGEST_LINE, VERSIONS, Server, Tool, ToolFailed


def shout(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    if "text" not in arguments:
        raise ToolFailed("Give a text.")
    return {"shouted": str(arguments["text"]).upper()}


TOOL = Tool("shout", "Shouts.", {"type": "object"}, shout, read_only=True)
SERVER = Server("test", "1", "Be kind.", lambda: [TOOL])


def asks(method: str, params: object = None, request_id: object = 1) -> dict[str, Any]:
    answer = SERVER.answer(
        json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode()
    )
    assert answer is not None
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", request_id)
    return answer


@pytest.mark.parametrize(
    ("asked", "given_back"), [*((v, v) for v in VERSIONS), ("2026-07-28", VERSIONS[-1]), (None, VERSIONS[-1])]
)
def test_agrees_on_a_version(asked: str | None, given_back: str) -> None:
    result = asks("initialize", {"protocolVersion": asked})["result"]
    assert result["protocolVersion"] == given_back
    assert result["capabilities"] == {"tools": {}}


def test_lists_and_calls_tools() -> None:
    assert [tool["name"] for tool in asks("tools/list")["result"]["tools"]] == ["shout"]
    result = asks("tools/call", {"name": "shout", "arguments": {"text": "hi"}})["result"]
    assert result["structuredContent"] == json.loads(result["content"][0]["text"]) == {"shouted": "HI"}
    assert result["isError"] is False


def test_tells_the_agent_why_a_tool_failed() -> None:
    result = asks("tools/call", {"name": "shout"})["result"]
    assert (result["isError"], result["content"][0]["text"]) == (True, "Give a text.")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "rm"}, -32602),
        ("tools/call", {"name": "shout", "arguments": [1]}, -32602),
        ("tools/call", None, -32602),
        ("resources/list", {}, -32601),
        ("server/discover", {}, -32601),
    ],
)
def test_refuses_what_it_does_not_know(method: str, params: object, code: int) -> None:
    assert asks(method, params)["error"]["code"] == code


@pytest.mark.parametrize("line", [b"", b"\n", b'{"method": "notifications/initialized"}', b'{"id": 1, "result": {}}'])
def test_says_nothing_to_what_asks_nothing(line: bytes) -> None:
    assert SERVER.answer(line) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"{", -32700), (b"\xff", -32700), (b"[]", -32600), (b'{"id": 1}', -32600), (b"[" * 100_000, -32700)],
)
def test_refuses_what_is_no_message(line: bytes, code: int) -> None:
    answer = SERVER.answer(line)
    assert answer is not None
    assert answer["error"]["code"] == code


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda below: (
                st.lists(below, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "method", "params", "name"]), below)
            ),
            max_leaves=8,
        ),
    )
)
def test_never_raises(line: bytes) -> None:
    answer = SERVER.answer(line)
    assert answer is None or "error" in answer or "result" in answer


def test_serves_line_by_line_past_one_that_is_too_long() -> None:
    lines = [b'{"id": 1, "method": "ping"}', b'"' + b"x" * (2 * LONGEST_LINE), b'{"id": 2, "method": "ping"}']
    sink = io.BytesIO()
    SERVER.serve(io.BytesIO(b"\n".join(lines)), sink)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [answer["id"] for answer in answers] == [1, None, 2]
    assert answers[1]["error"]["code"] == -32700
