"""Reads Binance's public trade files: CSV, plain, .gz or .zip, in each of the forms that are about.

trades: id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch. aggTrades: id, price, qty, first id, last id, time,
isBuyerMaker, isBestMatch. Usually without a header; with one, columns are found by their names, whatever their order.
Times are in ms, or in µs (Binance's files from 2025 on), told apart by their size.
"""

import csv
import gzip
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, NamedTuple

logger = logging.getLogger(__name__)

# Column numbers of files without a header, by how many columns there are: price, quantity, time, buyer is maker.
_BY_COUNT = {7: (1, 2, 4, 5), 8: (1, 2, 5, 6)}
_NAMES = (
    {"price"},
    {"qty", "quantity"},
    {"time", "timems", "timeus", "transacttime", "timestamp", "tradetime"},
    {"isbuyermaker", "buyerismaker", "side"},
)
_MICROSECONDS_FROM = 10**14  # as ms this would be the year 5138
_EARLIEST_MS = 10**11  # 1973: anything less is no time in ms
_MAX = Decimal(10) ** 10
_TRUTH = {"true": True, "1": True, "sell": True, "false": False, "0": False, "buy": False}


class BadFile(Exception):
    """The file can't be replayed; the message is one line for people."""


class FileTrade(NamedTuple):
    price: Decimal
    quantity: Decimal
    time_ms: float
    buyer_is_maker: bool


def symbol_of(path: Path) -> str:
    """ETHUSDT of ETHUSDT-trades-2019.csv.gz. Raises BadFile."""
    found = re.match(r"([^\W_a-z]{4,50})[-_.]", path.name)
    if found is None:
        raise BadFile(f"{path}: the file name must begin with the symbol, for example ETHUSDT-trades-2024-08-08.csv")
    return found[1]


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
            yield file
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if not names:
                raise BadFile(f"{path} contains no .csv file")
            with archive.open(names[0]) as raw:
                yield io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="")
    else:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield file


class TradeFile:
    """A file of trades. `broken` counts the lines skipped so far; the first one is logged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = 0
        self.line = 0  # of the trade that was read last
        self._looked_at = 0  # lines up to here have been counted

    def __iter__(self) -> Iterator[FileTrade]:
        """Its trades from the first on. Raises BadFile where it can't be read."""
        return self.after(0)

    def after(self, line: int) -> Iterator[FileTrade]:
        """Those that follow this line. Raises BadFile where it can't be read."""
        try:
            with _opened(self.path) as file:
                yield from self._trades(csv.reader(file), line)
        except FileNotFoundError:
            raise BadFile(f"file not found: {self.path}") from None
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error, ValueError) as error:
            raise BadFile(f"{self.path} cannot be read: {error}") from error

    def _trades(self, rows: Iterable[list[str]], after: int) -> Iterator[FileTrade]:
        columns: tuple[int, ...] | None = None
        for number, row in enumerate(rows, 1):
            if columns is None:
                columns = _columns_of(row)
                if number == 1 and columns is not None and _is_header(row):
                    continue
            if number <= after:
                continue
            try:
                trade = _read(row, columns or _BY_COUNT[len(row)])
            except (ValueError, LookupError, InvalidOperation):
                self._skip(number, row)
            else:
                self.line = number
                yield trade
            self._looked_at = max(self._looked_at, number)

    def _skip(self, number: int, row: list[str]) -> None:
        if number <= self._looked_at:
            return
        self.broken += 1
        if self.broken == 1:
            logger.warning(
                "%s, line %s is not a trade, skipped (others too, if any): %r", self.path, number, row[:12]
            )


def _is_header(row: list[str]) -> bool:
    return any("price" in cell.lower() for cell in row)


def _columns_of(row: list[str]) -> tuple[int, ...] | None:
    """The numbers of the columns needed, by the header's names or by how many there are."""
    if not _is_header(row):
        return _BY_COUNT.get(len(row))
    names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in row]
    found = [next((i for i, name in enumerate(names) if name in wanted), None) for wanted in _NAMES]
    if None in found:
        return None
    return tuple(number for number in found if number is not None)


def _read(row: list[str], columns: tuple[int, ...]) -> FileTrade:
    price_at, quantity_at, time_at, maker_at = columns
    price, quantity = Decimal(row[price_at]), Decimal(row[quantity_at])
    if not (0 < price < _MAX and 0 < quantity < _MAX):
        raise ValueError("a trade needs a price and a quantity")
    time = int(row[time_at])
    time_ms = time / 1000 if time >= _MICROSECONDS_FROM else float(time)
    if time_ms < _EARLIEST_MS:
        raise ValueError("not a time in ms or µs")
    return FileTrade(price, quantity, time_ms, _TRUTH[row[maker_at].strip().lower()])
