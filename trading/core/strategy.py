"""What a trader does next: buy a little under the market, sell a little over it, and be done."""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum

from trading.core.events import Event, OrderReported, TradeSeen
from trading.core.money import EXACT, QUOTE_UNIT, ZERO, buy_price, buy_quantity, floor_to, plain, sell_price
from trading.core.orders import UNASKED_ENDS, Order, Side, commissions, third_asset_value, total_quote, unvalued
from trading.core.risk import Rules, refusal, too_far

# Any price lies below this: the trigger of a trader that wants the next one. It is the greatest amount of 64 bits.
ANY_PRICE = Decimal("92233720368.54775807")
# The market may have moved away from a trade that is older.
MOST_AGE_S = 10.0


class TraderState(StrEnum):
    """Where a trader stands in its one cycle."""

    WAITING = "WAITING"  # No buy order yet: the next trade event places it.
    BUYING = "BUYING"  # The buy order rests, or has been sent.
    HOLDING = "HOLDING"  # Bought; the sell order is not placed yet.
    SELLING = "SELLING"  # The sell order rests, or has been sent.
    FINISHED = "FINISHED"  # Sold. The profit is booked.
    DUST = "DUST"  # Ended holding less than the exchange lets it sell.
    RETIRED = "RETIRED"  # Ended before it ever ordered: its slot is no longer wanted.
    ABANDONED = "ABANDONED"  # Given up by a person: what it held is theirs to look after.

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({TraderState.FINISHED, TraderState.DUST, TraderState.RETIRED, TraderState.ABANDONED})


@dataclass(frozen=True)
class Settings:
    """How a trader trades; fixed for its one cycle. Intervals are fractions: 0.01 is 1 %."""

    budget: Decimal  # this trader's share, in quote
    buy_down_interval: Decimal
    profit_interval: Decimal
    is_on: bool = True


@dataclass(frozen=True)
class Position:
    """The trader's orders that were ever accepted, oldest first, and what follows from their fills."""

    orders: tuple[Order, ...] = ()

    def of(self, side: Side) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.side == side)

    @property
    def open_order(self) -> Order | None:
        return next((order for order in self.orders if order.status.is_open), None)

    @property
    def bought(self) -> Decimal:
        """Executed quantity of all buys, before commissions."""
        return sum((order.executed for order in self.of(Side.BUY)), ZERO)

    @property
    def sold(self) -> Decimal:
        return sum((order.executed for order in self.of(Side.SELL)), ZERO)

    def owned(self, base_asset: str) -> Decimal:
        """What is left to sell: bought, less sold, less the commissions that were taken in the base asset."""
        return self.bought - self.sold - commissions(self.orders).get(base_asset, ZERO)

    def profit(self, base_asset: str, quote_asset: str) -> Decimal:
        """Realised profit in quote: what the sold part brought, less what that part cost, net of commissions.

        A commission in the base asset makes what is left dearer, one in a third asset counts at its value in quote.
        What could not be sold (less than a step) keeps its cost: it is still owned, so it is neither profit nor loss
        yet.
        """
        sells = self.of(Side.SELL)
        paid, received = total_quote(self.of(Side.BUY)), total_quote(sells)
        fees = commissions(self.orders).get(quote_asset, ZERO)
        fees += third_asset_value(self.orders, (base_asset, quote_asset))
        got = self.owned(base_asset) + self.sold
        with localcontext(EXACT):
            cost = paid * self.sold / got if got > 0 else ZERO
            return (received - fees - cost).quantize(QUOTE_UNIT, rounding=ROUND_FLOOR)


@dataclass(frozen=True)
class PlaceBuy:
    price: Decimal
    quantity: Decimal
    reason: str


@dataclass(frozen=True)
class PlaceSell:
    price: Decimal
    quantity: Decimal
    reason: str


@dataclass(frozen=True)
class Finish:
    """The cycle is over; `state` is one of ENDED."""

    state: TraderState
    profit: Decimal  # realised, in quote
    leftover: Decimal  # still owned, in base: less than can be sold
    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to do. `needs_fills`: an ended order's fills must be fetched first; `needs_values`: what commissions in
    these assets are worth in quote must be asked first; `pauses`: not before a pause, the longer the more often.
    """

    reason: str
    needs_fills: Order | None = None
    needs_values: tuple[str, ...] = ()
    pauses: bool = False


Decision = PlaceBuy | PlaceSell | Finish | Wait

_OFF = Wait("trading is off for this symbol")


def decide(position: Position, event: Event, rules: Rules, settings: Settings) -> Decision:
    """What to do next. Whatever happened before, the same position and event give the same decision."""
    resting = position.open_order
    if resting is not None:
        return Wait(f"the {resting.side.lower()} at {plain(resting.price)} is not filled yet")
    for order in position.orders:
        if not order.is_whole:
            return Wait(f"not all fills of the {order.side.lower()} are known yet", needs_fills=order)
    decision = _next(position, event, rules, settings)
    if isinstance(decision, Finish):
        assets = unvalued(position.orders, (rules.base_asset, rules.quote_asset))
        if assets:
            return Wait(f"asks what its commissions in {', '.join(assets)} are worth", needs_values=assets)
    return _pause(position, event, decision) or decision


def _next(position: Position, event: Event, rules: Rules, settings: Settings) -> Decision:
    if position.bought == 0:
        return _buy(event, rules, settings)
    return _sell_or_finish(position, rules, settings)


def _pause(position: Position, event: Event, decision: Decision) -> Wait | None:
    """Why not to place the same again at once: the order before has just ended without our asking.

    Its owner may have taken it back to trade by hand; self-trade prevention would end the next one as well.
    """
    if not isinstance(event, OrderReported) or event.report.status not in UNASKED_ENDS:
        return None
    how = UNASKED_ENDS[event.report.status]
    if event.report.side == Side.BUY and position.bought == 0 and decision != _OFF:
        return Wait(f"its buy {how}: buys again after a pause", pauses=True)
    if event.report.side == Side.SELL and isinstance(decision, PlaceSell):
        return Wait(f"its sell {how}: sells again after a pause", pauses=True)
    return None


def trigger_of(position: Position) -> Decimal | None:
    """The price at or below which a trade event concerns the trader; None where no price does.

    Fills are learnt from execution reports and reconciliation, never from public trades.
    """
    return ANY_PRICE if position.bought == 0 and position.open_order is None else None


def state_of(position: Position) -> TraderState:
    """Where a trader that has not ended stands."""
    resting = position.open_order
    if resting is not None:
        return TraderState.BUYING if resting.side == Side.BUY else TraderState.SELLING
    return TraderState.HOLDING if position.bought else TraderState.WAITING


def _buy(event: Event, rules: Rules, settings: Settings) -> Decision:
    if not settings.is_on:
        return _OFF
    if not isinstance(event, TradeSeen):
        return Wait("waits for the next trade")
    if event.age_s > MOST_AGE_S:
        return Wait(f"the last trade is {event.age_s:.0f} s old (is the streamer behind, or the clock wrong?)")
    price = buy_price(event.price, settings.buy_down_interval, rules.tick)
    if price <= 0:
        return Wait(f"the market, {plain(event.price)}, is too low for a buy price at tick {plain(rules.tick)}")
    quantity = buy_quantity(settings.budget, price, rules.step)
    why_not = refusal(rules, Side.BUY, price, quantity) or too_far(rules, Side.BUY, price, event.price)
    if why_not:
        return Wait(why_not)
    # What is bought must be sellable after its commission, or the position could never be closed.
    sellable = floor_to(quantity * (1 - rules.maker_fee), rules.step)
    to_sell_at = _sell_price(price, rules, settings)
    why_not = refusal(rules, Side.SELL, to_sell_at, sellable) or too_far(rules, Side.SELL, to_sell_at, event.price)
    if why_not:
        return Wait(f"what it buys could not be sold again: {why_not}")
    return PlaceBuy(price, quantity, f"{_percent(settings.buy_down_interval)} under {plain(event.price)}")


def _sell_or_finish(position: Position, rules: Rules, settings: Settings) -> Decision:
    owned = position.owned(rules.base_asset)
    quantity = floor_to(owned, rules.step)
    profit = position.profit(rules.base_asset, rules.quote_asset)
    # The dearest buy that traded: several exist only where one was cancelled half-way.
    bought_at = max(order.price for order in position.of(Side.BUY) if order.executed)
    price = _sell_price(bought_at, rules, settings)
    why_not = refusal(rules, Side.SELL, price, quantity)
    if why_not is None and not settings.is_on:
        return _OFF
    if why_not is None:
        reason = f"{_percent(settings.profit_interval)} over {plain(bought_at)} after fees of both sides"
        return PlaceSell(price, quantity, reason)
    if not rules.is_trading:
        return Wait(why_not)
    if position.sold and (quantity == 0 or quantity < max(rules.step, rules.min_quantity)):
        return Finish(
            TraderState.FINISHED,
            profit,
            owned,
            f"sold {plain(position.sold)}: profit {plain(profit)} {rules.quote_asset}",
        )
    if quantity == 0 or quantity < rules.min_quantity or quantity * price < rules.min_notional:
        return Finish(
            TraderState.DUST,
            profit,
            owned,
            f"{plain(owned)} {rules.base_asset} is left, too little to sell: {why_not}",
        )
    return Wait(why_not)


def _sell_price(bought_at: Decimal, rules: Rules, settings: Settings) -> Decimal:
    return sell_price(bought_at, settings.profit_interval, rules.tick, rules.maker_fee, rules.maker_fee)


def _percent(fraction: Decimal) -> str:
    return f"{plain(fraction * 100)} %"
