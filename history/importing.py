"""Trades of a file that somebody has, into the files of the past: all of it or, where a line is wrong, nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from history import reading, verify
from history.columns import Trades, Unequal, merged
from history.kinds import Kind
from history.periods import Period, parse
from history.reading import BadFile
from history.shelf import Shelf, by_days, sha256

# ETHUSDT-trades-2024-01.zip, as the archive names its files.
_NAME = re.compile(r"([^\W_]{2,32})-(trades|aggTrades)-(\d{4}-\d{2}(?:-\d{2})?)(?!\d)")
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Named:
    """What a file's name tells of it."""

    symbol: str
    kind: Kind
    period: Period


@dataclass(frozen=True)
class Read:
    """The trades of a file, sorted and each once."""

    kind: Kind
    rows: int  # in the file
    trades: Trades
    period: Period | None  # None: its days
    doubts: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Added:
    """What went into the file of a month or a day."""

    period: Period
    rows: int
    new: int


def named(path: Path) -> Named | None:
    """None where it is not named as the archive names its files."""
    found = _NAME.match(path.name)
    if found is None:
        return None
    try:
        return Named(found[1], Kind(found[2]), parse(found[3]))
    except ValueError:
        return None


def read(path: Path, on_bytes: Callable[[int], object] | None = None) -> Read:
    """Raises OSError and BadFile, which names the line."""
    kind, name = reading.kind_of(path), named(path)
    if name is not None and name.kind != kind:
        raise BadFile(f"is named as a file of {name.kind} and has the columns of {kind}")
    found = reading.trades(path, kind, on_bytes)
    if not len(found):
        raise BadFile("has no trades")
    # Beyond the year 2100, or before there was an exchange: no time of any trade.
    is_wrong = (found.id < 0) | (found.price <= 0) | (found.quantity <= 0)
    is_wrong |= (found.time_us < 10**15) | (found.time_us >= 4_102_444_800 * 10**6)
    if np.any(is_wrong):
        line = reading.line_of(path, int(np.flatnonzero(is_wrong)[0]))
        raise BadFile(f"line {line:,}: a trade has an id, a time, and a price and a quantity above 0")
    try:
        trades = merged([found])
    except Unequal as unequal:
        second = int(np.flatnonzero(found.id == unequal.id)[-1])
        raise BadFile(f"line {reading.line_of(path, second):,}: {unequal}") from None
    period = name.period if name else None
    doubts: tuple[str, ...] = ()
    if period and (count := verify.outside(trades.time_us, period)):
        if count == len(trades):
            raise BadFile(f"has no trade of {period.name}, which its name says")
        doubts = (f"{count:,} rows are not of {period.name}",)
    return Read(kind, len(found), trades, period, doubts, sha256(path))


def add(shelf: Shelf, symbol: str, file: Read, name: str) -> list[Added]:
    """Writes what is new. Raises OSError, BadPiece and Refused; the days before that one are written then."""
    parts = [(file.period, file.trades)] if file.period else list(by_days(file.trades))
    origin = f"import {name} {file.sha256}"
    return [
        Added(period, len(rows), shelf.add(symbol, file.kind, period, rows, file.doubts, origin))
        for period, rows in parts
    ]
