"""The console, the API, health and, when it is on, the sandbox. Webhook paths are not here: accounts choose them."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from openclaw_sms.admin.help import page_view
from openclaw_sms.web import health

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/help/<slug:page>/", admin.site.admin_view(page_view), name="help"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("openclaw_sms.web.api.urls")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.numbers),
    path("", RedirectView.as_view(pattern_name="admin:index", permanent=False)),
]
if settings.SMS_SANDBOX:
    urlpatterns.append(path("sandbox/", include("openclaw_sms.sandbox.urls")))
