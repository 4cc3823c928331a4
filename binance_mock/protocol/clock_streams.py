"""The market streams that are sent by the clock: candles, tickers and average prices.

Binance sends some of them less often; here all are sent once a second, and only when something is new.
"""

import re
from typing import Any

from binance_mock.engine.book import SymbolBook
from binance_mock.protocol import market_events as events
from binance_mock.state.candles import HOUR_MS, INTERVALS, MINUTE_MS, day_of, statistics
from binance_mock.state.context import Context

_KLINE = re.compile(r"kline_([0-9a-zA-Z]+)(@\+08:00)?")
_WINDOW = re.compile(r"ticker_(1h|4h|1d)")
_EAST_MS = 8 * HOUR_MS
_WINDOWS_MS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": 24 * HOUR_MS}
_BY_EVENT = frozenset({"trade", "aggTrade", "bookTicker"})


class ClockStreams:
    """Knows what each stream has shown last."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # The update id of the book of each stream and symbol.
        self._shown: dict[tuple[str, str], int] = {}
        # Of each stream of candles: when the last one opened, its last trade, and whether it was shown as closed.
        self._candles: dict[str, tuple[int, int, bool]] = {}

    def forget(self, stream: str) -> None:
        """Nobody follows the stream any more."""
        for key in [key for key in self._shown if key[0] == stream]:
            del self._shown[key]
        self._candles.pop(stream, None)

    def payload(self, stream: str, now_ms: int) -> dict[str, Any] | list[dict[str, Any]] | None:
        """What the stream shows now; None where nothing is new, or it is not sent by the clock."""
        name, _, kind = stream.partition("@")
        books = self._context.exchange.engine.books
        if name.startswith("!"):
            each_kind = name.removeprefix("!")
            if kind != "arr" or not (each_kind == "miniTicker" or _WINDOW.fullmatch(each_kind)):
                return None
            found = [self._one(stream, each_kind, book, now_ms) for book in books.values()]
            return [each for each in found if each is not None] or None
        book = books.get(name.upper())
        return None if book is None or kind in _BY_EVENT else self._one(stream, kind, book, now_ms)

    def _one(self, stream: str, kind: str, book: SymbolBook, now_ms: int) -> dict[str, Any] | None:
        if (found := _KLINE.fullmatch(kind)) and found[1] in INTERVALS:
            return self._candle(stream, book.rules.symbol, found[1], _EAST_MS if found[2] else 0, now_ms)
        key = (stream, book.rules.symbol)
        if book.last is None or self._shown.get(key) == book.update_id:
            return None
        self._shown[key] = book.update_id
        return self._of_trades(kind, book, now_ms)

    def _of_trades(self, kind: str, book: SymbolBook, now_ms: int) -> dict[str, Any] | None:
        symbol = book.rules.symbol
        if kind == "avgPrice":
            return events.average_price(book, now_ms)
        minutes = self._context.candles(symbol, "1m")
        if kind == "miniTicker" and (day := day_of(minutes, now_ms)):
            return events.mini_ticker(symbol, day, now_ms)
        if kind == "ticker" and (day := day_of(minutes, now_ms)):
            return events.day_ticker(book, day, now_ms)
        if found := _WINDOW.fullmatch(kind):
            opens_ms = (now_ms - _WINDOWS_MS[found[1]]) // MINUTE_MS * MINUTE_MS
            window = statistics(minutes, opens_ms, now_ms)
            return events.window_ticker(symbol, found[1], window, now_ms) if window else None
        return None

    def _candle(self, stream: str, symbol: str, interval: str, zone_ms: int, now_ms: int) -> dict[str, Any] | None:
        """The last candle where it is new or has changed; each is shown once as closed before the next is shown."""
        series = self._context.candles(symbol, interval, zone_ms)
        candle, known = series.last(), self._candles.get(stream)
        if candle is None:
            return None
        if known is not None and not known[2]:
            candle = series.within(known[0], None, 1)[0]
        now = (candle.opens_ms, candle.last_id, now_ms > candle.closes_ms)
        if now == known:
            return None
        self._candles[stream] = now
        return events.kline(symbol, interval, candle, now_ms)
