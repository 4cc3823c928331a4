"""One cycle on a chart: its candles, its fills, and its orders from when they were placed until they ended."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from console.chart import market, own
from console.chart.market import INTERVALS, NoAnswer
from console.chart.own import Line
from console.chart.standing import Slot, Standing, standing
from hedgehog_project.venues import Venue, market_of, rests, why_it_rests
from trading.books.arithmetic import arithmetic
from trading.books.booking import as_core, position_with
from trading.core import moves
from trading.core.money import ceil_to, floor_to
from trading.core.orders import OPEN, Side
from trading.models import Order, Trader

# A cycle takes so many candles at most, and has so many before and after it.
WIDEST, AROUND = 100, 20


def interval_of(trader: Trader) -> str:
    """The shortest candles in which the cycle fits."""
    took_s = _took_s(trader)
    fits = (name for name, length_s in INTERVALS.items() if took_s <= WIDEST * length_s)
    return next(fits, "1d")


def cycle(trader: Trader, interval: str) -> dict[str, Any]:
    """All that the chart of a cycle draws; where the market does not answer, `problem` says why it has no candles."""
    of = standing(trader.symbol, Venue(trader.venue))
    orders = list(trader.orders.order_by("id").prefetch_related("fills"))
    length_s = INTERVALS[interval]
    found: dict[str, Any] = {
        "interval": interval,
        "length": length_s,
        "decimals": of.decimals,
        "marks": _marks(trader, orders, length_s),
        "lines": [line.row(of) for line in _lines(trader, orders, of)],
        "visible": _visible(trader, length_s),
        "ended": trader.has_ended,
    }
    end_s = None
    if trader.finished_at is not None:
        after = int(trader.finished_at.timestamp()) + AROUND * length_s
        end_s = None if after > timezone.now().timestamp() else after // length_s * length_s
    if rests(of.venue):
        return found | {"candles": [], "problem": why_it_rests(of.venue).removesuffix(".")}
    try:
        found["candles"] = market.candles(market_of(of.venue), trader.symbol.name, interval, end_s)
    except NoAnswer as error:
        found |= {"candles": [], "problem": str(error)}
    return found


def _visible(trader: Trader, length_s: int) -> int:
    return min(market.CANDLES, int(_took_s(trader) / length_s) + 2 * AROUND)


def _took_s(trader: Trader) -> float:
    return ((trader.finished_at or timezone.now()) - trader.created_at).total_seconds()


def _marks(trader: Trader, orders: list[Order], length_s: int) -> list[list[Any]]:
    begun = min((fill.traded_at for order in orders for fill in order.fills.all()), default=None)
    if begun is None:
        return []
    return own.marks(trader.symbol, Venue(trader.venue), begun, length_s, trader)


def _lines(trader: Trader, orders: list[Order], of: Standing) -> list[Line]:
    """Its entry, its orders and its triggers, each stepped where it moved; of one that lives, what it has in mind."""
    traded = tuple(order for order in orders if order.status in OPEN or order.executed)
    position = position_with(trader, (as_core(order) for order in traded))
    slot = Slot(trader, position, arithmetic(position, trader.symbol.base_asset, trader.symbol.quote_asset), traded)
    found = [] if trader.has_ended else [line for line in own.lines_of(of, slot) if line.kind == "trigger"]
    entry, ended_at = slot.terms.bought_at, _seconds(trader.finished_at)
    if entry is not None:
        first = own.first_fill(slot)
        found.append(Line("entry", "ours", entry, "entry", (trader.slot,), ((first, entry),), until=ended_at))
    for side in Side:
        chain = [
            order for order in orders if order.side == side and (order.exchange_order_id or order.status in OPEN)
        ]
        if not chain:
            continue
        last = chain[-1]
        steps = tuple((int(order.submitted_at.timestamp()), order.price) for order in chain)
        until = None if last.status in OPEN else _seconds(last.updated_at)
        if last.status in OPEN:
            verb, left = ("sells" if side == Side.SELL else "buys"), last.quantity - last.executed
        else:
            verb, left = ("sold" if side == Side.SELL else "bought") if last.executed else "cancelled", last.executed
        tone = own.tone_of(last, entry)
        found.append(Line("order", tone, last.price, verb, (trader.slot,), steps, left or None, until=until))
    return sorted(_with_moves(trader, found, of), key=lambda line: -line.price)


def _with_moves(trader: Trader, found: list[Line], of: Standing) -> list[Line]:
    """With its triggers as they moved. Where one stands at a price that has its own line, that line has its steps."""
    below, above = moves.stretches(trader.moves or ())
    ended_at = _seconds(trader.finished_at)
    for stretches, on_tick, verb in ((below, floor_to, "looks below"), (above, ceil_to, "looks above")):
        for each in stretches:
            steps = tuple((at, on_tick(price, of.tick) if of.tick else price) for at, price in each.steps)
            price, until = steps[-1][1], each.until or ended_at
            same = [n for n, line in enumerate(found) if line.kind == "trigger" and line.price == price]
            if until is None and same:
                found[same[0]] = replace(found[same[0]], steps=steps)
            else:
                found.append(Line("trigger", "ours", price, verb, (trader.slot,), steps, until=until))
    return found


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.astimezone(UTC).timestamp())
