"""Binance's filters for new orders: filters.md of its API documents. A refusal is -1013 with the filter's name."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from binance_mock.amounts import is_multiple, quotient, times
from binance_mock.errors import Refused, filter_failure
from binance_mock.orders import NewOrder, OrderType, Side
from binance_mock.rules import SymbolRules

Filter = Mapping[str, Any]


def check(
    new: NewOrder,
    rules: SymbolRules,
    *,
    average: Decimal | None,
    open_orders: int,
    position: Callable[[], Decimal],
) -> None:
    """Raises Refused where a filter of the symbol forbids the order.

    `average` is the volume-weighted price of the last minutes, None where nothing has traded yet: rules that need it
    then let everything pass. `position` is what the account has of the base asset, plus what its open buys may add.
    """
    is_market = new.type is OrderType.MARKET
    price = average if is_market else new.price
    quantity = new.quantity
    if not quantity and price:
        quantity = quotient(new.quote_quantity, price)
    if not is_market:
        _price(rules.filters.get("PRICE_FILTER"), new.price)
        _percent_price(rules, new, average)
    if new.quantity:
        _lot("LOT_SIZE", rules.filters.get("LOT_SIZE"), new.quantity)
        if is_market:
            _lot("MARKET_LOT_SIZE", rules.filters.get("MARKET_LOT_SIZE"), new.quantity)
    if price is not None:
        _notional(rules, new.quote_quantity or times(price, new.quantity), is_market)
    limits = rules.filters
    most_orders = limits.get("MAX_NUM_ORDERS")
    if most_orders and open_orders >= int(most_orders["maxNumOrders"]):
        raise filter_failure("MAX_NUM_ORDERS")
    most = limits.get("MAX_POSITION")
    if most and new.side is Side.BUY and position() + quantity > Decimal(most["maxPosition"]):
        raise filter_failure("MAX_POSITION")


def _price(limit: Filter | None, price: Decimal) -> None:
    if price <= 0:
        raise Refused(-1013, "Invalid price.")
    if limit is None:
        return
    low, high = Decimal(limit["minPrice"]), Decimal(limit["maxPrice"])
    # A bound or a tick of 0 is switched off.
    if price < low or (high and price > high) or not is_multiple(price, Decimal(limit["tickSize"])):
        raise filter_failure("PRICE_FILTER")


def _lot(name: str, limit: Filter | None, quantity: Decimal) -> None:
    if quantity <= 0:
        raise Refused(-1013, "Invalid quantity.")
    if limit is None:
        return
    low, high = Decimal(limit["minQty"]), Decimal(limit["maxQty"])
    if quantity < low or (high and quantity > high) or not is_multiple(quantity, Decimal(limit["stepSize"])):
        raise filter_failure(name)


def _percent_price(rules: SymbolRules, new: NewOrder, average: Decimal | None) -> None:
    if average is None:
        return
    name, up_key, down_key = "PERCENT_PRICE", "multiplierUp", "multiplierDown"
    if name not in rules.filters:
        name = "PERCENT_PRICE_BY_SIDE"
        side = "bid" if new.side is Side.BUY else "ask"
        up_key, down_key = f"{side}MultiplierUp", f"{side}MultiplierDown"
    limit = rules.filters.get(name)
    if limit and not average * Decimal(limit[down_key]) <= new.price <= average * Decimal(limit[up_key]):
        raise filter_failure(name)


def _notional(rules: SymbolRules, notional: Decimal, is_market: bool) -> None:
    limit = rules.filters.get("MIN_NOTIONAL")
    if limit and (not is_market or limit["applyToMarket"]) and notional < Decimal(limit["minNotional"]):
        raise filter_failure("MIN_NOTIONAL")
    limit = rules.filters.get("NOTIONAL")
    if limit is None:
        return
    too_small = (not is_market or limit["applyMinToMarket"]) and notional < Decimal(limit["minNotional"])
    too_large = (not is_market or limit["applyMaxToMarket"]) and notional > Decimal(limit["maxNotional"])
    if too_small or too_large:
        raise filter_failure("NOTIONAL")
