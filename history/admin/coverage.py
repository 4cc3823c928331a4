"""The page of the past: a calendar of months for each symbol, which can be verified and deleted."""

from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from hedgehog_project.tables import size
from history import coverage
from history.coverage import Month
from history.kinds import Kind
from history.models import HistoryFile
from history.periods import Period, month_of
from history.rows import row

_PAGE = "admin:history_historyfile_changelist"
_LETTERS = "JFMAMJJASOND"
_LEGEND = (
    ("full", "full"),
    ("part", "some days"),
    ("holes", "ids missing"),
    ("suspect", "suspect"),
    ("none", "none"),
)


@admin.register(HistoryFile)
class HistoryFileAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @staticmethod
    def _may_verify(request: HttpRequest) -> bool:
        return request.user.has_perm("history.verify_historyfile")

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where the admin's history links to."""
        return HttpResponseRedirect(reverse(_PAGE))

    delete_view = change_view

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request)
        rows = _calendars()
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "History",
            "calendars": rows,
            "legend": _LEGEND,
            "total": size(sum(each["bytes"] for each in rows)),
            "asks": self._asked(request, rows),
            "may_verify": self._may_verify(request),
            "may_delete": self.has_delete_permission(request),
        }
        return TemplateResponse(request, "history/coverage.html", context)

    def _asked(self, request: HttpRequest, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
        """What is to be deleted, where somebody wants to: asked first."""
        wanted = request.GET.get("delete", "")
        return next((each for each in rows if each["key"] == wanted), None)

    def _act(self, request: HttpRequest) -> HttpResponse:
        files = list(_of(request.POST.get("of", "")))
        action = request.POST.get("action")
        if action == "verify":
            if not self._may_verify(request):
                raise PermissionDenied
            self._do(request, files, _verify)
        elif action == "delete":
            if not self.has_delete_permission(request):
                raise PermissionDenied
            self._do(request, files, _delete)
        return HttpResponseRedirect(reverse(_PAGE))

    def _do(self, request: HttpRequest, files: list[HistoryFile], act: Any) -> None:
        if not files:
            self.message_user(request, "These files are gone.", messages.WARNING)
            return
        try:
            done, is_right = act(files[0].market, files[0].symbol, Kind(files[0].kind))
        except OSError as error:
            self.message_user(request, f"{error.strerror or error}: {error.filename or ''}", messages.ERROR)
            return
        self.log_change(request, files[0], done)
        self.message_user(request, done, messages.SUCCESS if is_right else messages.ERROR)


def _verify(market: str, symbol: str, kind: Kind) -> tuple[str, bool]:
    from history.index import check
    from history.shelf import Shelf

    problems = list(check(Shelf(settings.HEDGEHOG_HOME, market), symbol, kind))
    if problems:
        return f"{symbol} {kind}: {len(problems)} wrong. {problems[0]}", False
    return f"{symbol} {kind}: all files were read and are as they should be.", True


def _delete(market: str, symbol: str, kind: Kind) -> tuple[str, bool]:
    from history.index import follow
    from history.shelf import Shelf

    shelf = Shelf(settings.HEDGEHOG_HOME, market)
    count = len(shelf.paths(symbol, kind))
    shelf.clear(symbol, kind)
    follow(shelf, symbol, kind)
    return f"{symbol} {kind}: {count} file{'' if count == 1 else 's'} deleted.", True


def _of(key: str) -> Any:
    market, _, rest = key.partition("|")
    kind, _, symbol = rest.partition("|")
    return HistoryFile.objects.filter(market=market, kind=kind, symbol=symbol)


def _calendars() -> list[dict[str, Any]]:
    """For each symbol its years, each with twelve months."""
    groups: dict[tuple[str, str, str], list[HistoryFile]] = {}
    for file in HistoryFile.objects.defer("sha256", "origin"):
        groups.setdefault((file.market, file.kind, file.symbol), []).append(file)
    found = []
    for (market, kind, symbol), files in sorted(groups.items(), key=lambda each: (each[0][2], each[0])):
        months = coverage.months(row(file) for file in files if file.period)
        nameless = [file for file in files if not file.period]
        found.append(
            {
                "key": f"{market}|{kind}|{symbol}",
                "symbol": symbol,
                "kind": kind,
                "market": market,
                "files": len(files),
                "rows": sum(file.rows for file in files),
                "missing": sum(month.missing for month in months),
                "bytes": sum(file.bytes for file in files),
                "size": size(sum(file.bytes for file in files)),
                "checked": min((file.checked_at for file in files if file.checked_at), default=None),
                "doubts": [
                    *(f"{month.month.name}: {doubt}" for month in months for doubt in month.doubts),
                    *(f"{file.name}: {doubt}" for file in nameless for doubt in file.doubts),
                ][:10],
                "years": _years(months),
            }
        )
    return found


def _years(months: list[Month]) -> list[dict[str, Any]]:
    if not months:
        return []
    by_period = {month.month: month for month in months}
    first, last = months[0].month.first.year, months[-1].month.first.year
    return [
        {"year": year, "months": [_cell(month_of(date(year, n, 1)), by_period) for n in range(1, 13)]}
        for year in range(last, first - 1, -1)
    ]


def _cell(period: Period, by_period: dict[Period, Month]) -> dict[str, str]:
    month = by_period.get(period)
    letter = _LETTERS[period.first.month - 1]
    if month is None:
        return {"state": "none", "letter": letter, "text": f"{period.name}: none"}
    days = f", {month.days} of {period.last.day} days" if month.days < period.last.day else ""
    missing = f", {month.missing:,} ids missing" if month.missing else ""
    return {
        "state": str(month.state),
        "letter": letter,
        "text": f"{period.name}: {month.state}, {month.rows:,} rows{days}{missing}",
    }
