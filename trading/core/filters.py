"""What the exchange's filters (filters.md) make of an order before it is sent."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from trading.core import old_names
from trading.core.fees import USUAL_FEES, Fees
from trading.core.money import ZERO, floor_to, plain, quote_of
from trading.core.orders import Side


@dataclass(frozen=True)
class SymbolFilters:
    """A symbol as one venue lists it. A bound of 0 is none (filters.md: "0 disables")."""

    symbol: str
    base_asset: str
    quote_asset: str
    tick: Decimal
    step: Decimal
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    min_quantity: Decimal = ZERO
    max_quantity: Decimal = ZERO
    # MARKET_LOT_SIZE: the max quantity of one market order, and its step where that is coarser than `step`.
    max_market_quantity: Decimal = ZERO
    market_step: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_notional: Decimal = ZERO
    # PERCENT_PRICE and PERCENT_PRICE_BY_SIDE: how far from the average price a buy and a sell may lie, as factors.
    buy_factor_min: Decimal = ZERO
    buy_factor_max: Decimal = ZERO
    sell_factor_min: Decimal = ZERO
    sell_factor_max: Decimal = ZERO
    max_position: Decimal = ZERO  # MAX_POSITION: max quantity of the base asset owned, with open buys
    max_orders: int = 0  # MAX_NUM_ORDERS: max open orders of the symbol
    allows_replacing: bool = False  # one request may cancel an order and place another (cancelReplaceAllowed)
    fees: Fees = USUAL_FEES
    is_trading: bool = True
    status: str = "TRADING"

    @property
    def maker_fee(self) -> Decimal:
        """The commission of a resting sale: an older name, for strategies that use it."""
        return self.fees.sell_maker


def violation(filters: SymbolFilters, side: Side, price: Decimal, quantity: Decimal) -> str | None:
    """Why the exchange would refuse this order, in words for people; None where its filters let it pass."""
    what = f"{side} {plain(quantity)} {filters.base_asset} at {plain(price)}"
    # Whether a sale can be had is the exchange's to say, each time: what is believed of a listing may be out of date.
    if side == Side.BUY and not filters.is_trading:
        return f"{filters.symbol} cannot be traded now (status {filters.status})"
    if price <= 0 or price < filters.min_price:
        return f"{what}: price below the minimum, {plain(filters.min_price)}"
    if filters.max_price and price > filters.max_price:
        return f"{what}: price above the maximum, {plain(filters.max_price)}"
    if floor_to(price, filters.tick) != price:
        return f"{what}: price is not a multiple of the tick size, {plain(filters.tick)}"
    if quantity <= 0 or quantity < filters.min_quantity:
        return f"{what}: quantity below the minimum, {plain(filters.min_quantity)}"
    if filters.max_quantity and quantity > filters.max_quantity:
        return f"{what}: quantity above the maximum, {plain(filters.max_quantity)}"
    if floor_to(quantity, filters.step) != quantity:
        return f"{what}: quantity is not a multiple of the step size, {plain(filters.step)}"
    if side == Side.BUY and filters.max_position and quantity > filters.max_position:
        return f"{what}: above the maximum position, {plain(filters.max_position)}"
    notional = quote_of(price, quantity)
    worth = f"{what}: {plain(notional)} {filters.quote_asset}"
    if notional < filters.min_notional:
        return f"{worth} is below the min notional, {plain(filters.min_notional)}"
    if filters.max_notional and notional > filters.max_notional:
        return f"{worth} is above the max notional, {plain(filters.max_notional)}"
    return None


def too_far(filters: SymbolFilters, side: Side, price: Decimal, market: Decimal) -> str | None:
    """Why the exchange would refuse this price as too far from the market; None where it would not.

    The exchange compares with its average of the last minutes; the last trade is our estimate of it.
    """
    is_buy = side == Side.BUY
    minimum = filters.buy_factor_min if is_buy else filters.sell_factor_min
    maximum = filters.buy_factor_max if is_buy else filters.sell_factor_max
    what = f"{side} at {plain(price)}: the exchange rejects prices"
    if price < market * minimum:
        return f"{what} below {plain(minimum)} times the market, {plain(market)}"
    if maximum and price > market * maximum:
        return f"{what} above {plain(maximum)} times the market, {plain(market)}"
    return None


if not TYPE_CHECKING:  # A type checker should miss the old names.
    __getattr__ = old_names.of(__name__, {"Rules": "SymbolFilters", "refusal": "violation"})
