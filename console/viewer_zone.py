"""Pages in the reader's own time zone: the page's script says which it is in a cookie, and the server keeps to it."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "timezone"  # set by static/trading/admin.js


@lru_cache(maxsize=100)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; UTC where there is none: a cookie may hold anything."""
    return ZoneInfo(name) if name in _names() else ZoneInfo("UTC")


def midnight(zone: tzinfo, now: datetime) -> datetime:
    """The last one in a zone: where a clock is set back over it, the first of the two."""
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def in_viewers_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: everything that a page renders, "today" included, is in the reader's zone. Exports say UTC."""

    def answer(request: HttpRequest) -> HttpResponse:
        with timezone.override(zone(request.COOKIES.get(COOKIE, ""))):
            return get_response(request)

    return answer
