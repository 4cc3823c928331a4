"""What strategies are put together from: buying under the market, selling at a price, ending a cycle."""

from decimal import Decimal, localcontext

from trading.core.decisions import Decision, Finish, Memory, PlaceBuy, PlaceSell, Wait
from trading.core.events import Event, TradeSeen
from trading.core.money import EXACT, ONE, buy_price, buy_quantity, cost_after, floor_to, plain, sell_price
from trading.core.orders import UNVALUED, Side, unvalued
from trading.core.position import Position, TraderState
from trading.core.risk import Rules, refusal, too_far

# The market may have moved away from a trade that is older.
MOST_AGE_S = 10.0


def percent(fraction: Decimal) -> str:
    return f"{plain(fraction * 100)} %"


def sale_price(position: Position, profit_interval: Decimal, rules: Rules, *, takes: bool = False) -> Decimal:
    """The price in whole ticks that returns the wanted profit on what was bought.

    What the buys have cost is known, whatever side they were on and whatever paid their commissions; of the sale to
    come the commission is estimated, as of one that rests. `takes`: as of one that fills at once.
    """
    cost = position.unit_cost(rules.base_asset, rules.quote_asset, rules.fees)
    if cost is None:
        if position.bought_at is None:
            raise ValueError("nothing was bought that could be sold")
        return profit_price(position.bought_at, profit_interval, rules)
    return sell_price(cost, profit_interval, rules.tick, rules.fees.sell_max if takes else rules.fees.sell_maker)


def profit_price(bought_at: Decimal, profit_interval: Decimal, rules: Rules) -> Decimal:
    """What sale_price will probably say of a buy at this price, resting or not: an estimate, before there is one."""
    return sell_price(cost_after(bought_at, rules.fees.buy_max), profit_interval, rules.tick, rules.fees.sell_maker)


def buy_under(
    position: Position, event: Event, rules: Rules, buy_down_interval: Decimal, profit_interval: Decimal
) -> Decision:
    """Spends the budget so far under the trade that woke it. `profit_interval`: over which it will be sold again."""
    if not isinstance(event, TradeSeen):
        return Wait("waits for the next trade")
    if event.age_s > MOST_AGE_S:
        return Wait(f"the last trade is {event.age_s:.0f} s old (is the streamer behind, or the clock wrong?)")
    price = buy_price(event.price, buy_down_interval, rules.tick)
    if price <= 0:
        return Wait(f"the market, {plain(event.price)}, is too low for a buy price at tick {plain(rules.tick)}")
    quantity = buy_quantity(position.budget, price, rules.step)
    why_not = refusal(rules, Side.BUY, price, quantity) or too_far(rules, Side.BUY, price, event.price)
    if why_not:
        return Wait(why_not)
    # What is bought must be sellable after its commission, or the position could never be closed. Under the market it
    # rests; but the market may have come down to it by the time it arrives, and then it takes.
    for buy_fee in sorted({rules.fees.buy_maker, rules.fees.buy_taker}):
        sellable = floor_to(EXACT.multiply(quantity, ONE - buy_fee), rules.step)
        to_sell_at = sell_price(cost_after(price, buy_fee), profit_interval, rules.tick, rules.fees.sell_maker)
        why_not = refusal(rules, Side.SELL, to_sell_at, sellable) or too_far(
            rules, Side.SELL, to_sell_at, event.price
        )
        if why_not:
            return Wait(f"what it buys could not be sold again: {why_not}")
    return PlaceBuy(price, quantity, f"{percent(buy_down_interval)} under {plain(event.price)}")


def sell_or_finish(
    position: Position,
    rules: Rules,
    price: Decimal,
    reason: str,
    *,
    is_market: bool = False,
    is_exit: bool = False,
    memory: Memory | None = None,
) -> Decision:
    """Sells all that is owned at this price; ends the cycle where nothing is left that can be sold."""
    owned = position.owned(rules.base_asset)
    quantity = floor_to(owned, rules.step)
    if is_market and rules.max_market_quantity:
        quantity = min(quantity, floor_to(rules.max_market_quantity, rules.step))
    profit = position.profit(rules.base_asset, rules.quote_asset)
    unknown = f" {UNVALUED}" if unvalued(position.orders, (rules.base_asset, rules.quote_asset)) else ""
    why_not = refusal(rules, Side.SELL, price, quantity)
    if why_not is None:
        return PlaceSell(price, quantity, reason, is_market, is_exit, memory)
    if not rules.is_trading:
        return Wait(why_not)
    if position.sold and (quantity == 0 or quantity < max(rules.step, rules.min_quantity)):
        return Finish(
            TraderState.FINISHED,
            profit,
            owned,
            f"sold {plain(position.sold)}: profit {plain(profit)} {rules.quote_asset}{unknown}",
        )
    if quantity == 0 or quantity < rules.min_quantity or quantity * price < rules.min_notional:
        return Finish(
            TraderState.DUST,
            profit,
            owned,
            f"{plain(owned)} {rules.base_asset} is left, too little to sell: {why_not}",
        )
    return Wait(why_not)


def leave(position: Position, rules: Rules, price: Decimal, slippage: Decimal | None, memory: Memory) -> Decision:
    """Sells all that is owned now that the market trades at this price, at a loss if need be.

    By a market order; with a `slippage`, by a limit order so far under the price.
    """
    with localcontext(EXACT):
        least = floor_to(price * (1 - (slippage or 0)), rules.tick)
    how = "at the market" if slippage is None else f"at {plain(least)} or more"
    reason = f"gets out {how}: the price had fallen to {plain(price)}"
    return sell_or_finish(position, rules, least, reason, is_market=slippage is None, is_exit=True, memory=memory)
