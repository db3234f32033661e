"""`SMS_AGENT` picks the agent, and says what to do when it picks none."""

import subprocess
import sys

import pytest

from openclaw_sms.agents import AgentError, AgentSettings, build_agent
from tests.agents.cast import assert_is_for_the_operator


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("echo", "echo"),
        ("chat_completions", "chat_completions"),
        ("tests.agents.functions:shout", "python_callable"),
    ],
)
def test_each_spec_builds_its_agent(spec: str, name: str) -> None:
    agent = build_agent(AgentSettings(spec=spec, url="http://127.0.0.1:18789", history_turns=2))
    assert agent.name == name
    assert agent.history_turns == (0 if name == "echo" else 2)
    agent.close()


def test_the_default_is_echo() -> None:
    assert build_agent(AgentSettings()).name == "echo"


@pytest.mark.parametrize("spec", ["", "web-hook", "chat-completions", "Echo", "package.module", "sk-secret"])
def test_an_unknown_spec_is_refused_with_the_choices_and_is_not_repeated(spec: str) -> None:
    with pytest.raises(AgentError) as caught:
        build_agent(AgentSettings(spec=spec))
    assert caught.value.code == "agent_not_configured"
    assert not caught.value.retryable
    assert_is_for_the_operator(caught.value)
    for word in ("SMS_AGENT", "echo", "chat_completions", "webhook", "package.module:function"):
        assert word in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_the_package_and_echo_load_neither_django_nor_an_http_client() -> None:
    program = (
        "import sys; from openclaw_sms.agents import AgentSettings, build_agent;"
        "build_agent(AgentSettings());"
        "print([name for name in ('django', 'httpx') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
