"""The console and the sandbox, which the project's own URLs leave out while no state file exists."""

from django.contrib import admin
from django.urls import include, path

admin.autodiscover()  # whatever ran before

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sandbox/", include("openclaw_sms.sandbox.urls")),
]
