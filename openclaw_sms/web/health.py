"""Is the process up? Asks nothing of the database, so that a slow disk does not get a live process killed."""

from django.http import HttpRequest, HttpResponse


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")
