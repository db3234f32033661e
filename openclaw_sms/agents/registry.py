"""From `SMS_AGENT` to the agent it names.

Each backend is imported only when it is chosen, so that `echo` never pays for an HTTP client. Never repeats
an unknown value in its error: people paste tokens into the wrong variable.
"""

from openclaw_sms.agents.base import Agent, AgentError, AgentErrorCode
from openclaw_sms.agents.settings import AgentSettings

__all__ = ["AgentSettings", "build_agent"]


def build_agent(settings: AgentSettings) -> Agent:
    """The agent that `settings.spec` names, ready to answer.

    `AgentError` `agent_not_configured` for a spec that names nothing, a module or function that is not there,
    or settings the backend cannot work with. No connection is made here.
    """
    if settings.spec == "echo":
        from openclaw_sms.agents.echo import Echo

        return Echo()
    if settings.spec == "chat_completions":
        from openclaw_sms.agents.chat_completions import ChatCompletions

        return ChatCompletions(settings)
    if settings.spec == "webhook":
        from openclaw_sms.agents.webhook import Webhook

        return Webhook(settings)
    if ":" in settings.spec:
        from openclaw_sms.agents.python_callable import PythonCallable

        return PythonCallable(settings.spec, history_turns=settings.history_turns)
    raise _unknown(settings.spec)


def _unknown(spec: str) -> AgentError:
    choices = "set it to echo, chat_completions, webhook or package.module:function"
    problem = "SMS_AGENT names no known agent" if spec else "SMS_AGENT is empty"
    return AgentError(AgentErrorCode.NOT_CONFIGURED, f"{problem}: {choices}.")
