"""Views of lists that a reader has given names: chips above the list, each a link with its filters and search."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import NoReverseMatch, reverse

from trading.models import SavedFilter
from trading.models.pages import MAX_NAME

MAX_PER_LIST = 20
# Where a page begins and how it is framed is no filter.
NOT_FILTERS = frozenset({"before", "after", "p", "e", "_popup", "_to_field", "_changelist_filters"})


def of_list(request: HttpRequest, opts: "Options[Any]") -> dict[str, Any]:
    """What trading/saved_filters.html shows: the reader's filters of this list, and the one that is in use."""
    now = _cleaned(request.GET.urlencode())
    rows = list(SavedFilter.objects.filter(user=reader(request), page=opts.label_lower))
    return {
        "saved_filters": [{"row": row, "is_on": row.query == now} for row in rows],
        "filter_page": opts.label_lower,
        "filter_query": now,
        "may_save_filter": bool(now) and all(row.query != now for row in rows),
        "max_filter_name": MAX_NAME,
    }


def reader(request: HttpRequest) -> User:
    """Who asks for a page of the admin, which nobody sees without a login."""
    assert isinstance(request.user, User)
    return request.user


def save(request: HttpRequest) -> HttpResponse:
    """Names what the list shows now; a name that there is already gets the new filters."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    page, query = request.POST.get("page", ""), _cleaned(request.POST.get("query", ""))
    name = " ".join(request.POST.get("name", "").split())[:MAX_NAME]
    user = reader(request)
    mine = SavedFilter.objects.filter(user=user, page=page)
    if not name or not query or len(query) > 1000:
        messages.error(request, "Not saved: a filter needs a name, and something that it filters.")
    elif mine.count() >= MAX_PER_LIST and not mine.filter(name=name).exists():
        messages.error(request, f"Not saved: a list keeps {MAX_PER_LIST} filters. Remove one first.")
    elif _address(page):
        SavedFilter.objects.update_or_create(user=user, page=page, name=name, defaults={"query": query})
    return _back_to(page, query)


def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Forgets one of the reader's own; the list stays as it is."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    row = SavedFilter.objects.filter(user=reader(request), pk=pk).first()
    if row is None:  # In another window, a moment ago.
        return HttpResponseRedirect(reverse("admin:index"))
    row.delete()
    return _back_to(row.page, _cleaned(request.POST.get("query", "")))


def _back_to(page: str, query: str) -> HttpResponse:
    address = _address(page)
    return HttpResponseRedirect(f"{address}?{query}" if address and query else address or reverse("admin:index"))


def _address(page: str) -> str:
    """Of the list; empty where there is none of that name."""
    try:
        return reverse(f"admin:{page.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""


def _cleaned(query: str) -> str:
    """The filters of an address in one order, so that equal ones are equal."""
    found = QueryDict(query)
    kept = QueryDict(mutable=True)
    for name in sorted(found):
        values = [value for value in found.getlist(name) if value]
        if values and name not in NOT_FILTERS:
            kept.setlist(name, values)
    return kept.urlencode()
