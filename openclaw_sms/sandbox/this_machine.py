"""Who may use the sandbox: programs on this machine, and nobody else.

A tunnel or proxy on this machine connects from loopback too. Its visitors give themselves away by the name they
came under, or by the headers it adds.
"""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse

from openclaw_sms.twilio.callbacks import is_loopback

View = Callable[..., HttpResponse]

_FORWARDING_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")


def this_machine_only(view: View) -> View:
    """The view, which does not exist for anybody else: 404."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_from_this_machine(request):
            raise Http404
        return view(request, *args, **kwargs)

    return answer


def is_from_this_machine(request: HttpRequest) -> bool:
    """Connected from loopback, to a loopback name, with nobody in between."""
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    return (
        is_loopback(request.META.get("REMOTE_ADDR", ""))
        and is_loopback(host)
        and not any(name in request.headers for name in _FORWARDING_HEADERS)
    )
