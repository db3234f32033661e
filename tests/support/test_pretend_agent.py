"""The pretend agent, as seen by an HTTP client that speaks chat completions."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.support.pretend_agent import PretendAgent

TOKEN = "the token of a pretend agent"
ALICE = "+15550001111"


@pytest.fixture
def agent() -> Iterator[PretendAgent]:
    with PretendAgent(TOKEN) as pretend:
        yield pretend


def ask(agent: PretendAgent, text: str, *, token: str = TOKEN, timeout: float = 5.0) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "X-OpenClaw-Session-Key": f"agent:main:sms:direct:{ALICE}"}
    request = {"model": "openclaw/default", "messages": [{"role": "user", "content": text}]}
    return httpx.post(agent.url, json=request, headers=headers, timeout=timeout)


def said(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def test_it_echoes_in_markdown_and_remembers_who_asked_what(agent: PretendAgent) -> None:
    assert said(ask(agent, "hello")) == "**You said:** hello"

    (turn,) = agent.turns_of(ALICE)
    assert turn.text == "hello"
    assert turn.payload["model"] == "openclaw/default"
    assert agent.said == ["**You said:** hello"]
    assert agent.was_asked("hello")
    assert not agent.was_asked("goodbye")


def test_it_answers_what_it_is_told_to(agent: PretendAgent) -> None:
    agent.replies(lambda turn: turn.text.upper())
    assert said(ask(agent, "hello")) == "HELLO"

    agent.behaves()
    assert said(ask(agent, "hello")) == "**You said:** hello"


def test_it_may_think_longer_than_a_client_waits(agent: PretendAgent) -> None:
    gate = threading.Event()
    agent.replies(lambda turn: f"{gate.wait(5)} {turn.text}")

    with pytest.raises(httpx.ReadTimeout):
        ask(agent, "hello", timeout=0.1)

    gate.set()
    assert agent.was_asked("hello")


def test_it_fails_as_often_as_told(agent: PretendAgent) -> None:
    agent.fails_next(503, times=2)

    assert [ask(agent, "hello").status_code for _ in range(3)] == [503, 503, 200]
    assert len(agent.turns_of(ALICE)) == 3


def test_it_wants_its_token(agent: PretendAgent) -> None:
    assert ask(agent, "hello", token="another token").status_code == 401
    assert agent.said == []


def test_it_has_one_page(agent: PretendAgent) -> None:
    assert httpx.get(agent.url).status_code == 404
    assert httpx.post(f"{agent.origin}/v1/completions", json={}).status_code == 404
