"""Profit: what trading has brought, as figures, as a chart of the gain, and line by line; the gain hour by hour."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from console import profit_figures
from console.admin import profit_parts, show
from console.admin.base import ReadOnlyAdmin, VenuesFilter
from console.admin.profit_parts import Column
from console.profit_figures import Span
from hedgehog_project.venues import Venue
from trading.books import equity, profit
from trading.books.equity import Standing
from trading.books.left_over import Total
from trading.books.profit import CSV_COLUMNS, OF_BUDGET, By, Line, csv_row
from trading.books.statistics import Bars, next_of
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
        chosen = _chosen(request)
        span = chosen.span
        if request.GET.get("csv"):
            rows = ([*csv_row(line)] for line in profit.lines(venue, by, span.since, until=span.until))
            name = f"profit-{venue.replace('/', '-').replace(':', '-')}-by-{by}.csv"
            return StreamingHttpResponse(
                _csv(rows), content_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
            )
        standings = equity.standing(venue)
        held = [holding for each in standings.values() for holding in each.holdings]
        left = [each for standing in standings.values() for each in standing.left_over]
        is_now = span.until is None  # What is held now belongs to no span that ended before.
        shown_held = held if is_now else []
        places = list(
            profit.lines(venue, By.SYMBOL, span.since, shown_held, left=left if is_now else [], until=span.until)
        )
        found = (
            iter(places)
            if by == By.SYMBOL
            else profit.lines(venue, by, span.since, shown_held, places, until=span.until, max_cycles=MAX_LINES + 1)
        )
        lines = list(islice(found, MAX_LINES + 1))
        totals = profit.totals(places)
        asset = totals[0].asset if totals else next(iter(standings), "")
        chart = _chart(venue, asset, chosen)
        figures = profit_figures.figures(venue, asset, places, span)
        holding = profit_figures.holding(venue, places, span) if by == By.SYMBOL else {}
        has_unrealised = by in (By.SYMBOL, By.SLOT) and is_now
        columns = profit_parts.columns(has_unrealised, holding)
        sort = request.GET.get("sort", "")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Profit",
            "venue": show.venue(venue),
            "cards": _cards(standings, totals, chosen.text),
            "figures": figures.in_words,
            "charts": json.dumps(chart),
            "has_course": len(chart["hours"]) > 1,
            "asset": asset,
            "by": by,
            "chosen": chosen,
            "address": chosen.address(by=by),
            "choices": [
                [(chosen.address(by=each), f"by {each}", each == by) for each in By],
                [
                    (f"?by={by}&bars={chosen.bars}&days={each}", text, each == chosen.days)
                    for each, text in SPANS.items()
                ],
            ],
            "bars": profit_parts.bars_svg(profit_figures.bars(venue, asset, chosen.bars, span), chosen.bars, asset),
            "bars_choices": [(chosen.address(by=by, bars=each), each.value, each == chosen.bars) for each in Bars],
            "month": {
                "name": f"{chosen.month:%B %Y}",
                "weeks": profit_parts.weeks_of(chosen.month, profit_figures.month(venue, asset, chosen.month), asset),
                "before": chosen.address(by=by, month=f"{chosen.month - timedelta(days=1):%Y-%m}"),
                "after": chosen.address(by=by, month=f"{next_of(chosen.month, Bars.MONTH):%Y-%m}"),
            },
            "heads": _heads(chosen, by, columns, sort),
            "lines": [_row(line, columns) for line in profit_parts.in_order(lines[:MAX_LINES], columns, sort)],
            "totals": [_row(line, columns) for line in totals],
            "columns": len(columns) + 2,
            "of_budget": OF_BUDGET[by],
            "has_more": len(lines) > MAX_LINES,
            "max_lines": MAX_LINES,
            "left": [f"{each.symbol} {each.in_short}" for each in left[:MAX_LEFT]],
            "more_left": max(len(left) - MAX_LEFT, 0),
        }
        return TemplateResponse(request, "trading/profit.html", context)


@dataclass(frozen=True)
class _Chosen:
    """What of the past the page shows: the last days, or from one day to another in the reader's time zone."""

    days: str  # a key of SPANS; "-" where days are named
    first: date | None
    last: date | None
    bars: Bars
    month: date  # its first day

    @property
    def span(self) -> Span:
        if self.days != "-":
            return Span(timezone.now() - timedelta(days=int(self.days)) if self.days else None)
        zone = timezone.get_current_timezone()
        since = None if self.first is None else datetime.combine(self.first, time.min, zone)
        until = None if self.last is None else datetime.combine(self.last + timedelta(days=1), time.min, zone)
        return Span(since, until)

    @property
    def text(self) -> str:
        if self.days != "-":
            return SPANS[self.days]
        days = [f"{word} {day.day} {day:%b %Y}" for word, day in (("from", self.first), ("to", self.last)) if day]
        return capfirst(" ".join(days))

    def address(self, **changed: Any) -> str:
        """The page's address with these choices and the ones that were made."""
        made = {"from": self.first or "", "to": self.last or ""} if self.days == "-" else {"days": self.days}
        return "?" + urlencode({**made, "bars": self.bars, "month": f"{self.month:%Y-%m}", **changed})


def _chosen(request: HttpRequest) -> _Chosen:
    first, last = _day(request.GET.get("from")), _day(request.GET.get("to"))
    days = request.GET.get("days", USUAL_SPAN)
    days = "-" if first or last else days if days in SPANS else USUAL_SPAN
    bars = Bars(request.GET["bars"]) if request.GET.get("bars") in set(Bars) else Bars.DAY
    today = timezone.now().astimezone(UTC).date()
    return _Chosen(days, first, last, bars, (_day(f"{request.GET.get('month')}-01") or last or today).replace(day=1))


def _day(text: str | None) -> date | None:
    """None for whatever is no day, or one that no calendar has before or after."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 1970 < found.year < 9000 else None


def _heads(chosen: _Chosen, by: By, columns: list[Column], sort: str) -> list[dict[str, Any]]:
    name = f"{by.capitalize()} (UTC)" if by == By.DAY else by.capitalize()
    heads = [("name", name), ("cycles", "Finished" if by == By.CYCLE else "Cycles")]
    heads += [(column.key, column.head) for column in columns]
    return [
        {
            "text": text,
            "url": chosen.address(by=by, sort=key if sort == f"-{key}" else f"-{key}"),
            "sorted": "descending" if sort == f"-{key}" else "ascending" if sort == key else "",
            "is_right": key != "name",
        }
        for key, text in heads
    ]


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
                + (f", {profit_parts.percent(line.share)} of {line.asset} budgets" if line.share else "")
                for line in totals[:3]
            ),
        },
    ]


def _left(asset: str, standing: Standing) -> Total | None:
    return Total(asset, tuple(standing.left_over)) if standing.left_over else None


def _chart(venue: Venue, asset: str, chosen: _Chosen) -> dict[str, Any]:
    """The series of the gain; the page's script draws it, in the reader's time."""
    span = chosen.span
    rows = equity.course(venue, asset, span.since or timezone.now() - timedelta(days=36_500))
    rows = [row for row in rows if span.until is None or row.hour < span.until]
    step = max(1, -(-len(rows) // MAX_POINTS))
    rows = [row for n, row in enumerate(rows) if (len(rows) - 1 - n) % step == 0]
    return {
        "hours": [row.hour.isoformat() for row in rows],
        "has_days": True,
        # Floats are for the eye only.
        "equity": [float(row.equity) for row in rows],
        "realised": [float(row.realised) for row in rows],
    }


def _row(line: Line, columns: list[Column]) -> dict[str, Any]:
    name: SafeString | str = line.name
    if line.trader is not None:
        name = show.link(reverse("admin:trading_trader_change", args=(line.trader.pk,)), line.name)
    return {
        "name": name,
        "cycles": show.moment(line.trader.finished_at) if line.trader else f"{line.cycles:,}",
        "cells": [(column.head, column.shows(line)) for column in columns],
    }
