"""Candles of columns of trades, for any interval: what candles.fold makes of them, and some hundred times as fast."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import numpy as np

from candles.fold import Candle, fold
from candles.intervals import INTERVALS, bounds
from history.columns import UNITS, Ints, Trades

_MS = 1000
# Of a product of a price and a quantity: beyond that 64 bits have no room for it.
_MAX_WORTH = 2.0**62
_EXPONENT = -8


@dataclass(frozen=True)
class _Sums:
    """Sums for each candle: whole, and units of 1e-8 below one; together they can be larger than 64 bits."""

    whole: Ints
    rest: Ints

    def at(self, place: int) -> Decimal:
        units = int(self.whole[place]) * UNITS + int(self.rest[place])
        return Decimal(units).scaleb(_EXPONENT)


def candles(parts: Iterable[Trades], interval: str) -> Iterator[Candle]:
    """The candles of trades that come in pieces, in the order of ids; the last one as far as it goes."""
    window = partial(bounds, interval)
    return fold((candle for part in parts for candle in of_columns(part, interval)), window)


def of_columns(trades: Trades, interval: str) -> Iterator[Candle]:
    """The candles of trades in the order of their ids. A trade of before counts as one of now, as in candles.fold."""
    if not len(trades):
        return
    opens = _opens(np.maximum.accumulate(trades.time_us // _MS), interval)
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    ends = np.append(starts[1:], len(trades)) - 1
    value, taken = worth(trades.price, trades.quantity), ~trades.maker
    high, low = (each.reduceat(trades.price, starts) for each in (np.maximum, np.minimum))
    base, quote = _sums(trades.quantity, starts), _sums(value, starts)
    taken_base, taken_quote = _sums(trades.quantity * taken, starts), _sums(value * taken, starts)
    for n, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        opens_ms, closes_ms = bounds(interval, int(opens[start]))
        yield Candle(
            opens_ms, closes_ms, amount(trades.price[start]), amount(high[n]), amount(low[n]),
            amount(trades.price[end]), int(trades.id[start]), int(trades.id[end]),
            base.at(n), quote.at(n), taken_base.at(n), taken_quote.at(n),
        )  # fmt: skip


def amount(units: "np.int64 | int") -> Decimal:
    return Decimal(int(units)).scaleb(_EXPONENT)


def _opens(times_ms: Ints, interval: str) -> Ints:
    """When the candles of these times open: candles.intervals.bounds. The times never fall."""
    if interval == "1M":
        months = times_ms.astype("datetime64[ms]").astype("datetime64[M]")
        opens: Ints = months.astype("datetime64[ms]").astype(np.int64)
        return opens
    length, offset = INTERVALS[interval], bounds(interval, 0)[0]
    starts: Ints = (times_ms - offset) // length * length + offset
    return starts


def worth(price: Ints, quantity: Ints) -> Ints:
    """price * quantity, cut to eight decimals: exact, although the product needs more than 64 bits."""
    if np.any(price.astype(np.float64) / UNITS * quantity.astype(np.float64) > _MAX_WORTH):
        raise OverflowError("a trade is worth more than 46 billion of its quote asset")
    high, low = price // UNITS, price % UNITS
    whole, rest = quantity // UNITS, quantity % UNITS
    value: Ints = price * whole + high * rest + low * rest // UNITS
    return value


def _sums(values: Ints, starts: Ints) -> _Sums:
    rest = np.add.reduceat(values % UNITS, starts)
    return _Sums(np.add.reduceat(values // UNITS, starts) + rest // UNITS, rest % UNITS)


def moment(time_ms: int) -> str:
    """2024-01-15 12:00:00, UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
