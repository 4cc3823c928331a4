"""Requests about the market: what trades, at what prices."""

import json
from collections.abc import Callable
from typing import Any

from binance_mock.amounts import ZERO, text
from binance_mock.book import AVERAGE_MINUTES, SymbolBook
from binance_mock.desk import Desk
from binance_mock.errors import Refused, bad_combination, bad_symbol, illegal, mandatory, not_valid
from binance_mock.protocol import replies
from binance_mock.protocol.candles import INTERVALS, Day, day_of
from binance_mock.protocol.depth import levels
from binance_mock.protocol.params import Params

_SYMBOLS = r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$'


def ping(desk: Desk, params: Params, now_ms: int) -> dict[str, Any]:
    params.finish()
    return {}


def server_time(desk: Desk, params: Params, now_ms: int) -> dict[str, Any]:
    params.finish()
    return {"serverTime": now_ms}


def _symbols(params: Params) -> list[str] | None:
    """The symbols of `symbol` or `symbols` (a JSON list); None where neither is there."""
    if "symbol" in params and "symbols" in params:
        raise bad_combination()
    if "symbols" not in params:
        symbol = params.symbol_or_none()
        return [symbol] if symbol else None
    value = params.raw("symbols") or ""
    try:
        symbols = json.loads(value)
    except ValueError:
        raise illegal("symbols", _SYMBOLS) from None
    if not isinstance(symbols, list) or not symbols or not all(isinstance(each, str) for each in symbols):
        raise illegal("symbols", _SYMBOLS)
    if len(set(symbols)) < len(symbols):
        raise Refused(-1151, "Symbol is present multiple times in the list.")
    return symbols


def exchange_info(desk: Desk, params: Params, now_ms: int) -> dict[str, Any]:
    wanted = _symbols(params)
    status = params.raw("symbolStatus")
    for name in ("permissions", "showPermissionSets"):
        params.raw(name)
    params.finish()
    books = desk.exchange.engine.books
    if wanted is not None and not books.keys() >= set(wanted):
        raise bad_symbol()
    entries = [books[symbol].rules.info for symbol in wanted or books]
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": desk.limits.rules(),
        "exchangeFilters": desk.exchange.info["exchangeFilters"],
        "symbols": [entry for entry in entries if status is None or entry["status"] == status],
    }


def depth(desk: Desk, params: Params, now_ms: int) -> dict[str, Any]:
    book = desk.book(params.symbol())
    limit = params.limit(100, 5000)
    params.finish()
    bids, asks = levels(book, limit)
    return {"lastUpdateId": book.last.trade_id if book.last else 0, "bids": bids, "asks": asks}


def trades(desk: Desk, params: Params, now_ms: int) -> list[dict[str, Any]]:
    """The newest trades, or with fromId those from that one on."""
    symbol = params.symbol()
    desk.book(symbol)
    from_id, limit = params.number("fromId"), params.limit(500, 1000)
    params.finish()
    return [replies.public_trade(trade) for trade in desk.exchange.store.trades(symbol, from_id=from_id, limit=limit)]


def aggregate_trades(desk: Desk, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol()
    desk.book(symbol)
    from_id, start_ms, end_ms = params.number("fromId"), params.number("startTime"), params.number("endTime")
    limit = params.limit(500, 1000)
    params.finish()
    found = desk.exchange.store.trades(symbol, from_id=from_id, start_ms=start_ms, end_ms=end_ms, limit=limit)
    return [replies.aggregate_trade(trade) for trade in found]


def klines(desk: Desk, params: Params, now_ms: int) -> list[list[Any]]:
    symbol = params.symbol()
    desk.book(symbol)
    interval = params.raw("interval")
    if not interval:
        raise mandatory("interval")
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    start_ms, end_ms, limit = params.number("startTime"), params.number("endTime"), params.limit(500, 1000)
    if params.raw("timeZone") not in (None, "0"):
        raise not_valid("timeZone")
    params.finish()
    return [candle.row() for candle in desk.candles(symbol, interval).within(start_ms, end_ms, limit)]


def average_price(desk: Desk, params: Params, now_ms: int) -> dict[str, Any]:
    book = desk.book(params.symbol())
    params.finish()
    return {
        "mins": AVERAGE_MINUTES,
        "price": text(book.average_price(now_ms) or ZERO),
        "closeTime": book.last.time_ms if book.last else 0,
    }


def _each(desk: Desk, params: Params, reply: Callable[[SymbolBook], dict[str, Any] | None]) -> Any:
    """One reply for `symbol`, a list for `symbols`, and for neither a list of all symbols that have traded."""
    is_one = "symbol" in params
    wanted = _symbols(params)
    params.finish()
    if wanted is None:
        return [each for book in desk.exchange.engine.books.values() if (each := reply(book)) is not None]
    found = [reply(desk.book(symbol)) for symbol in wanted]
    if None in found:
        raise Refused(-1112, "No orders on book for symbol.")
    return found[0] if is_one else found


def price_ticker(desk: Desk, params: Params, now_ms: int) -> Any:
    params.raw("symbolStatus")
    return _each(desk, params, lambda b: {"symbol": b.rules.symbol, "price": text(b.last.price)} if b.last else None)


def book_ticker(desk: Desk, params: Params, now_ms: int) -> Any:
    params.raw("symbolStatus")

    def reply(book: SymbolBook) -> dict[str, Any] | None:
        bids, asks = levels(book, 1)
        if not bids or not asks:
            return None
        return {
            "symbol": book.rules.symbol,
            "bidPrice": bids[0][0],
            "bidQty": bids[0][1],
            "askPrice": asks[0][0],
            "askQty": asks[0][1],
        }

    return _each(desk, params, reply)


def day_ticker(desk: Desk, params: Params, now_ms: int) -> Any:
    is_mini = params.raw("type") == "MINI"
    params.raw("symbolStatus")

    def reply(book: SymbolBook) -> dict[str, Any] | None:
        day = day_of(desk.candles(book.rules.symbol, "1m"), now_ms) if book.last else None
        if day is None:
            return None
        return mini_day(book.rules.symbol, day) if is_mini else full_day(book, day)

    return _each(desk, params, reply)


def mini_day(symbol: str, day: Day) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "lastPrice": text(day.close),
        "volume": text(day.base),
        "quoteVolume": text(day.quote),
        "openTime": day.opens_ms,
        "closeTime": day.closes_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.last_id - day.first_id + 1,
    }


def full_day(book: SymbolBook, day: Day) -> dict[str, Any]:
    bids, asks = levels(book, 1)
    bid, ask = bids[0] if bids else ["0.00000000"] * 2, asks[0] if asks else ["0.00000000"] * 2
    return {
        **mini_day(book.rules.symbol, day),
        "priceChange": text(day.change),
        "priceChangePercent": day.change_percent,
        "weightedAvgPrice": text(day.average),
        "prevClosePrice": text(day.open),
        "lastQty": text(book.last.quantity if book.last else ZERO),
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
    }
