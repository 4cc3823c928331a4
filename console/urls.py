"""Pages beside the admin, for programs; and the admin's old addresses."""

from urllib.parse import quote

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import path, re_path, reverse

from console.admin import first_evening, glossary, saved_filters, search
from console.live.views import polled
from console.readyz import readyz


def renamed(request: HttpRequest, rest: str) -> HttpResponseRedirect:
    """The pages of denied orders by their old address, for one release."""
    query = request.META.get("QUERY_STRING", "")
    url = reverse("admin:trading_deniedorder_changelist") + quote(rest)
    return HttpResponseRedirect(f"{url}?{query}" if query else url)


urlpatterns = [
    path("readyz", readyz),
    # Asked for by browsers on pages that name no icon.
    path("favicon.ico", lambda request: HttpResponseRedirect(static("trading/icon.svg"))),
    path("admin/find/", admin.site.admin_view(search.view), name="search"),
    path("admin/glossary/", admin.site.admin_view(glossary.view), name="glossary"),
    path("admin/fold/first-evening/", admin.site.admin_view(first_evening.fold), name="fold_first_evening"),
    path("admin/filters/save/", admin.site.admin_view(saved_filters.save), name="save_filter"),
    path("admin/filters/<int:pk>/remove/", admin.site.admin_view(saved_filters.remove), name="remove_filter"),
    path("admin/live/state/", polled, name="live_state"),
    re_path(r"^admin/trading/heldback/(?P<rest>.*)$", renamed),
]
