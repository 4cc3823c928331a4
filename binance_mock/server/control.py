"""The exchange's own controls, outside Binance's protocol: state, reset, and for a manual market trades by hand.

    GET  /mock/state   balances, open orders, last prices, market, counters, the faults that are on
    POST /mock/reset   cancels all orders and puts the account's money back to MOCK_BALANCES
    POST /mock/trade   {"symbol", "price", "quantity", "buyer_is_maker"?}: one market trade, with MARKET=manual only
    POST /mock/symbol  {"symbol", "status"?, "filters"?}: halts or resumes trading, changes filters; until a reset

The POSTs need the account's key in the header X-MBX-APIKEY; no web page of another site can send that.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from aiohttp import web

from binance_mock.engine.amounts import cut, text
from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import Changes, MarketTrade
from binance_mock.engine.rules import SymbolStatus
from binance_mock.market.manual import ManualMarket
from binance_mock.protocol import replies
from binance_mock.state.context import Context
from binance_mock.state.store import StoreFailed
from hedgehog_project.outside import read_json


class _SymbolChange(msgspec.Struct):
    symbol: str
    status: SymbolStatus | None = None
    filters: list[dict[str, Any]] = []


def routes(context: Context) -> list[web.RouteDef]:
    async def state(request: web.Request) -> web.Response:
        return _response(_state(context))

    async def reset(request: web.Request) -> web.Response:
        return _guarded(context, request, lambda: context.exchange.reset(context.now_ms()))

    async def trade(request: web.Request) -> web.Response:
        body = await request.read()
        return _guarded(context, request, lambda: _trade(context, body))

    async def symbol(request: web.Request) -> web.Response:
        body = await request.read()
        return _guarded(context, request, lambda: _symbol(context, body))

    return [
        web.get("/mock/state", state),
        web.post("/mock/reset", reset),
        web.post("/mock/trade", trade),
        web.post("/mock/symbol", symbol),
    ]


def _guarded(context: Context, request: web.Request, act: Any) -> web.Response:
    try:
        context.account.check_key(request.headers.get("X-MBX-APIKEY"))
        changes: Changes = act()
    except Refused as refused:
        return _response(refused.body(), refused.status)
    except StoreFailed as failure:
        context.fail(failure)
        return _response({"code": -1000, "msg": str(failure)}, 500)
    return _response(
        {
            "trades": [replies.public_trade(trade) for trade in changes.trades],
            "orders": [replies.queried(report.order) for report in changes.reports],
            "balances": replies.balances(context.exchange.engine.ledger.balances()),
        }
    )


def _trade(context: Context, body: bytes) -> Changes:
    if not isinstance(context.market, ManualMarket):
        raise Refused(
            -1020, f"The market is {context.market.name}: only MARKET=manual accepts trades by hand.", status=409
        )
    try:
        asked = read_json(body)
        symbol, price, quantity = asked["symbol"], Decimal(str(asked["price"])), Decimal(str(asked["quantity"]))
        buyer_is_maker = asked.get("buyer_is_maker", False)
    except (ValueError, LookupError, TypeError, AttributeError, InvalidOperation):
        raise Refused(-1102, 'Send {"symbol": "ETHUSDT", "price": "3000.00", "quantity": "1"}.') from None
    book = context.book(str(symbol))
    numbers = (price, quantity)
    if not all(number.is_finite() and 0 < number < 10**12 and number == cut(number) for number in numbers):
        raise Refused(-1102, "price and quantity must be plain numbers above 0 with at most 8 decimals.")
    return context.exchange.trade(
        [MarketTrade(book.rules.symbol, price, quantity, bool(buyer_is_maker))], context.now_ms()
    )


def _symbol(context: Context, body: bytes) -> Changes:
    try:
        asked = msgspec.convert(read_json(body), _SymbolChange)
    except ValueError as error:
        raise Refused(-1102, f'Send {{"symbol": "ETHUSDT", "status": "HALT"}}: {error}.') from None
    context.book(asked.symbol)
    if asked.filters:
        context.exchange.change_filters(asked.symbol, asked.filters)
    if asked.status:
        context.exchange.set_status(asked.symbol, asked.status)
    return Changes()


def _state(context: Context) -> dict[str, Any]:
    exchange = context.exchange
    engine = exchange.engine
    return {
        "market": context.market.name,
        "world": context.world.shown,
        "serverTime": context.now_ms(),
        "balances": replies.balances(engine.ledger.balances()),
        "fees": {asset: text(holding.fees) for asset, holding in engine.ledger.holdings.items() if holding.fees},
        "openOrders": [replies.queried(order) for order in engine.open_orders()],
        "lastPrices": {
            symbol: text(book.last.price)
            for symbol, book in engine.books.items()
            if book.last is not None and book.rules.is_trading
        },
        "counters": {
            "trades": exchange.counters.trades,
            "orders": exchange.counters.orders,
            "fills": exchange.counters.fills,
            "cancels": exchange.counters.cancels,
        },
        "faults": [fault.shown(context.now_ms()) for fault in context.faults.on(context.now_ms())],
    }


def _response(answer: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), status=status, content_type="application/json")
