"""Requests about the market: what trades, at what prices."""

from typing import Any

from binance_mock.engine.amounts import ZERO, text
from binance_mock.engine.book import AVERAGE_MINUTES, SymbolBook
from binance_mock.engine.errors import Refused, bad_combination, bad_symbol, mandatory
from binance_mock.protocol import replies
from binance_mock.protocol.depth import levels
from binance_mock.protocol.params import Params
from binance_mock.state.context import Context
from candles.fold import Candle
from candles.intervals import INTERVALS


def check_status(book: SymbolBook, status: str | None) -> None:
    """Raises Refused (-1220) where the one symbol asked for has another status than the one asked for."""
    if status is not None and book.rules.status != status:
        raise Refused(-1220, "The symbol's status does not match the requested symbolStatus.")


def ping(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    params.finish()
    return {}


def server_time(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    params.finish()
    return {"serverTime": now_ms}


def exchange_info(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    wanted, permissions = params.symbols(), params.names("permissions")
    status = params.symbol_status()
    shows_sets = params.flag("showPermissionSets")
    params.finish()
    if wanted is not None and (status or permissions):
        raise bad_combination()
    books = context.exchange.engine.books
    if wanted is not None and not books.keys() >= set(wanted):
        raise bad_symbol()
    entries = [books[symbol].rules.info for symbol in wanted or books]
    if permissions:
        entries = [
            each for each in entries if set(permissions) & {name for of in each["permissionSets"] for name in of}
        ]
    if shows_sets is False:
        entries = [{**each, "permissionSets": []} for each in entries]
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": context.limits.rules(),
        "exchangeFilters": context.exchange.info["exchangeFilters"],
        "symbols": [entry for entry in entries if status is None or entry["status"] == status],
    }


def depth(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    book = context.book(params.symbol())
    limit, status = params.limit(100, 5000), params.symbol_status()
    params.finish()
    check_status(book, status)
    bids, asks = levels(book, limit)
    return {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}


def trades(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    """The newest trades."""
    return _trades(context, params, None)


def old_trades(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    """The newest trades, or with fromId those from that one on."""
    return _trades(context, params, params.number("fromId"))


def _trades(context: Context, params: Params, from_id: int | None) -> list[dict[str, Any]]:
    symbol = params.symbol()
    context.book(symbol)
    limit = params.limit(500, 1000)
    params.finish()
    found = context.exchange.store.trades(symbol, from_id=from_id, limit=limit)
    return [replies.public_trade(trade) for trade in found]


def aggregate_trades(context: Context, params: Params, now_ms: int) -> list[dict[str, Any]]:
    symbol = params.symbol()
    context.book(symbol)
    from_id, start_ms, end_ms = params.number("fromId"), params.time_ms("startTime"), params.time_ms("endTime")
    limit = params.limit(500, 1000)
    params.finish()
    found = context.exchange.store.trades(symbol, from_id=from_id, start_ms=start_ms, end_ms=end_ms, limit=limit)
    return [replies.aggregate_trade(trade) for trade in found]


def klines(context: Context, params: Params, now_ms: int) -> list[list[Any]]:
    symbol = params.symbol()
    context.book(symbol)
    interval = params.raw("interval")
    if not interval:
        raise mandatory("interval")
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    start_ms, end_ms, limit = params.time_ms("startTime"), params.time_ms("endTime"), params.limit(500, 1000)
    zone_ms = params.zone_ms()
    params.finish()
    found = context.exchange.charts.candles(
        symbol, interval, now_ms, start_ms=start_ms, end_ms=end_ms, limit=limit, zone_ms=zone_ms
    )
    return [_row(candle) for candle in found]


def average_price(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    book = context.book(params.symbol())
    params.finish()
    return {
        "mins": AVERAGE_MINUTES,
        "price": text(book.average_price(now_ms) or ZERO),
        "closeTime": book.last.time_ms if book.last else 0,
    }


# --- what this exchange has nothing of ----------------------------------------------------------


def execution_rules(context: Context, params: Params, now_ms: int) -> dict[str, Any]:
    """No symbol has a price range."""
    for symbol in params.symbols() or ():
        context.exchange.engine.book(symbol)
    params.symbol_status()
    params.finish()
    return {"symbolRules": []}


def reference_price(context: Context, params: Params, now_ms: int) -> Any:
    context.exchange.engine.book(params.symbol())
    params.symbol_status()
    params.finish()
    raise Refused(-2043, "This symbol doesn't have a reference price.")


def block_trades(context: Context, params: Params, now_ms: int) -> list[Any]:
    context.exchange.engine.book(params.symbol())
    params.number("fromId", required=True)
    params.limit(500, 1000)
    params.finish()
    return []


def _row(candle: Candle) -> list[Any]:
    """As klines show it."""
    return [
        candle.opens_ms,
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        text(candle.base),
        candle.closes_ms,
        text(candle.quote),
        candle.count,
        text(candle.taker_buy_base),
        text(candle.taker_buy_quote),
        "0",
    ]
