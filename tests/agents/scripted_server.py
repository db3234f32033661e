"""A real HTTP server on loopback that does with a request exactly what a test tells it.

`tests.support` has a well-behaved agent for the journeys; this one exists to misbehave.
"""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request: header names in lower case, `peer_port` tells connections apart."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer_port: int

    @property
    def payload(self) -> object:
        return json.loads(self.body)


class Exchange(BaseHTTPRequestHandler):
    """The server's side of one request; a script answers through it."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner = self.server.owner
        owner.received.append(Received("POST", self.path, headers, body, self.client_address[1]))
        with suppress(ConnectionError):  # many clients here hang up on purpose
            owner.script(self)

    def gives(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        """Answer normally; `retry_after` becomes Retry-After."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begins(self, content_length: int) -> None:
        """Send the head of a 200 and none of its body."""
        self.send_response_only(200)
        self.send_header("content-length", str(content_length))
        self.end_headers()

    def waits(self, seconds: float) -> bool:
        """Whether the server is still open after so long."""
        return not self.server.owner.closing.wait(seconds)

    def hangs_up(self) -> None:
        """Drop the connection as it is."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Say nothing."""


Script = Callable[[Exchange], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: "ScriptedServer"


class ScriptedServer:
    """Runs `script` for every POST for as long as the `with` block lasts."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.received: list[Received] = []
        self.closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), Exchange)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def completion(content: object) -> bytes:
    """The body of a chat completion whose only choice says `content`."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def says(content: object) -> Script:
    """A script that answers every question with `content`."""
    return lambda exchange: exchange.gives(200, completion(content))
