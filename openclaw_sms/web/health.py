"""For machines that watch: is the process up, may it be sent texts, and the numbers behind that."""

import hmac

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from openclaw_sms.diagnostics import metrics, readiness


def alive(request: HttpRequest) -> HttpResponse:
    """Asks nothing of the database, so that a slow disk does not get a live process killed."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 or 503, and why, as JSON."""
    found = readiness.look(timezone.now())
    answer = JsonResponse(found.as_json(), status=200 if found.ready else 503)
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def numbers(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; for whoever knows SMS_METRICS_TOKEN, when one is set."""
    if not _may_read(request):
        refused = HttpResponse("Give the token as: Authorization: Bearer TOKEN\n", "text/plain", status=401)
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    try:
        return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
    except DatabaseError:
        return HttpResponse("The database cannot be used.\n", "text/plain", status=503)


def _may_read(request: HttpRequest) -> bool:
    token = settings.SMS_METRICS_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(), token.encode())
    return not token or (known and scheme.lower() == "bearer")
