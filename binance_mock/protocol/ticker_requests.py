"""Requests for prices and statistics of one symbol, several, or all."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from binance_mock.engine.amounts import ZERO, text
from binance_mock.engine.book import SymbolBook
from binance_mock.engine.errors import Refused, bad_combination
from binance_mock.protocol.depth import levels
from binance_mock.protocol.market_requests import check_status
from binance_mock.protocol.params import Params
from binance_mock.state.context import Context
from binance_mock.state.statistics import Statistics
from candles.intervals import DAY_MS, HOUR_MS, MINUTE_MS, bounds

_NOTHING = text(ZERO)
_WINDOW = r"^(?:([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|([1-7])d)$"
MAX_SYMBOLS = 100


class Kind(StrEnum):
    FULL = "FULL"
    MINI = "MINI"


_BAD_KIND = Refused(-1139, "Invalid ticker type.")


def _each(context: Context, params: Params, reply: Callable[[SymbolBook], dict[str, Any] | None]) -> Any:
    """One reply for `symbol`, a list for `symbols`, and for neither a list of all symbols that have traded."""
    is_one = "symbol" in params
    wanted, status = params.symbols(), params.symbol_status()
    params.finish()
    if wanted is None:
        books = context.exchange.engine.books.values()
        return [
            each
            for book in books
            if (status is None or book.rules.status == status) and (each := reply(book)) is not None
        ]
    asked = [context.book(symbol) for symbol in wanted]
    if is_one:
        check_status(asked[0], status)
    found = [reply(book) for book in asked if status is None or book.rules.status == status]
    if None in found:
        raise Refused(-1112, "No orders on book for symbol.")
    return found[0] if is_one else found


def price(context: Context, params: Params, now_ms: int) -> Any:
    return _each(
        context, params, lambda b: {"symbol": b.rules.symbol, "price": text(b.last.price)} if b.last else None
    )


def book(context: Context, params: Params, now_ms: int) -> Any:
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

    return _each(context, params, reply)


def day(context: Context, params: Params, now_ms: int) -> Any:
    """The last 24 hours."""
    kind = params.choice("type", Kind, _BAD_KIND)

    def reply(book: SymbolBook) -> dict[str, Any] | None:
        found = context.exchange.charts.statistics(book.rules.symbol, now_ms - DAY_MS, now_ms, now_ms)
        if found is None:
            return None
        return _mini(book.rules.symbol, found) if kind is Kind.MINI else _of_market(book, found)

    return _each(context, params, reply)


def trading_day(context: Context, params: Params, now_ms: int) -> Any:
    """The calendar day of a time zone."""
    _one_or_several(params)
    opens_ms, closes_ms = bounds("1d", now_ms, params.zone_ms())
    return _window(context, params, opens_ms, closes_ms, now_ms)


def rolling(context: Context, params: Params, now_ms: int) -> Any:
    """The last minutes, hours or days; the window begins with a whole minute."""
    _one_or_several(params)
    length_ms = window_ms(params.text("windowSize", _WINDOW) or "1d")
    return _window(context, params, (now_ms - length_ms) // MINUTE_MS * MINUTE_MS, now_ms, now_ms)


def window_ms(size: str) -> int:
    """The length of "1m" to "59m", "1h" to "23h" or "1d" to "7d". Raises ValueError."""
    found = re.fullmatch(_WINDOW, size)
    if found is None:
        raise ValueError(size)
    minutes, hours, days = (int(each or 0) for each in found.groups())
    return minutes * MINUTE_MS + hours * HOUR_MS + days * DAY_MS


def _one_or_several(params: Params) -> None:
    """Raises Refused where no symbol is named, or too many are."""
    symbols = params.symbols()
    if symbols is None:
        raise Refused(-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!")
    if len(symbols) > MAX_SYMBOLS:
        raise bad_combination()


def _window(context: Context, params: Params, opens_ms: int, closes_ms: int, now_ms: int) -> Any:
    kind = params.choice("type", Kind, _BAD_KIND)

    def reply(book: SymbolBook) -> dict[str, Any] | None:
        symbol = book.rules.symbol
        found = context.exchange.charts.statistics(symbol, opens_ms, closes_ms, now_ms)
        if found is None:
            return None
        return _mini(symbol, found) if kind is Kind.MINI else {**_mini(symbol, found), **_change(found)}

    return _each(context, params, reply)


def _mini(symbol: str, of: Statistics) -> dict[str, Any]:
    candle = of.candle
    return {
        "symbol": symbol,
        "openPrice": text(candle.open),
        "highPrice": text(candle.high),
        "lowPrice": text(candle.low),
        "lastPrice": text(candle.close),
        "volume": text(candle.base),
        "quoteVolume": text(candle.quote),
        "openTime": of.opens_ms,
        "closeTime": of.closes_ms,
        "firstId": candle.first_id,
        "lastId": candle.last_id,
        "count": candle.count,
    }


def _change(of: Statistics) -> dict[str, str]:
    return {
        "priceChange": text(of.change),
        "priceChangePercent": of.change_percent,
        "weightedAvgPrice": text(of.average),
    }


def _of_market(book: SymbolBook, of: Statistics) -> dict[str, Any]:
    """With what the last 24 hours alone are shown with."""
    bids, asks = levels(book, 1)
    bid, ask = bids[0] if bids else [_NOTHING] * 2, asks[0] if asks else [_NOTHING] * 2
    return {
        **_mini(book.rules.symbol, of),
        **_change(of),
        "prevClosePrice": text(of.before),
        "lastQty": text(book.last.quantity if book.last else ZERO),
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
    }
