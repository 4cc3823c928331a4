"""Candles and statistics of kept trades. Candles are built once and carried on with each new trade."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from binance_mock.engine.amounts import ZERO, quotient, text, times
from binance_mock.engine.orders import PublicTrade

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# The length of each interval; "1M" is a calendar month.
INTERVALS = {
    "1s": SECOND_MS, "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS, "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS, "1M": 31 * DAY_MS,
}  # fmt: skip
# 1970-01-01 was a Thursday; Binance's weeks begin on Mondays.
_FIRST_MONDAY = 4 * DAY_MS
_KEPT = 2_000


def bounds(interval: str, time_ms: int, zone_ms: int = 0) -> tuple[int, int]:
    """When the candle around a time opens, and its last ms. Days begin when it is midnight `zone_ms` east of UTC."""
    if zone_ms:
        opens_ms, closes_ms = bounds(interval, time_ms + zone_ms)
        return opens_ms - zone_ms, closes_ms - zone_ms
    if interval == "1M":
        opens = datetime.fromtimestamp(time_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (opens + timedelta(days=32)).replace(day=1)
        return int(opens.timestamp() * 1000), int(following.timestamp() * 1000) - 1
    length = INTERVALS[interval]
    offset = _FIRST_MONDAY if interval == "1w" else 0
    opens_ms = (time_ms - offset) // length * length + offset
    return opens_ms, opens_ms + length - 1


@dataclass(slots=True)
class Candle:
    opens_ms: int
    closes_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    first_id: int
    last_id: int
    base: Decimal = ZERO
    quote: Decimal = ZERO
    taker_buy_base: Decimal = ZERO
    taker_buy_quote: Decimal = ZERO

    @property
    def count(self) -> int:
        return self.last_id - self.first_id + 1

    def add(self, trade: PublicTrade) -> None:
        quote = times(trade.price, trade.quantity)
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price
        self.last_id = trade.trade_id
        self.base += trade.quantity
        self.quote += quote
        if not trade.buyer_is_maker:
            self.taker_buy_base += trade.quantity
            self.taker_buy_quote += quote

    def row(self) -> list[Any]:
        """As klines show it."""
        return [
            self.opens_ms,
            text(self.open),
            text(self.high),
            text(self.low),
            text(self.close),
            text(self.base),
            self.closes_ms,
            text(self.quote),
            self.count,
            text(self.taker_buy_base),
            text(self.taker_buy_quote),
            "0",
        ]


class CandleSeries:
    """The newest candles of one symbol and interval. Times without a trade have no candle."""

    def __init__(self, interval: str, zone_ms: int = 0) -> None:
        self._interval = interval
        self._zone_ms = zone_ms
        self._candles: list[Candle] = []
        self._last_id = 0

    @property
    def last_id(self) -> int:
        """The last trade that is in."""
        return self._last_id

    def feed(self, trades: Iterable[PublicTrade]) -> None:
        """Trades in the order of their ids; those that are in already change nothing."""
        candles = self._candles
        for trade in trades:
            if trade.trade_id <= self._last_id:
                continue
            if not candles or trade.time_ms > candles[-1].closes_ms:
                opens, closes = bounds(self._interval, trade.time_ms, self._zone_ms)
                price, trade_id = trade.price, trade.trade_id
                candles.append(Candle(opens, closes, price, price, price, price, trade_id, trade_id))
            candles[-1].add(trade)
            self._last_id = trade.trade_id
        if len(candles) > 2 * _KEPT:
            del candles[:-_KEPT]

    def last(self) -> Candle | None:
        return self._candles[-1] if self._candles else None

    def within(self, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        """The first candles from the start on, or without a start the last ones."""
        candles = self._candles
        low = 0 if start_ms is None else bisect_left(candles, start_ms, key=lambda candle: candle.opens_ms)
        high = len(candles) if end_ms is None else bisect_left(candles, end_ms + 1, key=lambda c: c.opens_ms)
        found = candles[low:high]
        return found[:limit] if start_ms is not None else found[-limit:]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A window of a symbol's time, such as the last 24 hours, as far as its trades are kept."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base: Decimal
    quote: Decimal
    opens_ms: int
    closes_ms: int
    first_id: int
    last_id: int

    @property
    def change(self) -> Decimal:
        return self.close - self.open

    @property
    def change_percent(self) -> str:
        return format(quotient(self.change * 100, self.open), ".3f")

    @property
    def average(self) -> Decimal:
        return quotient(self.quote, self.base) if self.base else self.close


def day_of(minutes: CandleSeries, now_ms: int) -> Statistics | None:
    """The last 24 hours from candles of a minute; None where nothing has traded."""
    return statistics(minutes, now_ms - DAY_MS, now_ms)


def statistics(minutes: CandleSeries, opens_ms: int, closes_ms: int) -> Statistics | None:
    """A window that ends now or later, from candles of a minute; None where nothing has traded.

    Where nothing has traded within it, it shows the last minute that had a trade.
    """
    candles = minutes.within(opens_ms, None, _KEPT)
    last = minutes.last()
    if last is None:
        return None
    candles = candles or [last]
    return Statistics(
        open=candles[0].open,
        high=max(c.high for c in candles),
        low=min(c.low for c in candles),
        close=last.close,
        base=sum((c.base for c in candles), ZERO),
        quote=sum((c.quote for c in candles), ZERO),
        opens_ms=opens_ms,
        closes_ms=closes_ms,
        first_id=candles[0].first_id,
        last_id=last.last_id,
    )
