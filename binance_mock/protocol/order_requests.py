"""Requests that place, cancel and look up orders."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from binance_mock.engine.errors import Refused, not_valid, rejected
from binance_mock.engine.orders import NewOrder, OrderStatus
from binance_mock.protocol import new_order, replies
from binance_mock.protocol.params import Params, check_lookup
from binance_mock.state.context import Context


class ReplyKind(StrEnum):
    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class CancelReplaceMode(StrEnum):
    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class OverLimitMode(StrEnum):
    """What a cancel-replace does where one more order is too many."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


class OrdersLeft(StrEnum):
    """Cancel restrictions: only an order that is in this state is cancelled."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


_REPLY_REFUSED = not_valid("newOrderRespType")


def place(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    new = new_order.read(params, context.book(params.symbol()).rules)
    kind = params.choice("newOrderRespType", ReplyKind, _REPLY_REFUSED) or replies.default_reply_kind(new.type)
    params.finish()
    return _place(context, new, kind, now_ms)


def _place(context: Context, new: NewOrder, kind: str, now_ms: int) -> dict[str, Any]:
    context.limits.check_order(now_ms)
    # Counted first: its own first fill gives the count back.
    context.limits.order_placed(now_ms)
    try:
        changes = context.exchange.place(new, now_ms)
    except Refused:
        context.limits.give_order_back(now_ms)
        raise
    first = changes.reports[0].order
    return replies.placed(changes, changes.order(first.order_id), kind)


def test(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    """Checks an order's parameters and filters. The matching engine is not asked: balances do not matter."""
    new = new_order.read(params, context.book(params.symbol()).rules)
    params.raw("newOrderRespType")
    wants_rates = params.raw("computeCommissionRates") == "true"
    params.finish()
    engine = context.exchange.engine
    engine.check(new, now_ms)
    return replies.test_commission(engine.rates, new.side, engine.fees_in_bnb) if wants_rates else {}


def _which(params: Params, id_name: str = "orderId", client_name: str = "origClientOrderId") -> tuple[Any, Any]:
    order_id, client_id = params.number(id_name), params.client_id(client_name)
    if order_id is None and client_id is None:
        message = f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise Refused(-1102, message)
    return order_id, client_id


def _required_status(params: Params) -> OrderStatus | None:
    refused = Refused(-1145, "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.")
    wanted = params.choice("cancelRestrictions", OrdersLeft, refused)
    if wanted is None:
        return None
    return OrderStatus.NEW if wanted is OrdersLeft.ONLY_NEW else OrderStatus.PARTIALLY_FILLED


def _cancel_one(
    context: Context,
    symbol: str,
    which: tuple[Any, Any],
    cancel_id: str | None,
    now_ms: int,
    only: OrderStatus | None,
) -> dict[str, Any]:
    cancel_id = cancel_id or f"cancel-{now_ms}"
    changes = context.exchange.cancel(symbol, *which, now_ms, cancel_id, only)
    return replies.cancelled(changes.reports[-1].order, cancel_id)


def cancel(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    symbol = params.symbol()
    context.book(symbol)
    which, cancel_id, only = _which(params), params.client_id("newClientOrderId"), _required_status(params)
    params.finish()
    return _cancel_one(context, symbol, which, cancel_id, now_ms, only)


def cancel_all(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol()
    orders = context.exchange.engine.open_orders(symbol)
    params.finish()
    if not orders:
        raise Refused(-2011, "Unknown order sent.")
    return [_cancel_one(context, symbol, (order.order_id, None), None, now_ms, None) for order in orders]


def cancel_replace(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    """Cancels one order and places another. Where a part fails, -2021 or -2022 says which."""
    rules = context.book(params.symbol()).rules
    refused = not_valid("cancelReplaceMode")
    mode = params.choice("cancelReplaceMode", CancelReplaceMode, refused, required=True)
    which = _which(params, "cancelOrderId", "cancelOrigClientOrderId")
    cancel_id, only = params.client_id("cancelNewClientOrderId"), _required_status(params)
    over_limit = params.choice("orderRateLimitExceededMode", OverLimitMode, not_valid("orderRateLimitExceededMode"))
    new = new_order.read(params, rules)
    kind = params.choice("newOrderRespType", ReplyKind, _REPLY_REFUSED) or replies.default_reply_kind(new.type)
    params.finish()
    if over_limit is not OverLimitMode.CANCEL_ONLY:
        context.limits.check_order(now_ms)
    data: dict[str, Any] = {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": None,
        "newOrderResponse": None,
    }
    try:
        data["cancelResponse"] = _cancel_one(context, rules.symbol, which, cancel_id, now_ms, only)
        data["cancelResult"] = "SUCCESS"
    except Refused as failure:
        data["cancelResponse"] = failure.body()
        if mode is CancelReplaceMode.STOP_ON_FAILURE:
            raise Refused(-2022, "Order cancel-replace failed.", data=data) from failure
    try:
        data["newOrderResponse"] = _place(context, new, kind, now_ms)
        data["newOrderResult"] = "SUCCESS"
    except Refused as failure:
        data["newOrderResponse"] = failure.body()
        data["newOrderResult"] = "FAILURE"
    outcomes = {data["cancelResult"], data["newOrderResult"]}
    if outcomes == {"FAILURE"}:
        raise Refused(-2022, "Order cancel-replace failed.", data=data)
    if "FAILURE" in outcomes:
        raise Refused(-2021, "Order cancel-replace partially failed.", status=409, data=data)
    return data


def query(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    symbol = params.symbol()
    context.book(symbol)
    order_id, client_id = _which(params)
    params.finish()
    try:
        return replies.queried(context.exchange.order(symbol, order_id, client_id))
    except Refused as refused:
        if refused.code != -2013 or order_id is None or client_id is None:
            raise
        raise Refused(-2039, "Client order ID is not correct for this order ID.") from None


def open_orders(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol_or_none()
    params.finish()
    if symbol:
        context.book(symbol)
    return [replies.queried(order) for order in context.exchange.engine.open_orders(symbol)]


def all_orders(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol()
    context.book(symbol)
    from_id, start_ms, end_ms = params.number("orderId"), params.time_ms("startTime"), params.time_ms("endTime")
    limit = params.limit(500, 1000)
    params.finish()
    check_lookup(start_ms, end_ms)
    kept = context.exchange.store.orders(symbol, from_id=from_id, start_ms=start_ms, end_ms=end_ms, limit=limit)
    return [replies.queried(order) for order in kept]


def no_amendments(context: Context, params: Params, now_ms: int) -> list[Any]:
    """None: orders of this exchange are not amended."""
    context.exchange.order(params.symbol(), params.number("orderId", required=True), None)
    params.number("fromExecutionId")
    params.limit(500, 1000)
    params.finish()
    return []


def not_offered(message: str) -> Callable[[Context, Params, int], Any]:
    """Refuses what Binance offers and this exchange does not, as Binance does where a symbol does not allow it."""

    def refuse(context: Context, params: Params, now_ms: int) -> Any:
        context.exchange.engine.book(params.symbol())
        raise rejected(message)

    return refuse
