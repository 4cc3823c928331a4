"""The start page: what goes on, whether it goes well, and why it may not."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from console import blockers, diagnosis, figures, readyz
from console.admin import first_evening, show
from console.admin.symbols import last_price
from console.findings import Severity, Topic
from console.words import notes
from hedgehog_project import processes
from hedgehog_project.health import Progress
from hedgehog_project.venues import Venue
from trading.books import profit
from trading.books.left_over import LeftOver, by_quote_asset, left_over
from trading.core import money
from trading.core.money import plain
from trading.core.orders import UNVALUED
from trading.core.strategy import TraderState
from trading.models import Order, Orphan, Trader
from trading.models.orphans import Resolution
from trading.models.traders import ENDED
from trading.reconciliation.reconcile import last, venues_in_use

ROWS = 10
MAX_SYMBOLS = 20
LOOKED_AT = 500


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK. What refreshes itself is asked for by htmx, and comes without the frame."""
    facts = diagnosis.gather()
    # What denies everything has a banner of its own, with its button.
    findings = [each for each in diagnosis.diagnose(facts) if each.topic != Topic.SWITCH]
    venue, lines = facts.venue, facts.lines
    left = left_over(venue, {line.name: line.last_trade for line in lines if line.last_trade})
    hours = figures.hours(venue)
    profits = profit.profits(venue)
    return context | {
        "frame": "trading/bare.html" if request.headers.get("HX-Request") else "admin/base.html",
        "first_evening": first_evening.strip(request),
        "venue": venue,
        "mode_badge": show.mode(facts.switch.mode),
        "alarms": [each for each in findings if each.severity == Severity.ALARM],
        "hints": [each for each in findings if each.severity != Severity.ALARM],
        "cards": _cards(venue, profits, hours, left.values()),
        "charts": json.dumps(_charts(hours, profits)),
        "profit_asset": profits[0].asset if profits else "",
        "profit_unvalued": UNVALUED if profits and any(hour.unvalued[profits[0].asset] for hour in hours) else "",
        "symbols": _symbols(lines, left),
        "processes": [_process(state) for state in facts.states],
        "progress": _progress(facts.seen),
        "budgets": [f"Rate limits at {budget.host}: {blockers.used(budget)}" for budget in facts.rate_limits],
        "unclear": [_unclear(order) for order in blockers.unclear_orders().select_related("symbol")[:ROWS]],
        "waiting": blockers.waiting(venue),
        "reconciled": _reconciled(),
        "orphans": Orphan.objects.filter(resolution=Resolution.UNRESOLVED).count(),
        "orders": _open_orders(venue),
        "cycles": _last_cycles(venue),
        "flower_url": show.flower_url(),
        "now": show.moment(timezone.now()),
    }


def _cards(
    venue: Venue, profits: list[profit.Profit], hours: list[figures.Hour], left: Iterable[LeftOver]
) -> list[dict[str, Any]]:
    left_of = by_quote_asset(left)
    orders, submitting = figures.order_counts(venue)
    states = figures.traders_by_state(venue)
    last_hour = figures.cycles_since(venue, timezone.now() - timedelta(hours=1))
    orders_page = reverse("admin:trading_order_changelist")
    traders_page = reverse("admin:trading_trader_changelist")
    return [
        {
            "title": "Realised profit",
            "figures": [
                show.profit(profit.total, profit.asset, profit.unvalued, left_of.get(profit.asset))
                for profit in profits[:3]
            ]
            or [show.NONE],
            "text": ", ".join(_last_day(profit) for profit in profits[:3]) + " in 24 h"
            if profits
            else "No finished cycles yet",
            "url": reverse("admin:trading_profit"),
        },
        {
            "title": "Cycles in the last hour",
            "figures": [last_hour],
            "text": f"{sum(hour.cycles for hour in hours)} in 24 h",
            "url": f"{traders_page}?show=finished",
        },
        {
            "title": "Active traders",
            "figures": [sum(states.values())],
            "text": ", ".join(f"{count} {state.lower()}" for state, count in states.items()) or "None",
            "url": f"{traders_page}?show=active",
        },
        {
            "title": "Open orders",
            "figures": [orders],
            "text": f"{submitting} in flight" if submitting else "All confirmed" if orders else "None",
            "url": f"{orders_page}?show=open",
        },
    ]


def _last_day(profit: profit.Profit) -> str:
    return figures.marked(f"{_signed(profit.last_day)} {profit.asset}", profit.unvalued_last_day)


def _signed(value: Decimal) -> str:
    return f"{'+' if value > 0 else ''}{money.rounded(value)}"


def _charts(hours: list[figures.Hour], profits: list[profit.Profit]) -> dict[str, Any]:
    """The series of both charts; the page's script draws them with Unfold's Chart.js, in the reader's time."""
    asset = profits[0].asset if profits else ""
    gained = [hour.profit.get(asset, Decimal(0)) for hour in hours]
    sums = [sum(gained[: n + 1], Decimal(0)) for n in range(len(gained))]
    return {
        "hours": [hour.begins.isoformat() for hour in hours],
        "cycles": [hour.cycles for hour in hours],
        # Floats are for the eye only.
        "profit": [float(total) for total in sums],
    }


def _symbols(lines: Iterable[figures.SymbolLine], left: Mapping[int, LeftOver]) -> list[dict[str, Any]]:
    shown = sorted((line for line in lines if line.is_of_interest), key=lambda line: (not line.is_trading, line.name))
    return [
        {
            "name": show.link(reverse("admin:trading_symbol_change", args=(line.pk,)), line.name),
            "streaming": show.badge("on" if line.is_streaming else "off", "success" if line.is_streaming else ""),
            "trading": show.badge("on" if line.is_trading else "off", "success" if line.is_trading else ""),
            "price": last_price(line.last_trade, line.quote_asset),
            "traders": line.traders,
            "cycles": line.cycles_finished,
            "profit": show.profit(line.profit, line.quote_asset, line.unvalued, left.get(line.pk)),
        }
        for line in shown[:MAX_SYMBOLS]
    ]


def _process(state: processes.ProcessState) -> dict[str, Any]:
    return {
        "name": state.name.replace("_", " "),
        "alive": state.alive,
        "is_down": state.alive is False,
        "age": "" if state.age_s is None else f"{figures.age(state.age_s)} ago",
        "note": state.note,
    }


def _progress(seen: Progress | None) -> list[str]:
    """How far everything gets: the leader, the queues, the fills."""
    found = []
    if seen is not None:
        found.append(f"Leader last finished {_ago(seen.led_s)}")
        found += [
            f"Tasks waiting in queue {each.name}: {each.length}, oldest {figures.age(each.oldest_s)}"
            for each in seen.queues
            if each.length
        ]
        found += [f"Given up: {each}" for each in figures.given_up(seen.queues)]
    fill = readyz.last_fill()
    return [*found, format_html("Last fill {}", show.ago(fill))] if fill else found


def _ago(age_s: float | None) -> str:
    return "never" if age_s is None else f"{figures.age(age_s)} ago"


def _open_orders(venue: Venue) -> list[dict[str, Any]]:
    orders = figures.open_orders(venue).select_related("symbol").order_by("-id")[:ROWS]
    return [
        {
            "symbol": order.symbol.name,
            "side": show.side(order.side),
            "status": show.order_status(order),
            "price": show.amount(order.price),
            "quantity": show.amount(order.quantity),
            "age": show.ago(order.submitted_at),
            "url": reverse("admin:trading_order_change", args=(order.pk,)),
        }
        for order in orders
    ]


def _reconciled() -> list[dict[str, Any]]:
    """The newest comparison of the books at each venue that has one."""
    rows = [row for row in (last(venue) for venue in venues_in_use()) if row]
    return [{"at": show.ago(row.began_at), "text": str(row), "is_well": row.is_well} for row in rows]


def _unclear(order: Order) -> dict[str, Any]:
    return {
        "name": f"{order.side.lower()} {order.symbol.name} at {plain(order.price)}",
        "asked": format_html("last checked {}", show.ago(order.asked_at)) if order.asked_at else "not checked yet",
        "notes": notes(order),
        "age": show.ago(order.submitted_at),
        "url": reverse("admin:trading_order_change", args=(order.pk,)),
    }


def _last_cycles(venue: Venue) -> list[dict[str, Any]]:
    # Of the last that ended anywhere: after a change of venue all of history might be another one's.
    last = Trader.objects.filter(ENDED).order_by("-finished_at").values_list("pk", "venue", "state")[:LOOKED_AT]
    ids = [pk for pk, where, state in last if where == venue and state != TraderState.RETIRED][:ROWS]
    ended = Trader.objects.filter(pk__in=ids).select_related("symbol").order_by("-finished_at")
    return [
        {
            "name": f"{trader.symbol.name} #{trader.slot}",
            "url": reverse("admin:trading_trader_change", args=(trader.pk,)),
            "state": show.state(trader.state),
            "profit": show.profit(trader.profit, trader.symbol.quote_asset, trader.has_unvalued_fees),
            "ended": show.ago(trader.finished_at),
            "took": figures.age((trader.finished_at - trader.created_at).total_seconds())
            if trader.finished_at
            else "",
        }
        for trader in ended
    ]
