"""The console and the sandbox, which the project's own URLs leave out while no state file exists."""

from django.contrib import admin
from django.urls import include, path

from openclaw_sms.admin.help import page_view

admin.autodiscover()  # whatever ran before

urlpatterns = [
    path("admin/help/<slug:page>/", admin.site.admin_view(page_view), name="help"),
    path("admin/", admin.site.urls),
    path("sandbox/", include("openclaw_sms.sandbox.urls")),
]
