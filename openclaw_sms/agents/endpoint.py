"""Where an agent over HTTP is reached.

Refuses an address that carries a user name, a password, a query or a fragment: the HTTP client logs the
address of every request, and a secret in it would be logged with it.
"""

import ipaddress
import re
from dataclasses import dataclass

import httpx

from openclaw_sms.agents.base import AgentError, AgentErrorCode

_VERSIONED = re.compile(r"/v\d+\w*$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`url` takes the POST; `origin` (scheme, host, port) is what sentences may show."""

    url: str
    origin: str
    is_loopback: bool


def chat_completions_endpoint(address: str) -> Endpoint:
    """The endpoint behind `SMS_AGENT_URL`.

    Accepted: a server (`http://127.0.0.1:18789`), a versioned base (`…/v1`), or the whole path ending in
    `/chat/completions`. `AgentError` `agent_not_configured` for anything else.
    """
    url = _sound(address)
    return _endpoint(url.copy_with(path=_completions_path(url.path)))


def webhook_endpoint(address: str) -> Endpoint:
    """The endpoint that `SMS_AGENT_URL` is, word for word. `AgentError` `agent_not_configured`."""
    return _endpoint(_sound(address))


def _sound(address: str) -> httpx.URL:
    if not address:
        raise _not_configured("is not set", "set it to the agent's address, such as http://127.0.0.1:18789")
    url = _parsed(address)
    if url.scheme not in {"http", "https"} or not url.host:
        raise _not_configured("is not an http or https address", "correct it")
    if url.userinfo:
        raise _not_configured("carries a user name or password", "move the secret to SMS_AGENT_TOKEN")
    if url.query or url.fragment:
        raise _not_configured("carries a query or fragment", "remove what follows the path")
    return url


def _endpoint(url: httpx.URL) -> Endpoint:
    return Endpoint(
        url=str(url),
        origin=f"{url.scheme}://{url.netloc.decode('ascii')}",
        is_loopback=_is_loopback(url.host),
    )


def _parsed(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = None
    if url is None or not (url.port is None or 0 < url.port < 65536):
        raise _not_configured("is not a valid address", "correct it")
    return url


def _completions_path(path: str) -> str:
    path = path.rstrip("/")
    if path.endswith("/chat/completions"):
        return path
    if _VERSIONED.search(path):
        return f"{path}/chat/completions"
    return f"{path}/v1/chat/completions"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _not_configured(problem: str, fix: str) -> AgentError:
    return AgentError(AgentErrorCode.NOT_CONFIGURED, f"SMS_AGENT_URL {problem}: {fix}.")
