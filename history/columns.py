"""Trades and candles as columns of whole numbers: exact, and quick to look through.

Amounts are in units of 1e-8, times in microseconds since 1970 (UTC).
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Trades:
    """Trades, or aggregate trades by their own ids, sorted by id."""

    id: Ints
    price: Ints
    quantity: Ints
    time_us: Ints
    maker: Bools  # the buyer's order was there first

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Candles:
    """Candles of one minute, sorted by time.

    A volume can be larger than 64 bits have room for: it is in two parts, whole and units of 1e-8 below one.
    """

    time_us: Ints  # of its begin
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume_whole: Ints
    volume_rest: Ints
    trades: Ints  # how many

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def id(self) -> Ints:
        """The number of its minute: one more each minute, as ids of trades."""
        return self.time_us // MINUTE_US


Columns = TypeVar("Columns", Trades, Candles)


def no_trades() -> Trades:
    nothing = np.zeros(0, np.int64)
    return Trades(nothing, nothing, nothing, nothing, np.zeros(0, np.bool_))


def no_candles() -> Candles:
    nothing = np.zeros(0, np.int64)
    return Candles(nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)


def names_of(kind: type[Trades] | type[Candles]) -> list[str]:
    return [each.name for each in fields(kind)]


def where(columns: Columns, which: "Bools | Ints | slice") -> Columns:
    """Some of the rows: by a mask, by places, or from one to another."""
    kind = type(columns)
    return kind(*(getattr(columns, name)[which] for name in names_of(kind)))


def joined(parts: list[Columns]) -> Columns:
    """The rows of all parts, one part after the other."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, name) for part in parts]) for name in names_of(kind)))
