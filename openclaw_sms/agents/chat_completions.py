"""An agent behind an OpenAI-compatible chat completions endpoint, an OpenClaw gateway above all.

An OpenClaw gateway keeps the history under the session key, so it gets the new text only, unless
`history_turns` says otherwise. Asks once: whether to ask again is the worker's decision. Never follows a
redirect, because the token would go with it.
"""

import time
from dataclasses import replace
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from openclaw_sms.agents.base import AgentError, AgentErrorCode, Question, Reply
from openclaw_sms.agents.chat_failures import (
    failure_of_status,
    failure_of_transport,
    too_large,
    took_too_long,
)
from openclaw_sms.agents.chat_format import reply_in, request_body, request_headers
from openclaw_sms.agents.endpoint import Endpoint, chat_completions_endpoint
from openclaw_sms.agents.settings import AgentSettings

CONNECT_TIMEOUT = timedelta(seconds=5)  # a listening agent accepts at once, wherever it is
WRITE_TIMEOUT = timedelta(seconds=30)  # a text and its history are a few kilobytes
POOL_TIMEOUT = timedelta(seconds=5)
LARGEST_ANSWER = 12 * 1024 * 1024  # bytes: more than all the pictures that one reply can carry, in base64


class ChatCompletions:
    """Posts each question, pictures and all, to the endpoint and returns the first choice's text and pictures.

    `read_timeout` bounds each wait for bytes and, from the first header on, the whole answer, so that an
    endpoint that drips cannot hold a sender for ever.
    """

    name = "chat_completions"

    def __init__(self, settings: AgentSettings) -> None:
        self.history_turns = settings.history_turns
        self._settings = settings
        self._endpoint = chat_completions_endpoint(settings.url)
        _refuse_unsendable(settings.token)
        self._client = open_client(self._endpoint, settings.read_timeout)

    def answer(self, question: Question) -> str | Reply:
        """The reply in markdown, "" if the model said nothing; every failure as an `AgentError`."""
        try:
            return reply_in(self._post(question))
        except httpx.HTTPError as error:
            failure = failure_of_transport(error, self._endpoint.origin, self._settings.read_timeout)
        # Raised out here so that the httpx error, which holds the token and the text, is not chained to it.
        raise failure

    def close(self) -> None:
        """Close the connections, those of running answers too."""
        self._client.close()

    def _post(self, question: Question) -> bytes:
        token = self._settings.bearer()
        _refuse_unsendable(token)
        give_up_at = time.monotonic() + self._settings.read_timeout.total_seconds()
        with self._client.stream(
            "POST",
            self._endpoint.url,
            content=request_body(question, self._settings),
            headers=request_headers(question, replace(self._settings, token=token)),
        ) as response:
            if not response.is_success:
                raise failure_of_status(response, self._endpoint.origin)
            return self._bounded_body(response, give_up_at)

    def _bounded_body(self, response: httpx.Response, give_up_at: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_raw():  # raw: decompression could grow one chunk a thousandfold
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise too_large(self._endpoint.origin, LARGEST_ANSWER)
            if time.monotonic() > give_up_at:
                raise took_too_long(self._endpoint.origin, self._settings.read_timeout)
        return bytes(body)


def open_client(endpoint: Endpoint, read_timeout: timedelta) -> httpx.Client:
    """A client that shares nothing between two senders but the process.

    Each answer has a connection of its own: a kept one may be closed by the agent in the very moment it is
    used, and a text lost that way cannot safely be sent again, while a new connection costs milliseconds of a
    turn that takes seconds. No cookie is kept, or one sender's would speak for the next. Proxies of the
    environment are honoured, but never for an agent on this machine.
    """
    try:
        return httpx.Client(
            timeout=httpx.Timeout(
                connect=CONNECT_TIMEOUT.total_seconds(),
                read=read_timeout.total_seconds(),
                write=WRITE_TIMEOUT.total_seconds(),
                pool=POOL_TIMEOUT.total_seconds(),
            ),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=0),
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "connection": "close",
                "user-agent": "openclaw-sms",
            },
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
            trust_env=not endpoint.is_loopback,
            follow_redirects=False,
        )
    except (ImportError, OSError, ValueError):  # such as a SOCKS proxy without its package, a missing CA file
        raise AgentError(
            AgentErrorCode.NOT_CONFIGURED,
            "The proxy or certificate settings of the environment cannot be used for SMS_AGENT_URL: "
            "correct HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE, or add the agent to NO_PROXY.",
        ) from None


def _refuse_unsendable(token: str) -> None:
    """A header carries visible ASCII; httpx would quote the whole token in its own complaint."""
    if not all("!" <= character <= "~" for character in token):
        raise AgentError(
            AgentErrorCode.NOT_CONFIGURED,
            "SMS_AGENT_TOKEN contains a space, a line break or a character outside ASCII: copy it again.",
        )
