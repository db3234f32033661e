"""Is the agent there, and does it let us in? Asked without giving it anything to do.

An HTTP agent is asked for its list of models, which costs it nothing. One that has no such list still shows by its
answer that it is there; whether it would let us in is then not known. A function is imported, the echo is part of us.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

import httpx

from openclaw_sms.agents.base import AgentError, AgentErrorCode
from openclaw_sms.agents.chat_failures import failure_of_status, failure_of_transport
from openclaw_sms.agents.endpoint import chat_completions_endpoint
from openclaw_sms.agents.registry import build_agent
from openclaw_sms.agents.settings import AgentSettings

# No such page, no such method: whoever says that is there.
_NO_LIST = frozenset({400, 404, 405, 501})
_COMPLETIONS = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Reach:
    """`authorised` is None when it cannot be known, or when there is nothing to log in to. `code`: "" or an agent
    error code, with its `sentence`.
    """

    agent: str
    reachable: bool
    authorised: bool | None
    seconds: float
    code: str = ""
    sentence: str = ""


def reach(settings: AgentSettings, *, timeout: timedelta) -> Reach:
    """Never raises; takes `timeout` at most for each wait."""
    began = time.monotonic()
    try:
        authorised = _ask(settings, timeout)
    except AgentError as error:
        seconds = time.monotonic() - began
        refused = error.code == AgentErrorCode.REFUSED
        return Reach(_name(settings), refused, False if refused else None, seconds, error.code, str(error))
    return Reach(_name(settings), True, authorised, time.monotonic() - began)


def _name(settings: AgentSettings) -> str:
    """The kind alone: people paste tokens into the wrong variable."""
    if settings.spec in ("echo", "chat_completions", "webhook"):
        return settings.spec
    return "python_callable" if ":" in settings.spec else "unknown"


def _ask(settings: AgentSettings, timeout: timedelta) -> bool | None:
    """Whether we are let in; None when that is not known, or when there is no door. Raises `AgentError`."""
    agent = build_agent(settings)
    agent.close()
    if settings.spec != "chat_completions":
        return None
    endpoint = chat_completions_endpoint(settings.url)
    models = httpx.URL(endpoint.url)
    models = models.copy_with(path=models.path.removesuffix(_COMPLETIONS) + "/models")
    token = settings.bearer()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    failure: AgentError
    try:
        with httpx.Client(
            timeout=timeout.total_seconds(), trust_env=not endpoint.is_loopback, follow_redirects=False
        ) as client:
            response = client.get(models, headers={"accept": "application/json", **headers})
            if response.is_success:
                return True
            if response.status_code in _NO_LIST:
                return None
            failure = failure_of_status(response, endpoint.origin)
    except httpx.ReadTimeout:
        failure = AgentError(
            AgentErrorCode.TIMEOUT,
            f"The agent at {endpoint.origin} did not answer a small question within "
            f"{timeout.total_seconds():g} seconds: look at its log.",
        )
    except httpx.HTTPError as error:
        failure = failure_of_transport(error, endpoint.origin, timeout)
    # Raised out here so that the httpx error, which holds the token, is not chained to it.
    raise failure
