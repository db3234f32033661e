"""`SMS_AGENT_URL`: what people paste, and where it leads."""

import pytest

from openclaw_sms.agents import AgentError
from openclaw_sms.agents.endpoint import chat_completions_endpoint
from tests.agents.cast import assert_is_for_the_operator


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:18789", "http://127.0.0.1:18789/v1/chat/completions"),
        ("http://127.0.0.1:18789/", "http://127.0.0.1:18789/v1/chat/completions"),
        ("http://127.0.0.1:18789/v1", "http://127.0.0.1:18789/v1/chat/completions"),
        ("http://127.0.0.1:18789/v1/", "http://127.0.0.1:18789/v1/chat/completions"),
        ("http://127.0.0.1:18789/v1/chat/completions", "http://127.0.0.1:18789/v1/chat/completions"),
        ("http://127.0.0.1:18789/v1/chat/completions/", "http://127.0.0.1:18789/v1/chat/completions"),
        ("https://api.example/openai/v1", "https://api.example/openai/v1/chat/completions"),
        ("https://api.example/api/v4", "https://api.example/api/v4/chat/completions"),
        ("https://api.example/llm", "https://api.example/llm/v1/chat/completions"),
        ("http://[::1]:11434", "http://[::1]:11434/v1/chat/completions"),
    ],
)
def test_a_server_a_base_and_a_whole_path_lead_to_chat_completions(address: str, url: str) -> None:
    assert chat_completions_endpoint(address).url == url


def test_the_origin_leaves_the_path_out() -> None:
    assert chat_completions_endpoint("https://api.example:8443/hush/v1").origin == "https://api.example:8443"
    assert chat_completions_endpoint("http://[::1]:5/v1").origin == "http://[::1]:5"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("agent.localhost", True),
        ("10.0.0.1", False),
        ("gateway", False),
        ("127.0.0.1.example", False),
        ("localhost.example", False),
    ],
)
def test_this_machine_is_recognised(host: str, is_loopback: bool) -> None:
    assert chat_completions_endpoint(f"http://{host}:18789").is_loopback is is_loopback


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "is not set"),
        ("127.0.0.1:18789", "is not"),
        ("gateway:18789", "is not an http or https address"),
        ("ftp://agent/", "is not an http or https address"),
        ("http:///v1", "is not an http or https address"),
        ("http://agent:99999", "is not a valid address"),
        ("http://agent:0", "is not a valid address"),
        ("http://agent:port", "is not a valid address"),
        ("http://[::1", "is not"),
        ("http://agent/\nx", "is not a valid address"),
        ("http://alice:hush@agent/", "carries a user name or password"),
        ("http://hush@agent/", "carries a user name or password"),
        ("http://agent/v1?key=hush", "carries a query or fragment"),
        ("http://agent/v1#hush", "carries a query or fragment"),
        ("http://alice:hu/sh@agent/", "is not a valid address"),
    ],
)
def test_any_other_address_is_refused_and_not_repeated(address: str, problem: str) -> None:
    with pytest.raises(AgentError, match=f"SMS_AGENT_URL {problem}") as caught:
        chat_completions_endpoint(address)
    assert (caught.value.code, caught.value.retryable) == ("agent_not_configured", False)
    assert "hush" not in str(caught.value)
    assert_is_for_the_operator(caught.value)
