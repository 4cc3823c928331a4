"""The shapes of answers about orders, fills and the account, with every documented field."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from binance_mock.engine.amounts import ZERO, text, times
from binance_mock.engine.fees import BNB, BNB_DISCOUNT, Part, Rates
from binance_mock.engine.orders import Balance, Changes, Fill, Order, OrderType, PreventedMatch, PublicTrade, Side

UID = 1
# The account belongs to no group of accounts that share self-trade prevention (stp_faq.md).
TRADE_GROUP = -1
_NOTHING = text(ZERO)


def _conditional(order: Order) -> dict[str, Any]:
    """Fields that appear only where the order has them (rest-api.md, "Conditional fields in Order Responses")."""
    optional = {
        "strategyId": order.strategy_id,
        "strategyType": order.strategy_type,
        "preventedMatchId": order.prevented_match_id,
        "preventedQuantity": text(order.prevented) if order.prevented else None,
        "expiryReason": order.expiry_reason,
    }
    return {name: value for name, value in optional.items() if value is not None}


def _common(order: Order) -> dict[str, Any]:
    return {
        "price": text(order.price),
        "origQty": text(order.quantity),
        "executedQty": text(order.executed),
        "origQuoteOrderQty": text(order.quote_quantity),
        "cummulativeQuoteQty": text(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
    }


def queried(order: Order) -> dict[str, Any]:
    """An order that was asked for."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_common(order),
        "stopPrice": _NOTHING,
        "icebergQty": _NOTHING,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": order.self_trade,
        **_conditional(order),
    }


def placed(changes: Changes, order: Order, kind: str) -> dict[str, Any]:
    """The answer to a new order: `kind` is ACK, RESULT or FULL."""
    reply: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
    }
    if kind == "ACK":
        return reply
    reply |= _common(order)
    reply["workingTime"] = order.created_ms
    if kind == "FULL":
        reply["fills"] = [
            {
                "price": text(fill.price),
                "qty": text(fill.quantity),
                "commission": text(fill.commission),
                "commissionAsset": fill.commission_asset,
                "tradeId": fill.trade_id,
            }
            for fill in changes.fills
            if fill.order_id == order.order_id
        ]
    if changes.matches:
        reply["preventedMatches"] = [_met(match) for match in changes.matches]
    reply["selfTradePreventionMode"] = order.self_trade
    return reply | _conditional(order)


def _prevented(match: PreventedMatch) -> dict[str, str]:
    amounts = {"takerPreventedQuantity": match.taker_prevented, "makerPreventedQuantity": match.maker_prevented}
    return {name: text(amount) for name, amount in amounts.items() if amount}


def _met(match: PreventedMatch) -> dict[str, Any]:
    """A prevented match in the answer to the order that caused it."""
    return {
        "preventedMatchId": match.match_id,
        "makerOrderId": match.maker_order_id,
        "price": text(match.price),
        **_prevented(match),
    }


def prevented_match(match: PreventedMatch) -> dict[str, Any]:
    return {
        "symbol": match.symbol,
        "preventedMatchId": match.match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": match.symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": TRADE_GROUP,
        "selfTradePreventionMode": match.mode,
        "price": text(match.price),
        **_prevented(match),
        "transactTime": match.time_ms,
    }


def cancelled(order: Order, cancel_client_id: str) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_client_id,
        "transactTime": order.updated_ms,
        **_common(order),
        "selfTradePreventionMode": order.self_trade,
        **_conditional(order),
    }


def my_trade(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.quantity),
        "quoteQty": text(fill.quote_quantity),
        "commission": text(fill.commission),
        "commissionAsset": fill.commission_asset,
        "time": fill.time_ms,
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def public_trade(trade: PublicTrade) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "quoteQty": text(times(trade.price, trade.quantity)),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_trade(trade: PublicTrade) -> dict[str, Any]:
    """Here each trade is an aggregate of its own, with the trade's id."""
    return {
        "a": trade.trade_id,
        "p": text(trade.price),
        "q": text(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def balances(of: Mapping[str, Balance], *, omit_zero: bool = False) -> list[dict[str, str]]:
    return [
        {"asset": asset, "free": text(balance.free), "locked": text(balance.locked)}
        for asset, balance in of.items()
        if not omit_zero or balance.free or balance.locked
    ]


def account(of: Mapping[str, Balance], rates: Rates, updated_ms: int, *, omit_zero: bool) -> dict[str, Any]:
    return {
        "makerCommission": _points(rates.standard.maker),
        "takerCommission": _points(rates.standard.taker),
        "buyerCommission": _points(rates.standard.buyer),
        "sellerCommission": _points(rates.standard.seller),
        "commissionRates": _rates(rates.standard),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": updated_ms,
        "accountType": "SPOT",
        "balances": balances(of, omit_zero=omit_zero),
        "permissions": ["SPOT"],
        "uid": UID,
    }


def _points(rate: Decimal) -> int:
    """A rate in hundredths of a per cent."""
    return int(rate * 10_000)


def _rates(part: Part) -> dict[str, str]:
    return {each.name: text(getattr(part, each.name)) for each in fields(part)}


def _for_order(part: Part, side: Side) -> dict[str, str]:
    is_buyer = side is Side.BUY
    return {
        "maker": text(part.rate(is_buyer=is_buyer, is_maker=True)),
        "taker": text(part.rate(is_buyer=is_buyer, is_maker=False)),
    }


def _discount(fees_in_bnb: bool) -> dict[str, Any]:
    return {
        "enabledForAccount": fees_in_bnb,
        "enabledForSymbol": True,
        "discountAsset": BNB,
        "discount": text(BNB_DISCOUNT),
    }


def commission(symbol: str, rates: Rates, fees_in_bnb: bool) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "standardCommission": _rates(rates.standard),
        "specialCommission": _rates(rates.special),
        "taxCommission": _rates(rates.tax),
        "discount": _discount(fees_in_bnb),
    }


def test_commission(rates: Rates, side: Side, fees_in_bnb: bool) -> dict[str, Any]:
    """The answer to a test order with computeCommissionRates: what buyers or sellers pay is in both rates."""
    return {
        "standardCommissionForOrder": _for_order(rates.standard, side),
        "specialCommissionForOrder": _for_order(rates.special, side),
        "taxCommissionForOrder": _for_order(rates.tax, side),
        "discount": _discount(fees_in_bnb),
    }


def default_reply_kind(kind: OrderType) -> str:
    """newOrderRespType where none is asked for."""
    return "ACK" if kind is OrderType.LIMIT_MAKER else "FULL"
