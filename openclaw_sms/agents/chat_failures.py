"""What a failed call to a chat completions endpoint means: one table, one sentence each.

Retryable are a connection that was never made, and 429, 502 and 503, by which a server says that it did not
take the text on. After a lost connection or a timeout nobody can tell whether it did, and the format has no
idempotency key: asking again could make the agent act twice. Never quotes the answer: it may quote the text.
"""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx

from openclaw_sms.agents.base import AgentError, AgentErrorCode
from openclaw_sms.agents.retry_after import wait_asked_for

_BUSY = frozenset({429, 502, 503})
_REFUSED = frozenset({401, 403})
_NEXT_STEPS: Mapping[int, str] = {
    400: "check SMS_AGENT_MODEL and the agent's log",
    404: (
        "correct SMS_AGENT_URL or SMS_AGENT_MODEL, or, on an OpenClaw gateway, "
        "turn gateway.http.endpoints.chatCompletions.enabled on"
    ),
}


def failure_of_status(
    response: httpx.Response, origin: str, *, next_steps: Mapping[int, str] = _NEXT_STEPS
) -> AgentError:
    """What an answer other than success means. Reads status and headers only; `next_steps` by status."""
    status = response.status_code
    if status in _BUSY:
        return AgentError(
            AgentErrorCode.BUSY,
            f"The agent at {origin} is busy or restarting (HTTP {status}): "
            "wait for the next try, or look at its log if this goes on.",
            retryable=True,
            retry_after=wait_asked_for(response.headers, now=datetime.now(UTC)),
        )
    if status in _REFUSED:
        return AgentError(
            AgentErrorCode.REFUSED,
            f"The agent at {origin} does not let this gateway in (HTTP {status}): correct SMS_AGENT_TOKEN.",
        )
    if status == 504:
        return AgentError(
            AgentErrorCode.TIMEOUT,
            f"A proxy in front of the agent at {origin} stopped waiting (HTTP 504): "
            "raise the proxy's time limit, then choose Answer now.",
        )
    if response.has_redirect_location:
        return AgentError(
            AgentErrorCode.FAILED,
            f"The agent at {origin} redirects elsewhere (HTTP {status}), where the token is not sent: "
            "set SMS_AGENT_URL to the final address.",
        )
    next_step = next_steps.get(status, "look at its log, then choose Answer now")
    return AgentError(AgentErrorCode.FAILED, f"The agent at {origin} failed (HTTP {status}): {next_step}.")


def failure_of_transport(error: httpx.HTTPError, origin: str, read_timeout: timedelta) -> AgentError:
    """What it means that no whole answer came."""
    match error:
        case httpx.ConnectError() if _is_tls(error):
            return _unreachable(
                f"No secure connection to the agent at {origin}: "
                "check its certificate, and whether SMS_AGENT_URL should begin with http."
            )
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return _unreachable(f"Nothing takes connections at {origin}: start the agent, or correct SMS_AGENT_URL.")
        case httpx.ProxyError():
            return _unreachable(
                f"The proxy does not connect to {origin}: correct HTTP_PROXY, or add the agent to NO_PROXY."
            )
        case httpx.PoolTimeout():
            return AgentError(
                AgentErrorCode.BUSY,
                "Too many texts are being answered at once: wait for the next try, or run fewer workers.",
                retryable=True,
            )
        case httpx.TimeoutException():
            return took_too_long(origin, read_timeout)
    return AgentError(
        AgentErrorCode.FAILED,
        f"The connection to the agent at {origin} broke before its answer was complete: "
        "look at its log for whether it acted on the text, and if not, choose Answer now.",
    )


def took_too_long(origin: str, read_timeout: timedelta) -> AgentError:
    """The answer was not complete in time, and hanging up cancels a run of an OpenClaw gateway."""
    return AgentError(
        AgentErrorCode.TIMEOUT,
        f"The agent at {origin} did not answer within {read_timeout.total_seconds():g} seconds, and hanging "
        "up may have cancelled its run while the text stays in its session: "
        "raise SMS_AGENT_TIMEOUT, then choose Answer now.",
    )


def too_large(
    origin: str, limit: int, *, fix: str = "check that SMS_AGENT_URL is an OpenAI-compatible endpoint"
) -> AgentError:
    """The answer was cut off unread at `limit` bytes."""
    return AgentError(
        AgentErrorCode.MISBEHAVED,
        f"The agent at {origin} sent more than {limit} bytes: {fix}.",
    )


def _unreachable(sentence: str) -> AgentError:
    return AgentError(AgentErrorCode.UNREACHABLE, sentence, retryable=True)


def _is_tls(error: BaseException) -> bool:
    """httpx keeps the socket's own error in the chain only."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
