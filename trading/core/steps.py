"""What strategies are put together from: buying below the market, selling at a price, ending a cycle."""

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from trading.core import old_names
from trading.core.decisions import Decision, Finish, Memory, PlaceBuy, PlaceSell, Wait
from trading.core.events import Event, TradeSeen
from trading.core.filters import SymbolFilters, too_far, violation
from trading.core.money import (
    EXACT,
    ONE,
    buy_price,
    buy_quantity,
    ceil_to,
    cost_after,
    floor_to,
    plain,
    quote_of,
    sell_price,
    whole_after,
)
from trading.core.orders import UNVALUED, Side, unvalued
from trading.core.position import Mode, Position, TraderState

# The market may have moved away from a trade that is older.
MAX_AGE_S = 10.0


def percent(fraction: Decimal) -> str:
    return f"{plain(fraction * 100)} %"


def sale_price(
    position: Position, profit_interval: Decimal, filters: SymbolFilters, *, takes: bool = False
) -> Decimal:
    """The price in whole ticks that returns the wanted profit on what was bought.

    What the buys have cost is known, whatever side they were on and whatever paid their commissions; of the sale to
    come the commission is estimated, as of one that rests. `takes`: as of one that fills at once.
    """
    cost = position.unit_cost(filters.base_asset, filters.quote_asset, filters.fees)
    if cost is None:
        if position.bought_at is None:
            raise ValueError("nothing was bought that could be sold")
        return profit_price(position.bought_at, profit_interval, filters)
    return sell_price(
        cost, profit_interval, filters.tick, filters.fees.sell_max if takes else filters.fees.sell_maker
    )


def profit_price(bought_at: Decimal, profit_interval: Decimal, filters: SymbolFilters) -> Decimal:
    """What sale_price will probably say of a buy at this price, resting or not: an estimate, before there is one."""
    return sell_price(
        cost_after(bought_at, filters.fees.buy_max), profit_interval, filters.tick, filters.fees.sell_maker
    )


# A sale for profit is offered this much dearer at most, where it would be below the min notional at its price.
MAX_RAISE = Decimal("1.05")
# A market may fall through a stop by this much before what is held is sold.
GAP = Decimal("0.9")


def buy_below(
    position: Position,
    event: Event,
    filters: SymbolFilters,
    buy_down_interval: Decimal,
    profit_interval: Decimal,
    worst_exit: Decimal | None = None,
) -> Decision:
    """Spends what is left of the budget, this far below the trade that woke it.

    `profit_interval`: over which it will be sold again; `worst_exit`: the lowest part of the buy's price at which it
    may have to be sold, for example 0.95 for a stop-loss of 5 %. Nothing is bought that could not be sold then.
    """
    if not isinstance(event, TradeSeen):
        return Wait("waiting for the next trade")
    if event.age_s > MAX_AGE_S:
        return Wait(f"the last trade is {event.age_s:.0f} s old (check the streamer and the clock)")
    price = buy_price(event.price, buy_down_interval, filters.tick)
    if price <= 0:
        return Wait(
            f"the market, {plain(event.price)}, is too low for a buy price with tick size {plain(filters.tick)}"
        )
    quantity = buy_quantity(position.budget - position.spent, price, filters.step)
    quantity = whole_after(quantity, filters.step, filters.fees.buy_maker)
    why_not = violation(filters, Side.BUY, price, quantity) or too_far(filters, Side.BUY, price, event.price)
    if why_not:
        return Wait(why_not)
    # What is bought must be sellable after its commission, or the position could never be closed. Below the market it
    # rests; but the market may have come down to it by the time it arrives, and then it takes.
    for buy_fee in sorted({filters.fees.buy_maker, filters.fees.buy_taker}):
        sellable = floor_to(
            position.owned(filters.base_asset) + EXACT.multiply(quantity, ONE - buy_fee), filters.step
        )
        to_sell_at = sell_price(cost_after(price, buy_fee), profit_interval, filters.tick, filters.fees.sell_maker)
        why_not = violation(filters, Side.SELL, to_sell_at, sellable) or too_far(
            filters, Side.SELL, to_sell_at, event.price
        )
        if why_not:
            return Wait(f"the position could not be sold: {why_not}")
        if worst_exit is not None:
            leaves_at = floor_to(EXACT.multiply(EXACT.multiply(price, worst_exit), GAP), filters.tick)
            why_not = violation(filters, Side.SELL, leaves_at, sellable)
            if why_not:
                return Wait(f"the position could not be closed by an exit: {why_not}")
    return PlaceBuy(price, quantity, f"{percent(buy_down_interval)} below {plain(event.price)}")


def min_budget(min_notional: Decimal, worst_exit: Decimal | None) -> Decimal:
    """What a trader needs so that what it buys can be sold again, also where it gets out at its worst."""
    return min_notional if worst_exit is None else EXACT.divide(min_notional, EXACT.multiply(worst_exit, GAP))


def holds_too_little(position: Position, filters: SymbolFilters, price: Decimal) -> bool:
    """Whether it holds what could be sold by its quantity, and no sale of it at this price would be accepted."""
    quantity = floor_to(position.owned(filters.base_asset), filters.step)
    is_dust = quantity <= 0 or quantity < filters.min_quantity
    return not is_dust and violation(filters, Side.SELL, price, quantity) is not None


def may_buy_more(position: Position, filters: SymbolFilters, price: Decimal) -> bool:
    """Whether it holds too little to sell it at this price, and has enough of its budget left to make it more.

    Not once it has sold a part: what the rest has cost would be mixed with what that part had.
    """
    if position.mode != Mode.ON or position.sold:
        return False
    return holds_too_little(position, filters, price) and position.budget - position.spent >= filters.min_notional


def buy_more(
    position: Position,
    event: Event,
    filters: SymbolFilters,
    buy_down_interval: Decimal,
    profit_interval: Decimal,
    worst_exit: Decimal | None = None,
) -> Decision:
    """Carries what it holds, too little to be sold by itself, into another buy out of what is left of its budget."""
    more = buy_below(position, event, filters, buy_down_interval, profit_interval, worst_exit)
    if not isinstance(more, PlaceBuy):
        return more
    held = f"{plain(position.owned(filters.base_asset))} {filters.base_asset}"
    return replace(more, reason=f"{more.reason}: the position of {held} is below the minimum to sell")


def sell_or_finish(
    position: Position,
    filters: SymbolFilters,
    price: Decimal,
    reason: str,
    *,
    is_market: bool = False,
    is_exit: bool = False,
    memory: Memory | None = None,
) -> Decision:
    """Sells all that is owned at this price; ends the cycle where less is left than one step or the min quantity.

    What is more than that and worth less than the exchange takes an order for is held until it can be sold; the rest
    of what was sold for the most part is left to the symbol's next sale.
    """
    owned = position.owned(filters.base_asset)
    quantity = floor_to(owned, filters.step)
    if quantity == 0 or quantity < filters.min_quantity:
        return _end(position, filters)
    if position.free is not None:
        quantity = min(quantity, floor_to(position.free, filters.step))
    if filters.max_quantity:
        quantity = min(quantity, floor_to(filters.max_quantity, filters.step))
    if is_market and filters.max_market_quantity:
        quantity = min(quantity, floor_to(filters.max_market_quantity, filters.step))
    if is_market and filters.market_step:
        # What is less than one of its steps is sold at its price instead.
        whole = floor_to(quantity, filters.market_step)
        is_market, quantity = whole > 0, whole or quantity
    if quantity == 0:
        return Wait(f"its {plain(owned)} {filters.base_asset} are not free in the account: other orders lock them")
    why_not = violation(filters, Side.SELL, price, quantity)
    if why_not is None:
        return PlaceSell(price, quantity, reason, is_market, is_exit, memory)
    if position.sold > owned and quote_of(price, quantity) < filters.min_notional:
        return _end(position, filters)  # The lesser part is left: it goes into the symbol's next sale.
    if not is_exit and (raised := _enough_for(price, quantity, filters)) is not None:
        why = f"{reason}; at {plain(price)} it would be below the min notional, {plain(filters.min_notional)}"
        return PlaceSell(raised, quantity, why, is_market, is_exit, memory)
    return Wait(f"holding {plain(owned)} {filters.base_asset}, it cannot be sold now: {why_not}")


def _enough_for(price: Decimal, quantity: Decimal, filters: SymbolFilters) -> Decimal | None:
    """The lowest price from this one on, a little above it at most, at which a sale of this quantity is accepted.

    The exchange raises its min notional now and then, and what was just enough is a little short of it.
    """
    raised = ceil_to(EXACT.divide(filters.min_notional, quantity), filters.tick)
    is_near = price < raised <= EXACT.multiply(price, MAX_RAISE)
    return raised if is_near and violation(filters, Side.SELL, raised, quantity) is None else None


def _end(position: Position, filters: SymbolFilters) -> Finish:
    base, quote = filters.base_asset, filters.quote_asset
    owned, profit = position.owned(base), position.profit(base, quote)
    unknown = f" {UNVALUED}" if unvalued(position.orders, (base, quote)) else ""
    gone = f"; {plain(position.missing)} {base} missing in the account" if position.missing else ""
    if position.sold:
        text = f"sold {plain(position.sold)}: profit {plain(profit)} {quote}{unknown}{gone}"
        return Finish(TraderState.FINISHED, profit, owned, text)
    if position.missing:
        text = f"the position is no longer in the account: {plain(position.missing)} {base} missing"
        return Finish(TraderState.MISSING, profit, owned, text)
    return Finish(TraderState.DUST, profit, owned, f"{plain(owned)} {base} left, below the minimum to sell")


def exit_position(
    position: Position, filters: SymbolFilters, price: Decimal, slippage: Decimal | None, memory: Memory
) -> Decision:
    """Sells all that is owned now that the market trades at this price, at a loss if need be.

    By a market order; with a `slippage`, by a limit order this far below the price.
    """
    with localcontext(EXACT):
        minimum = floor_to(price * (1 - (slippage or 0)), filters.tick)
    how = "by a market order" if slippage is None else f"at {plain(minimum)} or above"
    reason = f"exits {how}: the price fell to {plain(price)}"
    return sell_or_finish(position, filters, minimum, reason, is_market=slippage is None, is_exit=True, memory=memory)


if not TYPE_CHECKING:  # A type checker should miss the old names.
    __getattr__ = old_names.of(
        __name__, {"MOST_AGE_S": "MAX_AGE_S", "buy_under": "buy_below", "leave": "exit_position"}
    )
