"""The webhook agent against a real server on loopback, well-behaved and not."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from openclaw_sms.agents import (
    AgentError,
    AgentErrorCode,
    AgentSettings,
    AnswersLater,
    Attachment,
    Reply,
    build_agent,
)
from openclaw_sms.agents.webhook import LARGEST_ANSWER, Webhook
from tests.agents.cast import ALICE, HISTORY, LEAKED_ANSWER, QUESTION, TEXT, assert_is_for_the_operator, question
from tests.agents.scripted_server import Exchange, Script, ScriptedServer

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEW_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


@contextmanager
def agent_at(url: str, **settings: object) -> Iterator[Webhook]:
    values: dict[str, object] = {"spec": "webhook", "url": url, "token": SECRET, **settings}
    agent = build_agent(AgentSettings(**values))  # type: ignore[arg-type]
    assert isinstance(agent, Webhook)
    with closing(agent):
        yield agent


def answers(status: int, body: bytes = b"", **headers: str) -> Script:
    return lambda exchange: exchange.gives(status, body, **headers)


def asked(script: Script) -> str | Reply:
    with ScriptedServer(script) as server, agent_at(f"{server.origin}/sms") as agent:
        return agent.answer(QUESTION)


def failure_of(script: Script, **settings: object) -> AgentError:
    with ScriptedServer(script) as server:
        with agent_at(server.origin, **settings) as agent, pytest.raises(AgentError) as caught:
            agent.answer(QUESTION)
        assert len(server.received) == 1
    assert_is_for_the_operator(caught.value)
    return caught.value


def test_one_signed_post_carries_the_text() -> None:
    with ScriptedServer(answers(200, b'{"text": "hi"}')) as server:
        with agent_at(f"{server.origin}/hooks/sms", history_turns=1) as agent:
            assert agent.answer(question(history=HISTORY)) == "hi"
        [request] = server.received

    verified = Verifier(SECRET).verify(request.body, request.headers)
    assert verified["type"] == "text.received"
    assert verified["data"] == {
        "sid": QUESTION.message_sid,
        "account": "default",
        "from": ALICE,
        "text": TEXT,
        "receivedAt": "2026-11-23T12:00:00Z",
        "sessionKey": f"agent:main:sms:direct:{ALICE}",
        "attempt": 1,
        "attachments": [],
        "history": [{"role": "agent", "text": "second answer"}],
    }
    assert request.target == "/hooks/sms"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers


def test_files_are_named_and_stand_in_for_missing_words() -> None:
    picture = Attachment("image/jpeg", b"\xff\xd8\xff")
    with ScriptedServer(answers(204)) as server, agent_at(server.origin) as agent:
        agent.answer(replace(QUESTION, text="", attachments=(picture,)))
        [request] = server.received
    data = json.loads(request.body)["data"]
    assert (data["text"], data["attachments"]) == ("[1 picture]", [{"contentType": "image/jpeg", "size": 3}])


def test_the_secret_is_looked_up_for_each_post() -> None:
    secrets = [SECRET, NEW_SECRET]
    with ScriptedServer(answers(204)) as server:
        with agent_at(server.origin, token="", token_source=lambda: secrets[len(server.received)]) as agent:
            for _ in secrets:
                agent.answer(QUESTION)
        for secret, request in zip(secrets, server.received, strict=True):
            Verifier(secret).verify(request.body, request.headers)


def test_a_secret_that_cannot_be_had_is_tried_again_later() -> None:
    def gone() -> str:
        raise AgentError(AgentErrorCode.TOKEN_UNAVAILABLE, "SMS_AGENT_TOKEN_REF: the file is gone.", retryable=True)

    with ScriptedServer(answers(204)) as server:
        with agent_at(server.origin, token="", token_source=gone) as agent, pytest.raises(AgentError) as caught:
            agent.answer(QUESTION)
        assert (caught.value.retryable, server.received) == (True, [])


def test_pictures_go_along_by_their_addresses() -> None:
    body = b'{"text": "Here", "media": ["https://example.com/cat.jpg"]}'
    assert asked(answers(200, body, content_type="application/json")) == Reply(
        "Here", ("https://example.com/cat.jpg",)
    )


def test_every_try_of_a_text_has_the_same_id_and_every_text_its_own() -> None:
    with ScriptedServer(answers(204)) as server, agent_at(server.origin) as agent:
        for each in (QUESTION, replace(QUESTION, attempt=2), replace(QUESTION, message_sid="SM.2")):
            agent.answer(each)
        first, again, other = (request.headers["webhook-id"] for request in server.received)
    assert first == again != other
    assert "." not in other


@pytest.mark.parametrize(
    ("status", "body", "kind", "reply"),
    [
        (200, b'{"text": "**hi**"}', "application/json", "**hi**"),
        (201, b'{"text": "hi", "more": 1}', "application/json; charset=utf-8", "hi"),
        (200, "grüß".encode(), "text/plain; charset=utf-8", "grüß"),
        (200, b'{"text": "\\ud83e"}', "application/json", "\N{REPLACEMENT CHARACTER}"),
        (204, b"", "", ""),
        (200, b"", "application/json", ""),
        (200, b'{"text": ""}', "application/json", ""),
        (200, b'{"text": null}', "application/json", ""),
        (200, b"{}", "application/json", ""),
    ],
)
def test_the_answer_is_the_reply(status: int, body: bytes, kind: str, reply: str) -> None:
    assert asked(answers(status, body, content_type=kind)) == reply


def test_a_202_says_that_the_reply_comes_later() -> None:
    with pytest.raises(AnswersLater):
        asked(answers(202, b'{"text": "never mind this"}'))


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'"hi"', b'{"text": 1}', b'{"media": [1]}', b"[" * 100_000, LEAKED_ANSWER.encode()]
)
def test_an_answer_without_a_reply_is_misbehaviour(body: bytes) -> None:
    error = failure_of(answers(200, body, content_type="text/html"))
    assert (error.code, error.retryable) == ("agent_misbehaved", False)


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "agent_failed", False),
        (401, "agent_refused", False),
        (404, "agent_failed", False),
        (429, "agent_busy", True),
        (500, "agent_failed", False),
        (502, "agent_busy", True),
        (503, "agent_busy", True),
        (504, "agent_timeout", False),
    ],
)
def test_a_failure_is_classed_as_the_other_backend_does(status: int, code: str, retryable: bool) -> None:
    error = failure_of(answers(status, LEAKED_ANSWER.encode()))
    assert (error.code, error.retryable) == (code, retryable)
    assert "OpenClaw" not in str(error)


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    assert failure_of(answers(429, retry_after="7")).retry_after == timedelta(seconds=7)


def test_a_redirect_is_not_followed() -> None:
    assert "final address" in str(failure_of(answers(307, location="http://127.0.0.1:1/")))


def test_an_answer_too_large_is_cut_off() -> None:
    error = failure_of(answers(200, b"x" * (LARGEST_ANSWER + 1), content_type="text/plain"))
    assert error.code == "agent_misbehaved"


def test_a_connection_that_breaks_is_not_tried_again() -> None:
    def hang_up(exchange: Exchange) -> None:
        exchange.hangs_up()

    error = failure_of(hang_up)
    assert (error.code, error.retryable) == ("agent_failed", False)


def test_nobody_at_home_is_tried_again() -> None:
    with ScriptedServer(answers(204)) as server:
        origin = server.origin
    with agent_at(origin) as agent, pytest.raises(AgentError) as caught:
        agent.answer(QUESTION)
    assert (caught.value.code, caught.value.retryable) == ("agent_unreachable", True)


def test_silence_ends_at_the_time_limit() -> None:
    error = failure_of(lambda exchange: _wait(exchange), read_timeout=timedelta(seconds=0.2))
    assert (error.code, error.retryable) == ("agent_timeout", False)


@pytest.mark.parametrize("token", ["", "secret", "whsec_c2hvcnQ="])
def test_it_does_not_start_without_a_secret_that_signs(token: str) -> None:
    with pytest.raises(AgentError, match="SMS_AGENT_TOKEN") as caught, agent_at("http://127.0.0.1:1", token=token):
        pass
    assert caught.value.code == "agent_not_configured"
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("url", ["", "automation.example.com", "ftp://x", "http://u:p@x", "http://x/?token=1"])
def test_it_does_not_start_without_an_address(url: str) -> None:
    with pytest.raises(AgentError, match="SMS_AGENT_URL"), agent_at(url):
        pass


def test_it_never_shows_what_it_holds() -> None:
    with agent_at("http://127.0.0.1:1") as agent:
        assert SECRET[6:] not in json.dumps(repr(vars(agent)))


def _wait(exchange: Exchange) -> None:
    exchange.waits(5)
