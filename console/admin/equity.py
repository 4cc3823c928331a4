"""Profit: what trading has brought, as figures, as a chart of the gain, and line by line; the gain hour by hour."""

import csv
import json
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from console.admin import show
from console.admin.base import ReadOnlyAdmin, VenuesFilter
from hedgehog_project.venues import Venue
from trading.books import equity, profit
from trading.books.equity import Standing
from trading.books.left_over import Total
from trading.books.profit import CSV_COLUMNS, OF_BUDGET, By, Line, csv_row
from trading.core import money
from trading.models import Equity, Switch

# What the page and its chart look back on, in days; "" is everything.
SPANS = {"1": "24 hours", "7": "7 days", "30": "30 days", "": "All time"}
USUAL_SPAN = "7"
MAX_LINES = 300
MAX_LEFT = 8
# More points than a chart has pixels for.
MAX_POINTS = 400


@admin.register(Equity)
class EquityAdmin(ReadOnlyAdmin):
    list_display = ("begins", "where", "equity_", "realised_", "unrealised_", "held", "left", "budget_")
    list_filter = (("venue", VenuesFilter), "asset", ("hour", RangeDateTimeFilter))
    fields = (
        ("begins", "where", "asset", "measured"),
        ("equity_", "realised_", "unrealised_"),
        ("held_cost", "held_value", "budget", "unpriced"),
        ("left_cost", "left_value"),
        ("unvalued", "unvalued_held"),
    )
    readonly_fields = ("begins", "where", "measured", "equity_", "realised_", "unrealised_")

    @display(description="Hour", ordering="hour")
    def begins(self, row: Equity) -> SafeString | str:
        return show.moment(row.hour)

    @display(description="Measured")
    def measured(self, row: Equity) -> SafeString | str:
        return show.moment(row.measured_at)

    @display(description="Venue", ordering="venue")
    def where(self, row: Equity) -> SafeString:
        return show.venue(row.venue)

    @display(description="Gain", ordering="equity")
    def equity_(self, row: Equity) -> SafeString | str:
        return show.profit(row.equity, row.asset, row.unvalued + row.unvalued_held)

    @display(description="Realised", ordering="realised")
    def realised_(self, row: Equity) -> SafeString | str:
        return show.profit(row.realised, row.asset, row.unvalued)

    @display(description="Unrealised", ordering="unrealised")
    def unrealised_(self, row: Equity) -> SafeString | str:
        return show.profit(row.unrealised, row.asset, row.unvalued_held)

    @display(description="Position at cost", ordering="held_cost")
    def held(self, row: Equity) -> SafeString | str:
        return show.amount(row.held_cost, row.asset)

    @display(description="Leftover at cost", ordering="left_cost")
    def left(self, row: Equity) -> SafeString | str:
        return show.amount(row.left_cost, row.asset) if row.left_cost else show.NONE

    @display(description="Budget", ordering="budget")
    def budget_(self, row: Equity) -> SafeString | str:
        return show.amount(row.budget, row.asset)

    # --- the page of profit -----------------------------------------------------------------------
    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.profit_view)
        return [path("profit/", view, name="trading_profit"), *super().get_urls()]

    def profit_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Figures, chart and lines; with ?csv=1 the lines alone, all of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        venue = Switch.current()
        by = By(request.GET["by"]) if request.GET.get("by") in set(By) else By.DAY
        days = request.GET.get("days", USUAL_SPAN)
        days = days if days in SPANS else USUAL_SPAN
        since = timezone.now() - timedelta(days=int(days)) if days else None
        if request.GET.get("csv"):
            rows = ([*csv_row(line)] for line in profit.lines(venue, by, since))
            name = f"profit-{venue.replace('/', '-').replace(':', '-')}-by-{by}.csv"
            return StreamingHttpResponse(
                _csv(rows), content_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
            )
        standings = equity.standing(venue)
        held = [holding for each in standings.values() for holding in each.holdings]
        left = [each for standing in standings.values() for each in standing.left_over]
        places = list(profit.lines(venue, By.SYMBOL, since, held, left=left))
        found = iter(places) if by == By.SYMBOL else profit.lines(venue, by, since, held, places)
        lines = list(islice(found, MAX_LINES + 1))
        totals = profit.totals(places)
        asset = totals[0].asset if totals else next(iter(standings), "")
        chart = _chart(venue, asset, int(days) if days else None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Profit",
            "venue": show.venue(venue),
            "cards": _cards(standings, totals, SPANS[days]),
            "charts": json.dumps(chart),
            "has_course": len(chart["hours"]) > 1,
            "asset": asset,
            "by": by,
            "days": days,
            "choices": [
                ("by", [(each, each.value, each == by) for each in By], "days", days),
                ("days", [(each, text, each == days) for each, text in SPANS.items()], "by", by),
            ],
            "has_unrealised": by in (By.SYMBOL, By.SLOT),
            "lines": [_row(line) for line in lines[:MAX_LINES]],
            "totals": [_row(line) for line in totals],
            "of_budget": OF_BUDGET[by],
            "has_more": len(lines) > MAX_LINES,
            "max_lines": MAX_LINES,
            "left": [f"{each.symbol} {each.in_short}" for each in left[:MAX_LEFT]],
            "more_left": max(len(left) - MAX_LEFT, 0),
        }
        return TemplateResponse(request, "trading/profit.html", context)


def _csv(rows: Iterable[list[Any]]) -> Iterable[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(CSV_COLUMNS)
    for row in rows:
        yield writer.writerow(row)


class _Echo:
    """What csv writes to hands each line on."""

    def write(self, line: str) -> str:
        return line


def _cards(standings: dict[str, Standing], totals: list[Line], span: str) -> list[dict[str, Any]]:
    of_assets = list(standings.items())[:3]
    return [
        {
            "title": "Gain",
            "figures": [
                show.profit(each.equity, asset, each.unvalued + each.unvalued_held) for asset, each in of_assets
            ]
            or [show.NONE],
            "text": "realised plus unrealised, positions and leftovers at the last price",
        },
        {
            "title": "Realised",
            "figures": [
                show.profit(each.realised, asset, each.unvalued, _left(asset, each)) for asset, each in of_assets
            ]
            or [show.NONE],
            "text": "from finished cycles, net of commissions",
        },
        {
            "title": "Unrealised",
            "figures": [show.profit(each.unrealised, asset, each.unvalued_held) for asset, each in of_assets]
            or [show.NONE],
            "text": ", ".join(
                f"open positions cost {money.rounded(each.held_cost)} {asset}" for asset, each in of_assets
            )
            + "".join(f", {each.unpriced} without a price" for _, each in of_assets if each.unpriced),
        },
        {
            "title": span,
            "figures": [show.profit(line.realised, line.asset, line.unvalued) for line in totals[:3]] or [show.NONE],
            "text": ", ".join(
                f"{line.cycles:,} cycle{'' if line.cycles == 1 else 's'}"
                + (f", {_percent(line.share)} of {line.asset} budgets" if line.share else "")
                for line in totals[:3]
            ),
        },
    ]


def _left(asset: str, standing: Standing) -> Total | None:
    return Total(asset, tuple(standing.left_over)) if standing.left_over else None


def _chart(venue: Venue, asset: str, days: int | None) -> dict[str, Any]:
    """The series of equity; the page's script draws it, in the reader's time."""
    since = timezone.now() - timedelta(days=days or 36_500)
    rows = equity.course(venue, asset, since)
    step = max(1, -(-len(rows) // MAX_POINTS))
    rows = [row for n, row in enumerate(rows) if (len(rows) - 1 - n) % step == 0]
    return {
        "hours": [row.hour.isoformat() for row in rows],
        "has_days": True,
        # Floats are for the eye only.
        "equity": [float(row.equity) for row in rows],
        "realised": [float(row.realised) for row in rows],
    }


def _row(line: Line) -> dict[str, Any]:
    name: SafeString | str = line.name
    if line.trader is not None:
        name = show.link(reverse("admin:trading_trader_change", args=(line.trader.pk,)), line.name)
    return {
        "name": name,
        "cycles": show.moment(line.trader.finished_at) if line.trader else f"{line.cycles:,}",
        "realised": show.profit(line.realised, line.asset, line.unvalued, line.left_over),
        "share": _percent(line.share),
        "unrealised": show.profit(line.unrealised, line.asset, line.unvalued_held) if line.is_priced else "unknown",
        "unrealised_share": _percent(line.unrealised_share),
    }


def _percent(share: Decimal | None) -> str:
    return show.NONE if share is None else show.percent(round(share, 4))
