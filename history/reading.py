"""Reads files of Binance's archive into columns: a zip with one CSV, in each of the forms that are about.

trades: id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch. aggTrades: id, price, qty, first id, last id, time,
isBuyerMaker, isBestMatch. klines: open time, open, high, low, close, volume, close time, quote volume, trades, and
three more. Usually without a header. Times are in ms, or in µs (spot from 2025 on), told apart by their size.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from history.archive import Kind
from history.columns import Candles, Columns, Ints, Trades, joined, no_candles, no_trades

# As ms this would be the year 5138.
_MICROSECONDS_FROM = 10**14
_BLOCK = 1 << 24
_AMOUNT, _VOLUME, _WHOLE, _TRUTH = pa.decimal128(19, 8), pa.decimal128(38, 8), pa.int64(), pa.bool_()
_UNITS = 10**8


class BadFile(Exception):
    """The file cannot be read; the message is one line for people, without the file's name."""


@dataclass(frozen=True)
class _Form:
    """How many columns a file has, and those that are kept: their places and what they are."""

    count: int
    kept: Mapping[str, tuple[int, pa.DataType]]


_FORMS = {
    Kind.TRADES: _Form(7, {"id": (0, _WHOLE), "price": (1, _AMOUNT), "qty": (2, _AMOUNT), "time": (4, _WHOLE)}),
    Kind.AGG_TRADES: _Form(8, {"id": (0, _WHOLE), "price": (1, _AMOUNT), "qty": (2, _AMOUNT), "time": (5, _WHOLE)}),
    Kind.KLINES: _Form(
        12,
        {"time": (0, _WHOLE), "volume": (5, _VOLUME), "trades": (8, _WHOLE)}
        | {name: (place, _AMOUNT) for place, name in enumerate(("open", "high", "low", "close"), 1)},
    ),
}
_MAKER = {Kind.TRADES: 5, Kind.AGG_TRADES: 6}


def trades(path: Path, kind: Kind) -> Trades:
    """The trades of a file, as they stand in it. Raises BadFile."""
    return joined([no_trades(), *_read(path, kind, _trades)])


def candles(path: Path) -> Candles:
    """The candles of a file, as they stand in it. Raises BadFile."""
    return joined([no_candles(), *_read(path, Kind.KLINES, _candles)])


def _trades(batch: pa.RecordBatch) -> Trades:
    return Trades(
        _ints(batch, "id"),
        _units(batch, "price"),
        _units(batch, "qty"),
        _micros(_ints(batch, "time")),
        batch["maker"].to_numpy(zero_copy_only=False).astype(np.bool_),
    )


def _candles(batch: pa.RecordBatch) -> Candles:
    low, high = _words(batch, "volume")
    if np.any(high > 2**31):
        raise BadFile("a volume is too large")
    if np.any(high != (low >> 63)):  # More than 64 bits, for which NumPy has no type.
        both = [int(b) * 2**64 + int(a) % 2**64 for a, b in zip(low, high, strict=True)]
        whole, rest = (
            np.array(each, np.int64) for each in zip(*(divmod(each, _UNITS) for each in both), strict=True)
        )
    else:
        whole, rest = low // _UNITS, low % _UNITS
    return Candles(
        _micros(_ints(batch, "time")),
        _units(batch, "open"),
        _units(batch, "high"),
        _units(batch, "low"),
        _units(batch, "close"),
        whole,
        rest,
        _ints(batch, "trades"),
    )


def _read(path: Path, kind: Kind, convert: Callable[[pa.RecordBatch], Columns]) -> Iterator[Columns]:
    form = _FORMS[kind]
    names = [f"_{place}" for place in range(form.count)]
    types = {}
    for name, (place, of) in form.kept.items():
        names[place], types[name] = name, of
    if kind in _MAKER:
        names[_MAKER[kind]], types["maker"] = "maker", _TRUTH
    try:
        with _opened(path) as (file, has_header):
            reader = pyarrow.csv.open_csv(
                file,
                pyarrow.csv.ReadOptions(
                    column_names=names, skip_rows=int(has_header), block_size=_BLOCK, use_threads=False
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=[],
                    true_values=["True", "true", "TRUE", "1"],
                    false_values=["False", "false", "FALSE", "0"],
                ),
            )
            for batch in reader:
                yield convert(batch)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadFile(f"is no whole zip ({str(error)[:100]})") from None
    except pa.ArrowInvalid as error:
        raise BadFile(f"is no file of {kind} ({' '.join(str(error).split())[:150]})") from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """The CSV in a zip, from its beginning, and whether it begins with names of columns."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise BadFile(f"contains {len(names)} .csv files instead of one")
        with archive.open(names[0]) as file:
            buffered = io.BufferedReader(file)  # type: ignore[type-var]
            yield buffered, not buffered.peek(1)[:1].isdigit()


def _ints(batch: pa.RecordBatch, name: str) -> Ints:
    found: Ints = batch[name].to_numpy()
    return found


def _micros(times: Ints) -> Ints:
    """Of both kinds in one file too."""
    return np.where(times < _MICROSECONDS_FROM, times * 1000, times)


def _words(batch: pa.RecordBatch, name: str) -> tuple[Ints, Ints]:
    """The low and the high 64 bits of decimals in units of 1e-8."""
    column = batch[name]
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset : 2 * (column.offset + len(column))]
    return words[::2].view(), words[1::2].view()


def _units(batch: pa.RecordBatch, name: str) -> Ints:
    low, high = _words(batch, name)
    if np.any(high != (low >> 63)):
        raise BadFile("an amount is too large")
    return np.ascontiguousarray(low)
