"""The table of what can be asked, by REST and by the WebSocket API alike: weight, who may ask, and who answers.

Weights are those of Binance's rest-api.md. REST and the WebSocket API differ only in how a request is wrapped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from binance_mock.protocol import account_requests as account
from binance_mock.protocol import market_requests as market
from binance_mock.protocol import order_requests as orders
from binance_mock.protocol import ticker_requests as tickers
from binance_mock.protocol.params import Params
from binance_mock.state.context import Context

Run = Callable[[Context, Params, int], Any]


@dataclass(frozen=True)
class Operation:
    run: Run
    weight: int
    signed: bool = False
    # The weight without a symbol, where that differs.
    weight_of_all: int | None = None
    # Placing and cancelling weigh nothing where they succeed.
    free: bool = False
    places_orders: bool = False

    def weighs(self, params: Params) -> int:
        if self.run is account.my_trades and "orderId" in params:
            return 5
        if self.run is account.prevented_matches and "preventedMatchId" in params:
            return 2
        if self.run is orders.test and "computeCommissionRates" in params:
            return 20
        if self.run in (tickers.trading_day, tickers.rolling):
            return min(200, 4 * len(params.symbols() or ()))
        if self.run is tickers.day and (symbols := params.symbols()):
            return 2 if len(symbols) <= 20 else 40 if len(symbols) <= 100 else 80
        if self.run is market.depth and "limit" in params:
            return _depth_weight(params.limit(100, 5000))
        if self.weight_of_all is not None and "symbol" not in params:
            return self.weight_of_all
        return self.weight


def _depth_weight(limit: int) -> int:
    return next(weight for maximum, weight in ((100, 5), (500, 25), (1000, 50), (5000, 250)) if limit <= maximum)


_PING = Operation(market.ping, 1)
_TIME = Operation(market.server_time, 1)
_INFO = Operation(market.exchange_info, 20)
_DEPTH = Operation(market.depth, 5)
_TRADES = Operation(market.trades, 25)
_OLD_TRADES = Operation(market.old_trades, 25)
_AGGREGATE = Operation(market.aggregate_trades, 4)
_KLINES = Operation(market.klines, 2)
_AVERAGE = Operation(market.average_price, 2)
_PRICE = Operation(tickers.price, 2, weight_of_all=4)
_BOOK = Operation(tickers.book, 2, weight_of_all=4)
_DAY = Operation(tickers.day, 2, weight_of_all=80)
_TRADING_DAY = Operation(tickers.trading_day, 4)
_ROLLING = Operation(tickers.rolling, 4)
_RULES = Operation(market.execution_rules, 2, weight_of_all=40)
_REFERENCE = Operation(market.reference_price, 2)
_BLOCK_TRADES = Operation(market.block_trades, 25)
_PLACE = Operation(orders.place, 1, signed=True, free=True, places_orders=True)
_TEST = Operation(orders.test, 1, signed=True)
_QUERY = Operation(orders.query, 4, signed=True)
_CANCEL = Operation(orders.cancel, 1, signed=True, free=True)
_REPLACE = Operation(orders.cancel_replace, 1, signed=True, free=True, places_orders=True)
_OPEN = Operation(orders.open_orders, 6, signed=True, weight_of_all=80)
_CANCEL_ALL = Operation(orders.cancel_all, 1, signed=True, free=True)
_ALL = Operation(orders.all_orders, 20, signed=True)
_MY_TRADES = Operation(account.my_trades, 20, signed=True)
_ACCOUNT = Operation(account.account, 20, signed=True)
_COMMISSION = Operation(account.commission, 20, signed=True)
_COUNTS = Operation(account.order_counts, 40, signed=True)
_PREVENTED = Operation(account.prevented_matches, 20, signed=True)
_ALLOCATIONS = Operation(account.allocations, 20, signed=True)
_FILTERS = Operation(account.relevant_filters, 40, signed=True)
_LISTS = Operation(account.no_order_lists, 20, signed=True)
_OPEN_LISTS = Operation(account.no_open_order_lists, 6, signed=True)
_AMENDMENTS = Operation(orders.no_amendments, 4, signed=True)
_NO_AMEND = Operation(orders.not_offered("Order amend is not supported for this symbol."), 4, signed=True)
_NO_LIST = Operation(orders.not_offered("OCO orders are not supported for this symbol"), 1, signed=True)

_LIST_KINDS = ("oco", "oto", "otoco", "opo", "opoco")

# (HTTP method, path under /api/v3/)
REST: dict[tuple[str, str], Operation] = {
    ("GET", "ping"): _PING,
    ("GET", "time"): _TIME,
    ("GET", "exchangeInfo"): _INFO,
    ("GET", "depth"): _DEPTH,
    ("GET", "trades"): _TRADES,
    ("GET", "historicalTrades"): _OLD_TRADES,
    ("GET", "aggTrades"): _AGGREGATE,
    ("GET", "klines"): _KLINES,
    ("GET", "uiKlines"): _KLINES,
    ("GET", "avgPrice"): _AVERAGE,
    ("GET", "ticker/price"): _PRICE,
    ("GET", "ticker/bookTicker"): _BOOK,
    ("GET", "ticker/24hr"): _DAY,
    ("GET", "ticker/tradingDay"): _TRADING_DAY,
    ("GET", "ticker"): _ROLLING,
    ("GET", "executionRules"): _RULES,
    ("GET", "referencePrice"): _REFERENCE,
    ("GET", "referencePrice/calculation"): _REFERENCE,
    ("GET", "historicalBlockTrades"): _BLOCK_TRADES,
    ("POST", "order"): _PLACE,
    ("POST", "order/test"): _TEST,
    ("GET", "order"): _QUERY,
    ("DELETE", "order"): _CANCEL,
    ("POST", "order/cancelReplace"): _REPLACE,
    ("GET", "openOrders"): _OPEN,
    ("DELETE", "openOrders"): _CANCEL_ALL,
    ("GET", "allOrders"): _ALL,
    ("GET", "myTrades"): _MY_TRADES,
    ("GET", "account"): _ACCOUNT,
    ("GET", "account/commission"): _COMMISSION,
    ("GET", "rateLimit/order"): _COUNTS,
    ("GET", "myPreventedMatches"): _PREVENTED,
    ("GET", "myAllocations"): _ALLOCATIONS,
    ("GET", "myFilters"): _FILTERS,
    ("GET", "order/amendments"): _AMENDMENTS,
    ("PUT", "order/amend/keepPriority"): _NO_AMEND,
    ("GET", "allOrderList"): _LISTS,
    ("GET", "openOrderList"): _OPEN_LISTS,
    **{("POST", f"orderList/{kind}"): _NO_LIST for kind in _LIST_KINDS},
    ("POST", "order/oco"): _NO_LIST,
}

# (HTTP method, path under /sapi/v1/): the key's rights, and what clients ask about commissions.
SAPI: dict[tuple[str, str], Operation] = {
    ("GET", "account/apiRestrictions"): Operation(account.key_rights, 1, signed=True),
    ("GET", "asset/tradeFee"): Operation(account.trade_fee, 1, signed=True),
    ("GET", "bnbBurn"): Operation(account.bnb_burn, 1, signed=True),
    ("POST", "bnbBurn"): Operation(account.set_bnb_burn, 1, signed=True),
}

WS_API: dict[str, Operation] = {
    "ping": _PING,
    "time": _TIME,
    "exchangeInfo": _INFO,
    "depth": _DEPTH,
    "trades.recent": _TRADES,
    "trades.historical": _OLD_TRADES,
    "trades.aggregate": _AGGREGATE,
    "klines": _KLINES,
    "uiKlines": _KLINES,
    "avgPrice": _AVERAGE,
    "ticker.price": _PRICE,
    "ticker.book": _BOOK,
    "ticker.24hr": _DAY,
    "ticker.tradingDay": _TRADING_DAY,
    "ticker": _ROLLING,
    "executionRules": _RULES,
    "referencePrice": _REFERENCE,
    "referencePrice.calculation": _REFERENCE,
    "blockTrades.historical": _BLOCK_TRADES,
    "order.place": _PLACE,
    "order.test": _TEST,
    "order.status": _QUERY,
    "order.cancel": _CANCEL,
    "order.cancelReplace": _REPLACE,
    "openOrders.status": _OPEN,
    "openOrders.cancelAll": _CANCEL_ALL,
    "allOrders": _ALL,
    "myTrades": _MY_TRADES,
    "account.status": _ACCOUNT,
    "account.commission": _COMMISSION,
    "account.rateLimits.orders": _COUNTS,
    "myPreventedMatches": _PREVENTED,
    "myAllocations": _ALLOCATIONS,
    "myFilters": _FILTERS,
    "order.amendments": _AMENDMENTS,
    "order.amend.keepPriority": _NO_AMEND,
    "allOrderLists": _LISTS,
    "openOrderLists.status": _OPEN_LISTS,
    **{f"orderList.place.{kind}": _NO_LIST for kind in _LIST_KINDS},
    "orderList.place": _NO_LIST,
}


def perform(context: Context, operation: Operation, params: Params, now_ms: int) -> Any:
    """The answer, its weight counted. Raises Refused."""
    weight = operation.weighs(params)
    context.limits.spend(weight, now_ms)
    answer = operation.run(context, params, now_ms)
    if operation.free:
        context.limits.give_back(weight, now_ms)
    return answer
