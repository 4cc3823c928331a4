"""The market streams that are sent by the clock: candles, tickers and average prices.

Binance sends some of them less often; here all are sent once a second, and only when something is new.
"""

import re
from typing import Any

from binance_mock.engine.book import SymbolBook
from binance_mock.protocol import market_events as events
from binance_mock.state.context import Context
from candles.intervals import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, bounds

_KLINE = re.compile(r"kline_([0-9a-zA-Z]+)(@\+08:00)?")
_WINDOW = re.compile(r"ticker_(1h|4h|1d)")
_EAST_MS = 8 * HOUR_MS
_WINDOWS_MS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": 24 * HOUR_MS}
# At once; what a stream has fallen further behind it shows with the next looks.
_MAX_KLINES = 100
_BY_EVENT = frozenset({"trade", "aggTrade", "bookTicker"})


class ClockStreams:
    """Knows what each stream has shown last."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # The update id of the book of each stream and symbol.
        self._shown: dict[tuple[str, str], int] = {}
        # Of each stream of candles: when the last one shown opened, its last trade, and whether it was closed.
        self._candles: dict[str, tuple[int, int, bool]] = {}

    def forget(self, stream: str) -> None:
        """Nobody follows the stream any more."""
        for key in [key for key in self._shown if key[0] == stream]:
            del self._shown[key]
        self._candles.pop(stream, None)

    def payloads(self, stream: str, now_ms: int) -> list[Any]:
        """All that the stream has to show now, in order."""
        name, _, kind = stream.partition("@")
        if (found := _KLINE.fullmatch(kind)) and found[1] in INTERVALS:
            book = self._context.exchange.engine.books.get(name.upper())
            zone_ms = _EAST_MS if found[2] else 0
            return [] if book is None else self._klines(stream, book.rules.symbol, found[1], zone_ms, now_ms)
        payload = self.payload(stream, now_ms)
        return [] if payload is None else [payload]

    def payload(self, stream: str, now_ms: int) -> dict[str, Any] | list[dict[str, Any]] | None:
        """What a stream that shows no candles has to show now; None where nothing is new, or not by the clock."""
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
        key = (stream, book.rules.symbol)
        if book.last is None or self._shown.get(key) == book.update_id:
            return None
        self._shown[key] = book.update_id
        return self._of_trades(kind, book, now_ms)

    def _of_trades(self, kind: str, book: SymbolBook, now_ms: int) -> dict[str, Any] | None:
        symbol = book.rules.symbol
        if kind == "avgPrice":
            return events.average_price(book, now_ms)
        charts = self._context.exchange.charts
        if kind in ("miniTicker", "ticker") and (day := charts.statistics(symbol, now_ms - DAY_MS, now_ms, now_ms)):
            return (
                events.day_ticker(book, day, now_ms) if kind == "ticker" else events.mini_ticker(symbol, day, now_ms)
            )
        if found := _WINDOW.fullmatch(kind):
            opens_ms = (now_ms - _WINDOWS_MS[found[1]]) // MINUTE_MS * MINUTE_MS
            window = charts.statistics(symbol, opens_ms, now_ms, now_ms)
            return events.window_ticker(symbol, found[1], window, now_ms) if window else None
        return None

    def _klines(self, stream: str, symbol: str, interval: str, zone_ms: int, now_ms: int) -> list[dict[str, Any]]:
        """The candles that are new or have changed since the last look; each is shown once as closed."""
        known = self._candles.get(stream)
        start_ms = known[0] if known else bounds(interval, now_ms, zone_ms)[0]
        charts = self._context.exchange.charts
        candles = charts.candles(symbol, interval, now_ms, start_ms=start_ms, limit=_MAX_KLINES, zone_ms=zone_ms)
        shown = []
        for candle in candles:
            now = (candle.opens_ms, candle.last_id, now_ms > candle.closes_ms)
            if now != known:
                shown.append(events.kline(symbol, interval, candle, now_ms))
            known = self._candles[stream] = now
        return shown
