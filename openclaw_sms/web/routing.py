"""Webhook paths, looked up at run time and served in front of everything else.

Accounts choose their own paths and may change them while the gateway runs, so they are not in a URLconf. And a text
from Twilio must meet no other layer: no redirect (Twilio would come back with a GET and without the text), no host
check (the Host header says nothing that the signature does not say better), no session, no cookie.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from openclaw_sms.config import accounts
from openclaw_sms.messaging.hosting import SEGMENT
from openclaw_sms.web.media import media
from openclaw_sms.web.webhooks import webhook


class WebhookRoutes:
    """Middleware: a request for an account's webhook path, with or without a slash at its end, goes to `webhook`.

    What is below its `/media/` goes to `media`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info.rstrip("/") or "/"
        if accounts.is_reserved(path):
            return self.get_response(request)
        account = accounts.current().by_path.get(path)
        if account is None:
            return self._below(request, path)
        response = webhook(request, account=account)
        response.render()
        response.headers["Content-Length"] = str(len(response.content))  # else the connection cannot be kept
        return response

    def _below(self, request: HttpRequest, path: str) -> HttpResponseBase:
        """A file that Twilio fetches, somebody else's page, or nothing."""
        webhook_path, _, token = path.rpartition(SEGMENT)
        account = accounts.current().by_path.get(webhook_path)
        if account is not None:
            return media(request, account=account, token=token)
        return self.get_response(request) if is_known(request.path_info) else not_found()


def is_known(path: str) -> bool:
    """Whether anything else is served at the path."""
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def not_found() -> HttpResponseNotFound:
    """For a path that was an account's, or will be: whatever its host is called, it is simply not there."""
    return HttpResponseNotFound("Not found", content_type="text/plain; charset=utf-8")
