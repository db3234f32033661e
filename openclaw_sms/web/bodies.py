"""Reading a request's body, bounded, whatever way it was sent."""

from typing import Protocol

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest


class BodyTooLarge(Exception):
    pass


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def read_body(request: HttpRequest, *, limit: int) -> bytes:
    """The raw body, at most `limit` bytes. Raises `BodyTooLarge` after reading one byte more at most.

    A chunked upload has no Content-Length, and Django then reads nothing. Servers that hand such a body over say
    that it ends by itself (`wsgi.input_terminated`); from those it is read directly.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge
    body = _source(request, declared).read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge
    return body


def _source(request: HttpRequest, declared: str) -> _Readable:
    if not declared and isinstance(request, WSGIRequest) and request.environ.get("wsgi.input_terminated"):
        stream: _Readable = request.environ["wsgi.input"]
        return stream
    return request
