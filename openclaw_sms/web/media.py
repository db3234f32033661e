"""Twilio's way to our files: one GET or HEAD below an account's webhook path, with a signed token in the address.

Nobody logs in here: who has the address may fetch the file for the ten minutes it is good for, as often as they like.
A forged, an expired and another account's token are the same 404.
"""

from django.http import HttpRequest, HttpResponse

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import hosting

ALLOWED = ("GET", "HEAD")


def media(request: HttpRequest, *, account: Account, token: str) -> HttpResponse:
    """200 with the file · 404 unknown, expired or erased · 405 with Allow."""
    if request.method not in ALLOWED:
        return _plain("Method not allowed", 405, Allow=", ".join(ALLOWED))
    hosted = hosting.find(token, account)
    if hosted is None:
        return _plain("Not found", 404)
    response = HttpResponse(b"" if request.method == "HEAD" else hosted.data, content_type=hosted.content_type)
    response["Content-Length"] = str(hosted.size)
    # Twilio names the file on the phone after this, and asks for no more than 20 characters.
    response["Content-Disposition"] = f'inline; filename="{hosted.name}"'
    return _guarded(response)


def _plain(sentence: str, status: int, **headers: str) -> HttpResponse:
    response = HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
    response["Content-Length"] = str(len(response.content))
    return _guarded(response)


def _guarded(response: HttpResponse) -> HttpResponse:
    """Kept by nobody, and run by nobody: a browser that gets here shows the file and nothing else."""
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
