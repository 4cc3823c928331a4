"""The start page: the account's value, what trading gained, what is held, what needs a person, and the symbols."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import blockers, diagnosis, figures, money, numbers, readyz
from console.admin import deeds, drawings, first_evening, show
from console.findings import Finding, Severity, Topic
from console.money import Account, Gain, Period, SymbolMoney
from console.words import notes
from hedgehog_project import processes
from hedgehog_project.health import Progress
from hedgehog_project.venues import Venue
from trading.core.money import plain
from trading.core.orders import UNVALUED
from trading.core.strategy import TraderState
from trading.models import Order, Orphan, Trader
from trading.models.choices import of_running
from trading.models.orphans import Resolution
from trading.models.traders import ENDED
from trading.reconciliation.reconcile import last, venues_in_use

# Whoever sees no symbols sees no account: as the pages that refresh themselves have it.
NEEDS = "trading.view_symbol"
ROWS = 10
MAX_SYMBOLS = 20
LOOKED_AT = 500
# Where to look at what a finding tells, by its topic.
WHERE = {
    Topic.TRADER: "admin:trading_trader_changelist",
    Topic.ORDER: "admin:trading_order_changelist",
    Topic.RISK_LIMIT: "admin:trading_deniedorder_changelist",
    Topic.SYMBOL: "admin:trading_symbol_changelist",
    Topic.SETTINGS: "admin:trading_symbol_changelist",
    Topic.VENUE: "admin:trading_switch_changelist",
    Topic.INSTALLATION: "admin:trading_otherinstallation_changelist",
    Topic.BALANCE: "admin:trading_trader_changelist",
}


@dataclass(frozen=True)
class Need:
    """Something that needs a person: what it is, and where to do something about it."""

    text: object
    icon: str = "error"
    link: str = ""
    button: str = "Look"


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK. What refreshes itself is asked for by htmx, and comes without the frame."""
    frame = "trading/bare.html" if request.headers.get("HX-Request") else "admin/base.html"
    if not request.user.has_perm(NEEDS):
        return context | {"frame": frame, "may_see": False}
    facts = diagnosis.gather()
    # What denies everything has a banner of its own, with its button.
    findings = [each for each in diagnosis.diagnose(facts) if each.topic != Topic.SWITCH]
    venue = facts.venue
    account = money.account(venue, facts.now)
    period = _period(request)
    needs = _needs(findings)
    return context | {
        "frame": frame,
        "may_see": True,
        "first_evening": first_evening.strip(request),
        "venue": venue,
        "account": account and _account(account),
        "curve": json.dumps(_curve(venue, period, facts.now, account)),
        "periods": [(each.value, _PERIODS[each], each == period) for each in Period],
        "needs": needs,
        "notes": [str(each) for each in findings if each.severity != Severity.ALARM],
        "symbols": [_symbol(row) for row in account.symbols[:MAX_SYMBOLS]] if account else [],
        "more_symbols": max(0, len(account.symbols) - MAX_SYMBOLS) if account else 0,
        "machines": _machines(facts, venue),
        "way_out": deeds.account_button(venue, request.user.has_perm("trading.change_trader")),
        "cycles": _last_cycles(venue),
        "now": show.moment(timezone.now()),
    }


_PERIODS = {Period.HOUR: "1h", Period.DAY: "1d", Period.WEEK: "1w", Period.ALL: "All"}


def _period(request: HttpRequest) -> Period:
    try:
        return Period(request.GET.get("period", ""))
    except ValueError:
        return Period.DAY


def _account(account: Account) -> dict[str, Any]:
    """The value's card, the table of gains and what is held, as the template shows them."""
    asset = account.asset
    return {
        "asset": asset,
        "value": numbers.money(account.value, asset),
        "exact": numbers.exact(account.value),
        "at": show.moment(account.at),
        "is_old": account.is_old,
        "change": show.gain(account.change_today, asset),
        "change_share": _share(account.today.share(account.change_today)),
        "put_in": numbers.money(account.put_in, asset),
        "since": show.day(account.since),
        "gains": _gains(account.today, account.total, asset),
        "apart": _apart(account),
        "unvalued": UNVALUED if account.unvalued else "",
        "unpriced": ", ".join(account.unpriced),
        "bar": drawings.parts([part.value or Decimal(0) for part in account.parts]),
        "parts": [
            {
                "shade": drawings.shade(n),
                "name": {"free": f"{asset} free", "open buys": "In open buys"}.get(part.name, part.name),
                "quantity": "" if part.asset == asset else numbers.exact(_short(part.quantity)),
                "value": "no price" if part.value is None else numbers.money(part.value, asset),
            }
            for n, part in enumerate(account.parts)
        ],
    }


def _short(quantity: Decimal) -> Decimal:
    """Six digits are enough beside a bar; a step never has more than eight decimals."""
    return round(quantity, max(0, min(8, 5 - quantity.adjusted()))) if quantity else quantity


def _gains(today: Gain, total: Gain, asset: str) -> list[dict[str, Any]]:
    """Realised, unrealised, net: always all six together, so that no green number hides a red one."""

    def cell(of: Gain, amount: Decimal) -> dict[str, Any]:
        return {"amount": show.gain(amount, asset), "share": _share(of.share(amount))}

    return [
        {"name": "Realised", "today": cell(today, today.realised), "total": cell(total, total.realised)},
        {"name": "Unrealised", "today": cell(today, today.unrealised), "total": cell(total, total.unrealised)},
        {"name": "Net", "today": cell(today, today.net), "total": cell(total, total.net), "is_sum": True},
    ]


def _apart(account: Account) -> dict[str, Any] | None:
    """What the account changed by and no trader did; not worth a line below a cent."""
    shown = [numbers.signed(each, account.asset) for each in (account.apart_today, account.apart)]
    if all(not any(digit in "123456789" for digit in each.replace("<0.01", "")) for each in shown):
        return None
    return {
        "today": show.gain(account.apart_today, account.asset),
        "total": show.gain(account.apart, account.asset),
    }


def _share(fraction: Decimal | None) -> str:
    return "" if fraction is None else numbers.percent(fraction)


def _curve(venue: Venue, period: Period, now: datetime, account: Account | None) -> dict[str, Any]:
    """The points of the curve, and the value that its dotted line stands at; floats are for the eye only."""
    points = money.curve(venue, period, now)
    found: dict[str, Any] = {
        "points": [[int(each.at.timestamp()), float(each.value)] for each in points],
        "base": None,
    }
    found["title"] = ""
    if account is not None:
        # A day is compared with midnight, all of it with what was put in.
        if period == Period.ALL:
            found |= {"base": float(account.put_in), "title": "put in"}
        elif period == Period.DAY:
            found |= {"base": float(account.value - account.change_today), "title": "at midnight"}
    return found


def _needs(findings: Iterable[Finding]) -> list[Need]:
    """What does not go on until somebody does something, the orders and orphans among it."""
    needs = [
        Need(str(each), link=reverse(WHERE[each.topic]) if each.topic in WHERE else "#machines")
        for each in findings
        if each.severity == Severity.ALARM
    ]
    unclear = blockers.unclear_orders().select_related("symbol")[:ROWS]
    needs += [
        Need(_unclear(order), "help", reverse("admin:trading_order_change", args=(order.pk,))) for order in unclear
    ]
    orphans = Orphan.objects.filter(of_running(), resolution=Resolution.UNRESOLVED).count()
    if orphans:
        text = f"{figures.count(orphans, 'orphan')}: orders with our prefix that belong to no trader."
        needs.append(Need(text, "help", reverse("admin:trading_orphan_changelist"), "Adopt or cancel"))
    return needs


def _unclear(order: Order) -> SafeString:
    asked = format_html("last checked {}", show.ago(order.asked_at)) if order.asked_at else "not checked yet"
    return format_html(
        "<b>{} {} at {}</b>, sent {}. Not confirmed by the exchange: {}{}",
        order.side.capitalize(),
        order.symbol.name,
        plain(order.price),
        show.ago(order.submitted_at),
        asked,
        "".join(f"; {each}" for each in notes(order)),
    )


def _symbol(row: SymbolMoney) -> dict[str, Any]:
    slots = drawings.Slots(
        row.slots.held, row.slots.buying, row.slots.waiting + row.slots.paused, is_paused=bool(row.slots.paused)
    )
    return {
        "name": row.name,
        "url": reverse("admin:trading_symbol_chart", args=(row.pk,)),
        "spark": reverse("admin:trading_symbol_chart_spark", args=(row.pk,)),
        "chip": show.chip("paused", "attn") if row.slots.paused else "" if row.is_on else show.chip("off"),
        "price": show.NONE if row.price is None else numbers.price(row.price, row.tick_size),
        "quote": row.quote_asset,
        "age": _age(row.price_age_s),
        "position": numbers.quantity(row.quantity, row.step_size) if row.quantity else "",
        "base": row.base_asset,
        "cost": numbers.money(row.cost, row.quote_asset),
        "unrealised": show.gain(row.unrealised, row.quote_asset),
        "unrealised_share": _share(row.unrealised / row.cost if row.cost else None),
        "today": show.gain(row.net_today, row.quote_asset),
        "realised_today": numbers.signed(row.realised_today, row.quote_asset),
        "slots": slots.text,
        "rungs": drawings.slots(slots),
    }


def _age(age_s: float | None) -> str:
    """Where a price is old, how old."""
    return "" if age_s is None or age_s < figures.OLD_S else f"{figures.age(age_s)} old"


def _machines(facts: diagnosis.Facts, venue: Venue) -> dict[str, Any]:
    """All processes in one line while they run; unfolded where one does not."""
    down = [state for state in facts.states if state.alive is False]
    running = sum(state.alive is True for state in facts.states)
    return {
        "is_well": not down,
        "text": f"All {running} processes run"
        if not down
        else f"{', '.join(state.name.replace('_', ' ') for state in down)} {'is' if len(down) == 1 else 'are'} down",
        "processes": [_process(state) for state in facts.states],
        "progress": _progress(facts.seen),
        "budgets": [f"Rate limits at {budget.host}: {blockers.used(budget)}" for budget in facts.rate_limits],
        "reconciled": _reconciled(),
        "waiting": blockers.waiting(venue),
        "flower_url": show.flower_url(),
    }


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


def _reconciled() -> list[dict[str, Any]]:
    """The newest comparison of the books at each venue that has one."""
    rows = [row for row in (last(venue) for venue in venues_in_use()) if row]
    return [{"at": show.ago(row.began_at), "text": str(row), "is_well": row.is_well} for row in rows]


def _last_cycles(venue: Venue) -> Sequence[dict[str, Any]]:
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
            "took": numbers.duration((trader.finished_at - trader.created_at).total_seconds())
            if trader.finished_at
            else "",
        }
        for trader in ended
    ]
