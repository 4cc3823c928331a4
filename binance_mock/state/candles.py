"""Candles and statistics as values: what one is, when it opens and closes, and how it is made of shorter ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from binance_mock.engine.amounts import ZERO, quotient, text, times
from binance_mock.engine.orders import PublicTrade

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# The length of each interval; "1M" is a calendar month.
INTERVALS = {
    "1s": SECOND_MS, "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS, "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS, "1M": 31 * DAY_MS,
}  # fmt: skip
# The candles that are kept. Each is made of the shorter ones, and every other interval of the longest that fits:
# a quarter of an hour is there for time zones, which are apart by so much.
LEVELS = (SECOND_MS, MINUTE_MS, QUARTER_MS, HOUR_MS, DAY_MS)
# 1970-01-01 was a Thursday; Binance's weeks begin on Mondays.
_FIRST_MONDAY = 4 * DAY_MS
# The id of a first and last trade where there is none.
NO_TRADE = -1


def bounds(interval: str, time_ms: int, zone_ms: int = 0) -> tuple[int, int]:
    """When the candle around a time opens, and its last ms. Days begin when it is midnight `zone_ms` east of UTC."""
    if zone_ms:
        opens_ms, closes_ms = bounds(interval, time_ms + zone_ms)
        return opens_ms - zone_ms, closes_ms - zone_ms
    if interval == "1M":
        opens = datetime.fromtimestamp(time_ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (opens + timedelta(days=32)).replace(day=1)
        return int(opens.timestamp() * 1000), int(following.timestamp() * 1000) - 1
    length = INTERVALS[interval]
    offset = _FIRST_MONDAY if interval == "1w" else 0
    opens_ms = (time_ms - offset) // length * length + offset
    return opens_ms, opens_ms + length - 1


def level_of(interval: str, zone_ms: int = 0) -> int:
    """The longest kept candles that those of an interval are made of."""
    length = DAY_MS if interval == "1M" else INTERVALS[interval]
    return max(level for level in LEVELS if length % level == 0 and zone_ms % level == 0)


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
        return 0 if self.first_id == NO_TRADE else self.last_id - self.first_id + 1

    def extend(self, later: "Candle") -> None:
        """Takes in a candle of trades that follow."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.last_id = later.last_id
        self.base += later.base
        self.quote += later.quote
        self.taker_buy_base += later.taker_buy_base
        self.taker_buy_quote += later.taker_buy_quote

    def within(self, opens_ms: int, closes_ms: int) -> "Candle":
        """Its trades as those of a longer candle."""
        return replace(self, opens_ms=opens_ms, closes_ms=closes_ms)

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


def of_trades(trades: Sequence[PublicTrade], length_ms: int) -> Candle:
    """The candle of trades in their order; it opens where the first one's time says."""
    first, last = trades[0], trades[-1]
    opens_ms = first.time_ms // length_ms * length_ms
    high = low = first.price
    base = quote = taker_buy_base = taker_buy_quote = ZERO
    for _, _, price, quantity, _, buyer_is_maker in trades:
        worth = times(price, quantity)
        if price > high:
            high = price
        elif price < low:
            low = price
        base += quantity
        quote += worth
        if not buyer_is_maker:
            taker_buy_base += quantity
            taker_buy_quote += worth
    return Candle(
        opens_ms, opens_ms + length_ms - 1, first.price, high, low, last.price, first.trade_id, last.trade_id,
        base, quote, taker_buy_base, taker_buy_quote,
    )  # fmt: skip


def flat(price: Decimal, opens_ms: int, closes_ms: int) -> Candle:
    """The candle of a time without trades: at the price of the last one before."""
    return Candle(opens_ms, closes_ms, price, price, price, price, NO_TRADE, NO_TRADE)


def folded(rows: Iterable[Candle], windows: Iterable[tuple[int, int]], before: Decimal | None) -> Iterator[Candle]:
    """One candle for each window, made of the shorter ones that open within it.

    Rows and windows come in the order of time. `before` is the price of the last trade before the first window;
    without one, windows before the first row have no candle.
    """
    remaining = iter(rows)
    row = next(remaining, None)
    for opens_ms, closes_ms in windows:
        candle = None
        while row is not None and row.opens_ms <= closes_ms:
            if candle is None:
                candle = row.within(opens_ms, closes_ms)
            else:
                candle.extend(row)
            row = next(remaining, None)
        if candle is None and before is not None:
            candle = flat(before, opens_ms, closes_ms)
        if candle is not None:
            before = candle.close
            yield candle


@dataclass(frozen=True, slots=True)
class Statistics:
    """A window of a symbol's time, such as the last 24 hours."""

    opens_ms: int
    closes_ms: int
    before: Decimal  # The price of the last trade before.
    candle: Candle

    @property
    def change(self) -> Decimal:
        return self.candle.close - self.candle.open

    @property
    def change_percent(self) -> str:
        return format(quotient(self.change * 100, self.candle.open), ".3f")

    @property
    def average(self) -> Decimal:
        return quotient(self.candle.quote, self.candle.base) if self.candle.base else self.candle.close
