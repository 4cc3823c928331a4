"""Trails the price down before buying and up before selling; never sells below the min take profit.

While nothing is bought it remembers the lowest price, and buys once the market has risen by the trail over it. Once
the market has reached the profit price it remembers the highest, and sells once the market has fallen by the trail
under that. A price is followed in steps of a tenth of the trail: a steady move wakes the trader ten times a trail,
and a turn is noticed at most a tenth of it late. Orders are limits at what the market trades at: they fill at once
or, where it was quicker, rest; one that it leaves a whole trail behind is cancelled, and the price followed anew.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext

from trading.core.decisions import (
    ANY_PRICE,
    Cancel,
    Decision,
    Level,
    LevelKind,
    PlaceBuy,
    PlaceSell,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.events import Event, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.guard import not_filled_yet
from trading.core.money import EXACT, ONE, ZERO, floor_to, just_over, just_under, plain
from trading.core.orders import Order, Side
from trading.core.position import Position
from trading.core.steps import MAX_AGE_S, buy_below, buy_more, may_buy_more, percent, sale_price, sell_or_finish

name = "trailing"

# In what part of the trail a price is followed.
STEP = Decimal("0.1")
# What it remembers: the lowest price while it has not bought, and the highest since its profit was reached.
LOW, HIGH = "low", "high"


@dataclass(frozen=True)
class Settings:
    """Intervals are fractions: 0.01 is 1 %."""

    trail_interval: Decimal = field(
        default=Decimal("0.002"),
        metadata={
            "label": "Trailing distance",
            "help": "Buys after a rise of this much from the low; sells after a drop of this much from the high.",
            "above": Decimal(0),
            "below": Decimal("0.5"),
            "percent": True,
        },
    )
    profit_interval: Decimal = field(
        default=Decimal("0.001"),
        metadata={
            "label": "Min take profit",
            "help": (
                "After both commissions, less their square and the rounding to a tick; never a loss. It never sells "
                "below that price and trails the price from there."
            ),
            "above": Decimal(0),
            "below": Decimal(1),
            "percent": True,
        },
    )
    rebuy_interval: Decimal | None = field(
        default=Decimal("0.005"),
        metadata={
            "label": "Ladder step",
            "help": (
                "Drop below a buy that opens the next slot, and how far apart slots buy. Empty: all buy at once."
            ),
            "above": Decimal(0),
            "below": Decimal(1),
            "percent": True,
        },
    )


def decide(position: Position, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    resting = position.open_order
    if resting is not None:
        return _watch(position, resting, event, filters, settings)
    if position.bought == 0:
        return _follow_down(position, event, filters, settings)
    return _follow_up(position, event, filters, settings)


def triggers(position: Position, filters: SymbolFilters, settings: Settings) -> Triggers:
    resting, trail = position.open_order, settings.trail_interval
    low, high = _remembered(position, LOW), _remembered(position, HIGH)
    if resting is not None:
        behind = _left_behind(position, resting, filters, settings)
        if resting.side == Side.BUY:
            return Triggers(below=_slot_at(position, settings), above=None if behind is None else just_over(behind))
        return Triggers(below=_highest(_slot_at(position, settings), behind and just_under(behind)))
    if position.bought == 0:
        if low is None:
            return Triggers(below=ANY_PRICE)
        return Triggers(below=low * (ONE - trail * STEP), above=low * (ONE + trail))
    if may_buy_more(position, filters, _floor(position, filters, settings)):
        return Triggers(below=ANY_PRICE)
    if high is None:
        return Triggers(below=_slot_at(position, settings), above=_floor(position, filters, settings))
    return Triggers(below=high * (ONE - trail), above=high * (ONE + trail * STEP))


def levels(position: Position, filters: SymbolFilters, settings: Settings) -> tuple[Level, ...]:
    """The prices that it has in mind, for pages."""
    trail, low, high = settings.trail_interval, _remembered(position, LOW), _remembered(position, HIGH)
    found = {LevelKind.NEXT_SLOT: _slot_at(position, settings)}
    if position.bought:
        found[LevelKind.TARGET] = _floor(position, filters, settings)
        found[LevelKind.SELL] = None if high is None else high * (ONE - trail)
    elif position.open_order is None and low is not None:
        found[LevelKind.BUY] = low * (ONE + trail)
    return tuple(Level(kind, price) for kind, price in found.items() if price is not None)


# --- before the buy -------------------------------------------------------------------------------


def _follow_down(position: Position, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    trail = settings.trail_interval
    buy = buy_below(position, event, filters, ZERO, settings.profit_interval)
    if not isinstance(event, TradeSeen) or event.age_s > MAX_AGE_S:
        return buy  # It says what is missing.
    price, low = event.price, _remembered(position, LOW)
    # From a low that the market has left two trails behind there is nothing to follow any more. The tick is for
    # symbols whose price can't move by less.
    if low is None or price < low or price > low * (ONE + trail) ** 2 + filters.tick:
        return Wait(f"trailing the price down from {plain(price)}", memory={LOW: plain(price)})
    if price < low * (ONE + trail):
        return Wait(f"buys when the price is {percent(trail)} above the low of {plain(low)}")
    if isinstance(buy, PlaceBuy):
        return replace(buy, reason=f"{plain(price)} is {percent(trail)} above the low of {plain(low)}")
    return buy


# --- while an order rests -------------------------------------------------------------------------


def _watch(position: Position, resting: Order, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    if not isinstance(event, TradeSeen):
        return not_filled_yet(resting)
    behind, is_buy = _left_behind(position, resting, filters, settings), resting.side == Side.BUY
    if behind is not None and (event.price > behind if is_buy else event.price < behind):
        why = f"the market, {plain(event.price)}, is {percent(settings.trail_interval)} away from it"
        return Cancel(resting, why, memory={} if is_buy else None)
    return _slot_request(position, event.price, settings) or not_filled_yet(resting)


def _left_behind(position: Position, resting: Order, filters: SymbolFilters, settings: Settings) -> Decimal | None:
    """Past which price a resting order is cancelled; None where it stays whatever comes."""
    if resting.side == Side.BUY:
        return resting.price * (ONE + settings.trail_interval)
    # At its floor it can only wait, and the rest of one that has begun to fill may be too little to sell.
    if resting.executed or resting.price <= _floor(position, filters, settings):
        return None
    return resting.price * (ONE - settings.trail_interval)


# --- after the buy --------------------------------------------------------------------------------


def _follow_up(position: Position, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    trail, floor = settings.trail_interval, _floor(position, filters, settings)
    if may_buy_more(position, filters, floor) and isinstance(event, TradeSeen):
        return buy_more(position, event, filters, ZERO, settings.profit_interval)
    at_floor = sell_or_finish(position, filters, floor, "")
    if not isinstance(at_floor, PlaceSell):
        return at_floor
    high = _remembered(position, HIGH)
    if not isinstance(event, TradeSeen):
        return Wait(f"trails the price up from {plain(floor)}" if high is None else _waits_to_sell(high, trail))
    price = event.price
    if high is None and price < floor:
        return _slot_request(position, price, settings) or Wait(f"trails the price up from {plain(floor)}")
    if high is None or price > high:
        return Wait(_waits_to_sell(price, trail), memory={HIGH: plain(price)})
    if price > high * (ONE - trail):
        return Wait(_waits_to_sell(high, trail))
    with localcontext(EXACT):
        # A little under the market, so that it fills at once although the market moves on meanwhile.
        minimum = max(floor, floor_to(price * (ONE - trail * STEP), filters.tick))
    return sell_or_finish(
        position, filters, minimum, f"{plain(price)} is {percent(trail)} below the high of {plain(high)}"
    )


def _floor(position: Position, filters: SymbolFilters, settings: Settings) -> Decimal:
    """The price of its profit: it never sells for less. Its sales are meant to fill at once: they take."""
    return sale_price(position, settings.profit_interval, filters, takes=True)


def _waits_to_sell(high: Decimal, trail: Decimal) -> str:
    return f"sells when the price is {percent(trail)} below the high of {plain(high)}"


def _slot_request(position: Position, price: Decimal, settings: Settings) -> RequestSlot | None:
    at = _slot_at(position, settings)
    if at is None or price > at:
        return None
    return RequestSlot(f"{plain(price)} is more than {percent(settings.rebuy_interval or ZERO)} below its buy")


def _slot_at(position: Position, settings: Settings) -> Decimal | None:
    """At which price, or under it, it asks for a trader beside it."""
    if settings.rebuy_interval is None or position.has_requested_slot:
        return None
    buys = [order.price for order in position.of(Side.BUY)]
    return just_under(max(buys) * (ONE - settings.rebuy_interval)) if buys else None


# --- what it remembers ----------------------------------------------------------------------------


def _remembered(position: Position, what: str) -> Decimal | None:
    return Decimal(position.memory[what]) if what in position.memory else None


def _highest(*prices: Decimal | None) -> Decimal | None:
    return max((price for price in prices if price is not None), default=None)
