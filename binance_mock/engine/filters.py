"""Binance's filters for new orders: filters.md of its API documents. A refusal is -1013 with the filter's name."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from binance_mock.engine.amounts import is_multiple, quotient, times
from binance_mock.engine.book import AVERAGE_MINUTES
from binance_mock.engine.errors import Refused, filter_failure
from binance_mock.engine.orders import NewOrder, OrderType, Side
from binance_mock.engine.rules import SymbolRules

Filter = Mapping[str, Any]


def check(
    new: NewOrder,
    rules: SymbolRules,
    *,
    average: Callable[[int], Decimal | None],
    open_orders: int,
    position: Callable[[], Decimal],
) -> None:
    """Raises Refused where a filter of the symbol forbids the order.

    `average` is the volume-weighted price of so many last minutes, None where nothing has traded yet: rules that
    need it then let everything pass. `position` is what the account has of the base asset, plus what its open buys
    may add.
    """
    is_market = new.type is OrderType.MARKET
    price = average(_minutes(rules, "NOTIONAL", "MIN_NOTIONAL")) if is_market else new.price
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
    max_orders = _bound(limits.get("MAX_NUM_ORDERS"), "maxNumOrders")
    if max_orders and open_orders >= max_orders:
        raise filter_failure("MAX_NUM_ORDERS")
    max_position = _bound(limits.get("MAX_POSITION"), "maxPosition")
    if max_position and new.side is Side.BUY and position() + quantity > max_position:
        raise filter_failure("MAX_POSITION")


def check_exchange(limits: Iterable[Filter], open_orders: int) -> None:
    """Raises Refused where a filter of the whole exchange forbids one more order."""
    for limit in limits:
        max_orders = _bound(limit, "maxNumOrders")
        if limit["filterType"] == "EXCHANGE_MAX_NUM_ORDERS" and max_orders and open_orders >= max_orders:
            raise filter_failure("EXCHANGE_MAX_NUM_ORDERS")


def _bound(limit: Filter | None, name: str) -> Decimal:
    """0 where there is none: a bound of 0 is switched off, one that is missing as well."""
    return Decimal(str((limit or {}).get(name) or "0"))


def _minutes(rules: SymbolRules, *names: str) -> int:
    """How far back the first of these filters looks that the symbol has."""
    limit = next((rules.filters[name] for name in names if name in rules.filters), {})
    told = limit.get("avgPriceMins")
    return AVERAGE_MINUTES if told is None else int(told)


def _price(limit: Filter | None, price: Decimal) -> None:
    if price <= 0:
        raise Refused(-1013, "Invalid price.")
    low, high = _bound(limit, "minPrice"), _bound(limit, "maxPrice")
    if price < low or (high and price > high) or not is_multiple(price, _bound(limit, "tickSize")):
        raise filter_failure("PRICE_FILTER")


def _lot(name: str, limit: Filter | None, quantity: Decimal) -> None:
    if quantity <= 0:
        raise Refused(-1013, "Invalid quantity.")
    low, high = _bound(limit, "minQty"), _bound(limit, "maxQty")
    if quantity < low or (high and quantity > high) or not is_multiple(quantity, _bound(limit, "stepSize")):
        raise filter_failure(name)


def _percent_price(rules: SymbolRules, new: NewOrder, average_of: Callable[[int], Decimal | None]) -> None:
    average = average_of(_minutes(rules, "PERCENT_PRICE", "PERCENT_PRICE_BY_SIDE"))
    if average is None:
        return
    name, up_key, down_key = "PERCENT_PRICE", "multiplierUp", "multiplierDown"
    if name not in rules.filters:
        name = "PERCENT_PRICE_BY_SIDE"
        side = "bid" if new.side is Side.BUY else "ask"
        up_key, down_key = f"{side}MultiplierUp", f"{side}MultiplierDown"
    limit = rules.filters.get(name)
    down, up = _bound(limit, down_key), _bound(limit, up_key)
    if new.price < average * down or (up and new.price > average * up):
        raise filter_failure(name)


def _notional(rules: SymbolRules, notional: Decimal, is_market: bool) -> None:
    limit = rules.filters.get("MIN_NOTIONAL", {})
    if (not is_market or limit.get("applyToMarket")) and notional < _bound(limit, "minNotional"):
        raise filter_failure("MIN_NOTIONAL")
    limit = rules.filters.get("NOTIONAL", {})
    max_notional = _bound(limit, "maxNotional")
    too_small = (not is_market or limit.get("applyMinToMarket")) and notional < _bound(limit, "minNotional")
    too_large = (not is_market or limit.get("applyMaxToMarket")) and max_notional and notional > max_notional
    if too_small or too_large:
        raise filter_failure("NOTIONAL")
