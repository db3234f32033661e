"""The chat completions agent against a real server on loopback, well-behaved and not."""

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from openclaw_sms.agents import AgentError, AgentSettings, build_agent
from openclaw_sms.agents.chat_completions import LARGEST_ANSWER, ChatCompletions
from tests.agents.cast import (
    ALICE,
    HISTORY,
    LEAKED_ANSWER,
    QUESTION,
    TEXT,
    TOKEN,
    assert_is_for_the_operator,
    question,
)
from tests.agents.scripted_server import Exchange, Script, ScriptedServer, completion, says

PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@contextmanager
def agent_at(url: str, **settings: object) -> Iterator[ChatCompletions]:
    values: dict[str, object] = {"spec": "chat_completions", "url": url, "token": TOKEN, **settings}
    agent = build_agent(AgentSettings(**values))  # type: ignore[arg-type]
    assert isinstance(agent, ChatCompletions)
    with closing(agent):
        yield agent


def failure_of(script: Script, **settings: object) -> AgentError:
    """How one question fails; it must have been asked exactly once."""
    with ScriptedServer(script) as server:
        with agent_at(server.origin, **settings) as agent, pytest.raises(AgentError) as caught:
            agent.answer(QUESTION)
        assert len(server.received) == 1
    assert_is_for_the_operator(caught.value)
    return caught.value


# --- what is sent -------------------------------------------------------------------------------------------


def test_one_post_carries_the_text_the_token_and_the_session_and_nothing_more() -> None:
    with ScriptedServer(says("**Hello** Alice")) as server:
        with agent_at(server.origin) as agent:
            assert agent.answer(QUESTION) == "**Hello** Alice"
        [request] = server.received
        assert (request.method, request.target) == ("POST", "/v1/chat/completions")
        assert request.payload == {
            "model": "openclaw/default",
            "messages": [{"role": "user", "content": TEXT}],
            "stream": False,
        }
        assert request.headers == {
            "host": server.origin.removeprefix("http://"),
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "close",
            "user-agent": "openclaw-sms",
            "content-length": str(len(request.body)),
            "content-type": "application/json",
            "authorization": f"Bearer {TOKEN}",
            "x-openclaw-session-key": f"agent:main:sms:direct:{ALICE}",
            "x-openclaw-message-channel": "sms",
        }


def test_an_endpoint_without_a_history_of_its_own_is_sent_it_and_no_number() -> None:
    with ScriptedServer(says("ok")) as server:
        with agent_at(
            f"{server.origin}/v1", model="llama3", token="", history_turns=1, system_prompt="Be brief."
        ) as agent:
            assert agent.history_turns == 1
            agent.answer(question(history=HISTORY))
        [request] = server.received
        assert request.payload == {
            "model": "llama3",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "assistant", "content": "second answer"},
                {"role": "user", "content": TEXT},
            ],
            "stream": False,
        }
        assert "authorization" not in request.headers
        assert ALICE[1:] not in repr(request)


def test_two_answers_share_neither_a_connection_nor_a_cookie() -> None:
    def give_a_cookie(exchange: Exchange) -> None:
        exchange.gives(200, completion("ok"), set_cookie="session=alice; Path=/")

    with ScriptedServer(give_a_cookie) as server:
        with agent_at(server.origin) as agent:
            agent.answer(QUESTION)
            agent.answer(QUESTION)
        first, second = server.received
        assert first.peer_port != second.peer_port
        assert "cookie" not in second.headers


def test_senders_do_not_wait_for_each_other() -> None:
    def think(exchange: Exchange) -> None:
        exchange.waits(0.3)
        exchange.gives(200, completion("ok"))

    with ScriptedServer(think) as server, agent_at(server.origin) as agent, ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        assert list(pool.map(agent.answer, [QUESTION] * 8)) == ["ok"] * 8
        assert time.monotonic() - began < 2.0


# --- proxies ------------------------------------------------------------------------------------------------


def set_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in PROXY_NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)


def test_a_proxy_of_the_environment_never_sees_an_agent_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(says("from the proxy")) as proxy, ScriptedServer(says("from the agent")) as server:
        set_proxy(monkeypatch, proxy.origin)
        with agent_at(server.origin) as agent:
            assert agent.answer(QUESTION) == "from the agent"
        assert proxy.received == []


def test_a_proxy_of_the_environment_is_used_for_any_other_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(says("from the proxy")) as proxy:
        set_proxy(monkeypatch, proxy.origin)
        with agent_at("http://agent.example") as agent:
            assert agent.answer(QUESTION) == "from the proxy"
        assert proxy.received[0].target == "http://agent.example/v1/chat/completions"


def test_unusable_certificate_settings_are_refused_when_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/hush.pem")
    with pytest.raises(AgentError, match="SSL_CERT_FILE") as caught, agent_at("https://agent.example"):
        pass
    assert caught.value.code == "agent_not_configured"
    assert "hush" not in str(caught.value)


# --- answers that are failures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "retryable", "next_step"),
    [
        (429, "agent_busy", True, "wait for the next try"),
        (502, "agent_busy", True, "wait for the next try"),
        (503, "agent_busy", True, "wait for the next try"),
        (401, "agent_refused", False, "SMS_AGENT_TOKEN"),
        (403, "agent_refused", False, "SMS_AGENT_TOKEN"),
        (400, "agent_failed", False, "SMS_AGENT_MODEL"),
        (404, "agent_failed", False, "gateway.http.endpoints.chatCompletions.enabled"),
        (413, "agent_failed", False, "look at its log"),
        (500, "agent_failed", False, "look at its log"),
        (504, "agent_timeout", False, "raise the proxy's time limit"),
        (304, "agent_failed", False, "look at its log"),
    ],
)
def test_each_status_has_its_code_and_its_next_step(status: int, code: str, retryable: bool, next_step: str) -> None:
    body = b"" if status == 304 else f'{{"error": {{"message": "{LEAKED_ANSWER}"}}}}'.encode()
    error = failure_of(lambda exchange: exchange.gives(status, body))
    assert (error.code, error.retryable, error.retry_after) == (code, retryable, None)
    assert next_step in str(error)
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_busy_agent_says_how_long_to_wait(status: int) -> None:
    error = failure_of(lambda exchange: exchange.gives(status, retry_after="12"))
    assert error.retry_after == timedelta(seconds=12)


def test_a_busy_agent_may_name_a_date() -> None:
    error = failure_of(
        lambda exchange: exchange.gives(
            503, date="Mon, 23 Nov 2026 12:00:00 GMT", retry_after="Mon, 23 Nov 2026 12:01:00 GMT"
        )
    )
    assert error.retry_after == timedelta(minutes=1)


def test_no_wait_is_taken_from_an_answer_that_will_not_be_retried() -> None:
    assert failure_of(lambda exchange: exchange.gives(500, retry_after="12")).retry_after is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(status: int) -> None:
    with ScriptedServer(says("caught it")) as elsewhere:
        error = failure_of(lambda exchange: exchange.gives(status, location=f"{elsewhere.origin}/?{LEAKED_ANSWER}"))
        assert elsewhere.received == []
    assert (error.code, error.retryable) == ("agent_failed", False)
    assert "set SMS_AGENT_URL to the final address" in str(error)


@pytest.mark.parametrize("body", [b"", b"not JSON", b'{"choices": []}'])
def test_an_answer_that_is_no_completion_is_misbehaviour(body: bytes) -> None:
    assert failure_of(lambda exchange: exchange.gives(200, body)).code == "agent_misbehaved"


def test_null_content_is_an_empty_reply() -> None:
    with ScriptedServer(says(None)) as server, agent_at(server.origin) as agent:
        assert agent.answer(QUESTION) == ""


# --- connections that fail ----------------------------------------------------------------------------------


def test_nobody_listening_is_unreachable_and_retryable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: refuses, and nobody else can take the port
        origin = f"http://127.0.0.1:{held.getsockname()[1]}"
        with agent_at(origin) as agent, pytest.raises(AgentError) as caught:
            agent.answer(QUESTION)
    assert (caught.value.code, caught.value.retryable) == ("agent_unreachable", True)
    assert origin in str(caught.value)
    assert "SMS_AGENT_URL" in str(caught.value)
    assert_is_for_the_operator(caught.value)


def test_https_to_a_plain_server_is_told_from_a_dead_one() -> None:
    with ScriptedServer(says("never")) as server:
        origin = server.origin.replace("http", "https", 1)
        with agent_at(origin) as agent, pytest.raises(AgentError, match="certificate") as caught:
            agent.answer(QUESTION)
        assert server.received == []
    assert (caught.value.code, caught.value.retryable) == ("agent_unreachable", True)
    assert_is_for_the_operator(caught.value)


def test_a_connection_dropped_before_the_answer_is_not_retried_since_the_agent_may_have_acted() -> None:
    error = failure_of(lambda exchange: exchange.hangs_up())
    assert (error.code, error.retryable) == ("agent_failed", False)


def test_a_connection_dropped_within_the_answer_is_not_retried_either() -> None:
    def stop_half_way(exchange: Exchange) -> None:
        exchange.begins(content_length=1000)
        exchange.wfile.write(b'{"choices": [')
        exchange.hangs_up()

    error = failure_of(stop_half_way)
    assert (error.code, error.retryable) == ("agent_failed", False)


# --- time and size ------------------------------------------------------------------------------------------


def test_silence_ends_after_the_read_timeout_and_is_not_retried() -> None:
    def think_too_long(exchange: Exchange) -> None:
        exchange.waits(10)

    began = time.monotonic()
    error = failure_of(think_too_long, read_timeout=timedelta(seconds=0.3))
    assert time.monotonic() - began < 3
    assert (error.code, error.retryable) == ("agent_timeout", False)
    assert "within 0.3 seconds" in str(error)
    assert "SMS_AGENT_TIMEOUT" in str(error)


def test_an_answer_that_drips_ends_after_the_read_timeout_too() -> None:
    def drip(exchange: Exchange) -> None:
        exchange.begins(content_length=1000)
        while exchange.waits(0.05):
            exchange.wfile.write(b" ")

    began = time.monotonic()
    error = failure_of(drip, read_timeout=timedelta(seconds=0.5))
    assert time.monotonic() - began < 3
    assert (error.code, error.retryable) == ("agent_timeout", False)


def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    def flood(exchange: Exchange) -> None:
        nonlocal sent
        exchange.begins(content_length=10 * LARGEST_ANSWER)
        for _ in range(10):
            exchange.wfile.write(b" " * LARGEST_ANSWER)
            sent += 1

    error = failure_of(flood)
    assert (error.code, error.retryable) == ("agent_misbehaved", False)
    assert sent < 10


def test_the_largest_answer_is_still_read() -> None:
    body = completion("x" * (LARGEST_ANSWER - len(completion(""))))
    assert len(body) == LARGEST_ANSWER
    with (
        ScriptedServer(lambda exchange: exchange.gives(200, body)) as server,
        agent_at(server.origin) as agent,
    ):
        reply = agent.answer(QUESTION)
    assert isinstance(reply, str)
    assert len(reply) > LARGEST_ANSWER - 100


# --- secrets ------------------------------------------------------------------------------------------------


def test_a_token_that_is_kept_elsewhere_is_asked_for_at_each_question() -> None:
    tokens = iter(["first", "second", "not sendable"])
    with (
        ScriptedServer(says("hi")) as server,
        agent_at(server.origin, token="", token_source=lambda: next(tokens)) as agent,
    ):
        agent.answer(QUESTION)
        agent.answer(QUESTION)
        with pytest.raises(AgentError, match="SMS_AGENT_TOKEN contains a space"):
            agent.answer(QUESTION)
    assert [one.headers["authorization"] for one in server.received] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tóken", "tab\t", "nul\0"])
def test_a_token_no_header_can_carry_is_refused_when_built_and_not_shown(token: str) -> None:
    with pytest.raises(AgentError, match="SMS_AGENT_TOKEN") as caught, agent_at("http://agent", token=token):
        pass
    assert caught.value.code == "agent_not_configured"
    assert token not in repr(caught.value)
    assert_is_for_the_operator(caught.value)


def test_nothing_private_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpx")
    with ScriptedServer(says(LEAKED_ANSWER)) as server, agent_at(server.origin) as agent:
        agent.answer(QUESTION)
    assert "chat/completions" in caplog.text, "the HTTP client's own log lines are what this test is about"
    for secret in (TOKEN, ALICE[1:], TEXT, LEAKED_ANSWER):
        assert secret not in caplog.text
