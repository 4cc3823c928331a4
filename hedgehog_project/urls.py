"""The admin is the whole site."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView


def healthz(request: HttpRequest) -> HttpResponse:
    """Says that the web server answers; touches neither database nor Redis."""
    return HttpResponse("ok\n", content_type="text/plain")


# Not when any process starts: it takes a third of that time, and only the web server shows it.
admin.autodiscover()

handler404, handler403 = "console.missing.not_found", "console.missing.forbidden"
urlpatterns = [
    path("healthz", healthz),
    # By its name: what trading knows of is above this room.
    path("", include("console.urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
