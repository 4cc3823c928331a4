"""Buys slightly below the market and sells at a fixed take profit.

It asks for another trader beside it where the price falls on (rebuy), follows a market that has left its buy behind
(retarget), and gets out at a loss where it is told to (stop-loss, trailing stop). Thresholds must be passed, not only
reached: a price that equals one changes nothing.
"""

from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from trading.core.decisions import (
    ANY_PRICE,
    Cancel,
    Decision,
    Level,
    LevelKind,
    Memory,
    PlaceSell,
    Replace,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.events import Event, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.guard import not_filled_yet
from trading.core.money import EXACT, ONE, just_over, just_under, plain, round_up
from trading.core.orders import Order, Side
from trading.core.position import Position
from trading.core.steps import buy_below, buy_more, exit_position, may_buy_more, percent, sale_price, sell_or_finish

name = "naive"

# A trailing stop follows a rising price in steps of this part of its interval: so much lower than by the very highest
# price it may lie, and a steady rise wakes the trader so seldom.
STEP = Decimal("0.1")
# What it remembers.
HIGHEST, LEAVES_AT = "highest", "leaves_at"


def _fraction(label: str, help: str, below: str = "1") -> dict[str, object]:
    return {"label": label, "help": help, "percent": True, "above": Decimal(0), "below": Decimal(below)}


@dataclass(frozen=True)
class Settings:
    """Intervals are fractions: 0.01 is 1 %. None: it does without."""

    buy_down_interval: Decimal = field(
        default=Decimal("0.0005"),
        metadata=_fraction("Buy offset", "Distance of the buy below the market.", below="0.5"),
    )
    profit_interval: Decimal = field(
        default=Decimal("0.0005"),
        metadata=_fraction(
            "Take profit", "Profit target after both commissions; rounded down to a tick, never to a loss."
        ),
    )
    rebuy_interval: Decimal | None = field(
        default=Decimal("0.005"),
        metadata=_fraction(
            "Ladder step",
            "Drop below a buy that opens the next slot, and how far apart slots buy. Empty: all buy at once.",
        ),
    )
    retarget_interval: Decimal | None = field(
        default=None,
        metadata=_fraction(
            "Reprice buy after rise of",
            "Cancels an unfilled buy and places it again when the market has risen this far above it.",
        ),
    )
    stop_loss_interval: Decimal | None = field(
        default=None,
        metadata=_fraction("Stop loss", "Sells the position when the price falls this far below the entry price."),
    )
    trailing_stop_interval: Decimal | None = field(
        default=None,
        metadata=_fraction(
            "Trailing stop", "Sells the position when the price falls this far below the highest price since entry."
        ),
    )
    exit_slippage: Decimal | None = field(
        default=None,
        metadata=_fraction(
            "Max exit slippage",
            "Stops sell by a limit order this far below the price. Empty: market order.",
            below="0.5",
        ),
    )

    def __post_init__(self) -> None:
        if self.retarget_interval is not None and self.retarget_interval <= self.buy_down_interval:
            raise ValueError("“Reprice buy after rise of” must be larger than “Buy offset”.")


def decide(position: Position, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    resting = position.open_order
    if resting is None:
        if position.bought == 0:
            return buy_below(position, event, filters, *_how_to_buy(settings))
        if _may_buy_more(position, filters, settings) and isinstance(event, TradeSeen):
            return buy_more(position, event, filters, *_how_to_buy(settings))
        return _sell(position, filters, settings)
    if not isinstance(event, TradeSeen):
        return not_filled_yet(resting)
    price = event.price
    return (
        _stop(position, resting, price, filters, settings)
        or _retarget(resting, price, settings)
        or _slot_request(position, price, settings)
        or Wait(not_filled_yet(resting).reason, memory=_followed(position, resting, price, settings))
    )


def triggers(position: Position, filters: SymbolFilters, settings: Settings) -> Triggers:
    resting = position.open_order
    if resting is None:
        buys = position.bought == 0 or _may_buy_more(position, filters, settings)
        return Triggers(below=ANY_PRICE) if buys else Triggers()
    floors = [
        floor
        for floor in (_request_slot_under(position, settings), _stop_under(position, resting, settings))
        if floor
    ]
    over = _retarget_over(resting, settings)
    if over is not None:
        above: Decimal | None = just_over(over)
    else:
        above = _follows_from(position, resting, settings)
    return Triggers(
        below=max((just_under(floor) for floor in floors if floor is not None), default=None), above=above
    )


def levels(position: Position, filters: SymbolFilters, settings: Settings) -> tuple[Level, ...]:
    """The prices that it has in mind, for pages."""
    resting = position.open_order
    found = {LevelKind.NEXT_SLOT: _passed_below(_request_slot_under(position, settings))}
    if resting is not None and resting.side == Side.BUY:
        over = _retarget_over(resting, settings)
        found[LevelKind.REPRICE] = None if over is None else just_over(over)
    if position.bought and LEAVES_AT not in position.memory:
        found[LevelKind.TARGET] = sale_price(position, settings.profit_interval, filters)
        found[LevelKind.STOP_LOSS] = _passed_below(_stop_loss_under(position, settings))
        found[LevelKind.TRAILING_STOP] = _passed_below(_trailing_stop_under(position, settings))
    return tuple(Level(kind, price) for kind, price in found.items() if price is not None)


def _passed_below(price: Decimal | None) -> Decimal | None:
    return None if price is None else just_under(price)


# --- buying ---------------------------------------------------------------------------------------


def _how_to_buy(settings: Settings) -> tuple[Decimal, Decimal, Decimal | None]:
    return settings.buy_down_interval, settings.profit_interval, worst_exit(settings)


def worst_exit(settings: Settings) -> Decimal | None:
    """The lowest part of its buy's price at which it may have to sell; None where it never gets out at a loss."""
    stops = [each for each in (settings.stop_loss_interval, settings.trailing_stop_interval) if each is not None]
    if not stops:
        return None
    return EXACT.multiply(ONE - max(stops), ONE - (settings.exit_slippage or 0))


def _may_buy_more(position: Position, filters: SymbolFilters, settings: Settings) -> bool:
    """Whether it holds too little to sell it at its price, and has enough left to make it more."""
    is_leaving = LEAVES_AT in position.memory
    return not is_leaving and may_buy_more(position, filters, sale_price(position, settings.profit_interval, filters))


# --- what is bought is sold -----------------------------------------------------------------------


def _sell(position: Position, filters: SymbolFilters, settings: Settings) -> Decision:
    left_at = position.memory.get(LEAVES_AT)
    if left_at is not None:
        return exit_position(position, filters, Decimal(left_at), settings.exit_slippage, position.memory)
    cost = position.unit_cost(filters.base_asset, filters.quote_asset, filters.fees) or _bought_at(position)
    reason = (
        f"take profit: {percent(settings.profit_interval)} above its cost, {plain(round_up(cost))}, after the sell's "
        "commission"
    )
    return sell_or_finish(position, filters, sale_price(position, settings.profit_interval, filters), reason)


def _bought_at(position: Position) -> Decimal:
    assert position.bought_at is not None
    return position.bought_at


# --- getting out ----------------------------------------------------------------------------------


def _stop(
    position: Position, resting: Order, price: Decimal, filters: SymbolFilters, settings: Settings
) -> Replace | Wait | None:
    floor = _stop_under(position, resting, settings)
    if floor is None or price >= floor:
        return None
    if _is_leaving(position, resting):
        why = f"the market, {plain(price)}, has fallen below the exit order"
    elif floor == _stop_loss_under(position, settings):
        why = f"stop loss: {plain(price)} is more than {_words(settings.stop_loss_interval)} below the entry"
    else:
        highest = plain(_highest(position))
        interval = _words(settings.trailing_stop_interval)
        why = f"trailing stop: {plain(price)} is more than {interval} below the high of {highest}"
    sale = exit_position(
        position, filters, price, settings.exit_slippage, {**position.memory, LEAVES_AT: plain(price)}
    )
    if isinstance(sale, PlaceSell):
        return Replace(resting, sale, why)
    return Wait(f"{why}; the sell stays open: the rest is below the minimum to sell")


def _is_leaving(position: Position, resting: Order) -> bool:
    """Whether the resting sale is one that gets out, and not the one that was to bring the profit."""
    left_at = position.memory.get(LEAVES_AT)
    return left_at is not None and resting.price <= Decimal(left_at)


def _stop_under(position: Position, resting: Order, settings: Settings) -> Decimal | None:
    """Under which price a resting sale is replaced by one that gets out."""
    if resting.side == Side.BUY:
        return None
    if _is_leaving(position, resting):
        # It is on its way out by a limit order. Where the market falls through that one as well, it follows.
        return resting.price * (ONE - (settings.exit_slippage or 0))
    floors = [_stop_loss_under(position, settings), _trailing_stop_under(position, settings)]
    return max((floor for floor in floors if floor is not None), default=None)


def _stop_loss_under(position: Position, settings: Settings) -> Decimal | None:
    interval = settings.stop_loss_interval
    return None if interval is None else _bought_at(position) * (ONE - interval)


def _trailing_stop_under(position: Position, settings: Settings) -> Decimal | None:
    interval = settings.trailing_stop_interval
    return None if interval is None else _highest(position) * (ONE - interval)


def _highest(position: Position) -> Decimal:
    """The highest price since it bought, as far as it was followed."""
    return max(_bought_at(position), Decimal(position.memory.get(HIGHEST, 0)))


def _followed(position: Position, resting: Order, price: Decimal, settings: Settings) -> Memory | None:
    if resting.side == Side.BUY or settings.trailing_stop_interval is None or price <= _highest(position):
        return None
    return {**position.memory, HIGHEST: plain(price)}


def _follows_from(position: Position, resting: Order, settings: Settings) -> Decimal | None:
    """The price at which the trailing stop is drawn up."""
    interval = settings.trailing_stop_interval
    if resting.side == Side.BUY or interval is None or _is_leaving(position, resting):
        return None
    with localcontext(EXACT):
        return just_over(_highest(position) * (ONE + interval * STEP))


# --- the market moves away ------------------------------------------------------------------------


def _retarget(resting: Order, price: Decimal, settings: Settings) -> Cancel | None:
    over = _retarget_over(resting, settings)
    if over is None or price <= over:
        return None
    why = f"reprice: the market, {plain(price)}, is more than {_words(settings.retarget_interval)} above the buy"
    return Cancel(resting, why)


def _retarget_over(resting: Order, settings: Settings) -> Decimal | None:
    interval = settings.retarget_interval
    if interval is None or resting.side == Side.SELL:
        return None
    return resting.price * (ONE + interval)


def _slot_request(position: Position, price: Decimal, settings: Settings) -> RequestSlot | None:
    floor = _request_slot_under(position, settings)
    if floor is None or price >= floor:
        return None
    return RequestSlot(f"{plain(price)} is more than {_words(settings.rebuy_interval)} below its buy")


def _request_slot_under(position: Position, settings: Settings) -> Decimal | None:
    if settings.rebuy_interval is None or position.has_requested_slot:
        return None
    buys = [order.price for order in position.of(Side.BUY)]
    return max(buys) * (ONE - settings.rebuy_interval) if buys else None


def _words(interval: Decimal | None) -> str:
    return percent(interval) if interval is not None else ""
