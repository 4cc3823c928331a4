"""Reads a new order from a request's parameters, refusing what Binance refuses before its matching engine."""

from collections.abc import Mapping
from decimal import Decimal

from binance_mock.engine.amounts import ZERO, is_multiple
from binance_mock.engine.errors import Refused, bad_combination, mandatory, not_required, rejected, too_precise
from binance_mock.engine.orders import NewOrder, OrderType, SelfTrade, Side, TimeInForce
from binance_mock.engine.rules import SymbolRules
from binance_mock.protocol.params import Params

# Order types that Binance has and this exchange does not offer; exchangeInfo does not list them either.
_ELSEWHERE = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}
_NOT_OFFERED = {
    "icebergQty": "Iceberg orders are not supported for this symbol.",
    "trailingDelta": "Trailing stop orders are not supported for this symbol.",
    "pegPriceType": "Pegged orders are not supported for this symbol.",
}
_STRATEGY_TYPES_FROM = 1_000_000


def read(params: Params, rules: SymbolRules) -> NewOrder:
    """The order asked for. Raises Refused."""
    side = params.choice("side", Side, Refused(-1117, "Invalid side."), required=True)
    if (name := params.raw("type")) in _ELSEWHERE:
        raise rejected(_ELSEWHERE[name or ""])
    kind = params.choice("type", OrderType, Refused(-1116, "Invalid orderType."), required=True)
    assert side is not None and kind is not None
    for name, message in _NOT_OFFERED.items():
        if name in params:
            raise rejected(message)
    if "stopPrice" in params:
        raise not_required("stopPrice")
    tif = params.choice("timeInForce", TimeInForce, Refused(-1115, "Invalid timeInForce."))
    price, quantity, quote_quantity = _amounts(params, kind)
    _check_digits({"price": price, "quoteOrderQty": quote_quantity}, rules.price_digits)
    _check_digits({"quantity": quantity}, rules.quantity_digits)
    if kind is OrderType.LIMIT and tif is None:
        raise mandatory("timeInForce")
    if kind is not OrderType.LIMIT and tif is not None:
        raise not_required("timeInForce")
    bad_mode = Refused(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return NewOrder(
        symbol=rules.symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price,
        time_in_force=tif or TimeInForce.GTC,
        quote_quantity=quote_quantity,
        client_order_id=params.client_id("newClientOrderId") or "",
        self_trade=params.choice("selfTradePreventionMode", SelfTrade, bad_mode) or rules.self_trade,
        strategy_id=params.number("strategyId"),
        strategy_type=_strategy_type(params),
    )


def _amounts(params: Params, kind: OrderType) -> tuple[Decimal, Decimal, Decimal]:
    """Price, quantity and quote quantity; 0 where the order has none."""
    if kind is not OrderType.MARKET:
        if "quoteOrderQty" in params:
            raise not_required("quoteOrderQty")
        quantity = params.amount("quantity", required=True) or ZERO
        price = params.amount("price", required=True) or ZERO
        if not quantity:
            raise Refused(-1013, "Invalid quantity.")
        return price, quantity, ZERO
    if "price" in params:
        raise not_required("price")
    market_quantity, quote_quantity = params.amount("quantity"), params.amount("quoteOrderQty")
    if market_quantity is None and quote_quantity is None:
        raise Refused(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
    if market_quantity is not None and quote_quantity is not None:
        raise bad_combination()
    if not market_quantity and not quote_quantity:
        raise Refused(-1013, "Invalid quantity.")
    return ZERO, market_quantity or ZERO, quote_quantity or ZERO


def _check_digits(amounts: Mapping[str, Decimal], digits: int) -> None:
    """Raises Refused (-1111) for more decimals than the asset has."""
    for name, amount in amounts.items():
        if not is_multiple(amount, Decimal(1).scaleb(-digits)):
            raise too_precise(name)


def _strategy_type(params: Params) -> int | None:
    value = params.number("strategyType")
    if value is not None and value < _STRATEGY_TYPES_FROM:
        raise Refused(-1134, "`strategyType` was less than 1000000.")
    return value
