"""Plain HTTP on 127.0.0.1: a server that lasts for one `with` block, and a client that sends what it is told.

The pretend services of the journeys stand on this. Neither half is clever: the server never retries or
redirects, the client never follows, rewrites a target or adds a header of its own, because the journeys are
about exactly those bytes.
"""

import http.client
import socket
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, TypeVar

Value = TypeVar("Value")
Address = tuple[str, int]

CHUNK = 1024  # octets in one piece of a chunked upload: small enough that a 40 KB body needs many


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: header names in lower case, `path` and `query` undecoded, `at` monotonic."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: header names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode()


class LoopbackServer(ABC):
    """A threaded HTTP server on 127.0.0.1 and a free port; use it as a context manager.

    A subclass says what to answer; `None` drops the connection without a word. State is guarded by
    `changed`, which a subclass notifies, so that a test can wait for something to become true.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @abstractmethod
    def answer(self, request: Request) -> Answer | None:
        """Answer one request, in a thread of its own."""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def waits(self, seconds: float) -> None:
        """Hold the calling request for so long, or until the server closes."""
        self._closing.wait(seconds)

    def wait_until(self, look: Callable[[], Value | None], within: float) -> Value | None:
        """The first truthy value `look` gives; after `within` seconds, whatever it gives then."""
        deadline = time.monotonic() + within
        with self.changed:
            while not (seen := look()):
                left = deadline - time.monotonic()
                if left <= 0:
                    return seen
                self.changed.wait(left)
            return seen


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept-alive connection of a killed client must not hold the test up
    request_queue_size = 64
    owner: LoopbackServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up, or was killed, is what the journeys do; anything else is worth seeing."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        answer = self.server.owner.answer(self._request())
        if answer is None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = _serve  # noqa: N815 - the names the base class looks for

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, body, time.monotonic())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Say nothing: each server keeps its own record."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(
    address: Address,
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    chunked: bool = False,
) -> Answer:
    """Send one request and read its answer; `target` (path and query) goes out byte for byte."""
    with closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
        for name, value in {"Host": f"{address[0]}:{address[1]}", **(headers or {}), **length}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # a server may refuse before it read everything
            for piece in _chunks(body) if chunked else [body]:
                connection.send(piece)
        response = connection.getresponse()
        answered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read(), answered)


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), CHUNK):
        piece = body[start : start + CHUNK]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
