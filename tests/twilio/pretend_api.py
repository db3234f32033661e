"""An HTTP server on loopback that answers as it is told, one answer a request, and remembers what it was
asked.
"""

import base64
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; with `hang` it comes that many seconds late, with `drop` the connection closes without it."""

    status: int = 201
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    hang: float = 0
    drop: bool = False
    claimed_length: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]
    login: str
    user_agent: str


@dataclass(slots=True)
class PretendApi:
    url: str
    asked: list[Asked] = field(default_factory=list)


def reply_json(status: int, answer: Any, **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, json.dumps(answer), (("Content-Type", "application/json"), *named))


@contextmanager
def pretend_api(*replies: Reply) -> Iterator[PretendApi]:
    """Serve `replies` in turn; the last one is repeated."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    api = PretendApi(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(api, replies)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(api: PretendApi, replies: Sequence[Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked = urlsplit(self.path)
            login = self.headers.get("Authorization", "").removeprefix("Basic ")
            api.asked.append(
                Asked(
                    self.command,
                    asked.path,
                    tuple(parse_qsl(asked.query)),
                    tuple(parse_qsl(body, keep_blank_values=True)),
                    base64.b64decode(login).decode(),
                    self.headers.get("User-Agent", ""),
                )
            )
            self._answer(replies[min(len(api.asked), len(replies)) - 1])

        def do_GET(self) -> None:
            self.do_POST()

        def _answer(self, reply: Reply) -> None:
            time.sleep(reply.hang)
            self.close_connection = True
            if reply.drop or reply.hang:
                return
            self.send_response(reply.status)
            self.send_header("Connection", "close")  # else the next request may race with our closing
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(reply.claimed_length or len(reply.body.encode())))
            self.end_headers()
            self.wfile.write(reply.body.encode())

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    return Handler
