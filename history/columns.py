"""Trades and candles as columns of whole numbers: exact, and quick to look through.

Amounts are in units of 1e-8, times in microseconds since 1970 (UTC).
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNITS = 10**8
MINUTE_US = 60_000_000


@dataclass(frozen=True, eq=False)
class Trades:
    """Trades, or aggregate trades by their own ids, sorted by id."""

    id: Ints
    price: Ints
    quantity: Ints
    time_us: Ints
    maker: Bools  # the buyer's order was there first

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
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


class Unequal(Exception):
    """Two rows have the same id and different values; which of them is right nobody here can tell."""

    def __init__(self, number: int) -> None:
        super().__init__(f"id {number} is there twice with different values")
        self.id = number


def names_of(kind: type[Trades] | type[Candles]) -> list[str]:
    return [each.name for each in fields(kind)]


def empty(kind: type[Columns]) -> Columns:
    return kind(*(np.zeros(0, np.bool_ if name == "maker" else np.int64) for name in names_of(kind)))


def no_trades() -> Trades:
    return empty(Trades)


def no_candles() -> Candles:
    return empty(Candles)


def where(columns: Columns, which: "Bools | Ints | slice") -> Columns:
    """Some of the rows: by a mask, by places, or from one to another."""
    kind = type(columns)
    return kind(*(getattr(columns, name)[which] for name in names_of(kind)))


def joined(parts: list[Columns]) -> Columns:
    """The rows of all parts, one part after the other."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, name) for part in parts]) for name in names_of(kind)))


def between_ids(columns: Columns, first: int, last: int) -> Columns:
    """The rows from one id to another, both included. The rows are sorted by id."""
    return where(columns, slice(*np.searchsorted(columns.id, [first, last + 1])))


def merged(parts: list[Columns]) -> Columns:
    """The rows of all parts, sorted by id and each once, in whatever order they come. Raises Unequal."""
    columns = joined(parts)
    steps = np.diff(columns.id)
    if np.all(steps > 0):
        return columns
    if np.any(steps < 0):
        columns = where(columns, np.argsort(columns.id, kind="stable"))
        steps = np.diff(columns.id)
    again = np.flatnonzero(steps == 0)
    for name in names_of(type(columns)):
        values = getattr(columns, name)
        unequal = again[values[again] != values[again + 1]]
        if len(unequal):
            raise Unequal(int(columns.id[unequal[0]]))
    return where(columns, np.concatenate(([True], steps > 0)))


def are_equal(a: Columns, b: Columns) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names_of(type(a)))
