"""Reads files of Binance's archive into columns: CSV, as it is or packed, in each of the forms that are about.

trades: id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch. aggTrades: id, price, qty, first id, last id, time,
isBuyerMaker, isBestMatch. klines: open time, open, high, low, close, volume, close time, quote volume, trades, and
three more. Usually without a header. Times are in ms, or in µs (spot from 2025 on), told apart by their size.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

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


class _TooLarge(Exception):
    """The amount of a row, by its place in its batch, needs more than 64 bits."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place


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
# What a header calls the columns, as the archive does and as python programs write it; without case and underscores.
_CALLED = {
    "id": {"id", "tradeid", "aggtradeid", "aggid"},
    "price": {"price"},
    "qty": {"qty", "quantity"},
    "time": {"time", "timestamp", "transacttime"},
    "maker": {"isbuyermaker", "wasthebuyerthemaker"},
}
# What pyarrow says of a row that it cannot read.
_ROW = re.compile(r"(?:In CSV column #\d+|CSV parse error): Row #(\d+): ")
_VALUE = re.compile(r"(?:invalid value|The string) ('.*?')(?: is not|$)")


def trades(path: Path, kind: Kind, on_bytes: Callable[[int], object] | None = None) -> Trades:
    """The trades of a file, as they stand in it. Raises BadFile. `on_bytes`: told how much of the file was read."""
    return joined([no_trades(), *_read(path, kind, _trades, on_bytes)])


def kind_of(path: Path) -> Kind:
    """Whether a file has trades or aggregate trades, by its first line. Raises OSError and BadFile."""
    with _readable(), _opened(path) as (file, has_header, _):
        first = file.readline(1000).decode(errors="replace").strip().split(",")
    kind = {_FORMS[kind].count: kind for kind in _MAKER}.get(len(first))
    if kind is None:
        raise BadFile(f"line 1 has {_columns(len(first))}: trades have 7, aggTrades 8")
    if has_header:
        places = {name: place for name, (place, _) in _FORMS[kind].kept.items()} | {"maker": _MAKER[kind]}
        for name, place in places.items():
            if first[place].strip(' "\ufeff').lower().replace("_", "") not in _CALLED[name]:
                raise BadFile(
                    f"column {place + 1} of {kind} is the {name}, and line 1 calls it {first[place][:30]!r}"
                )
    return kind


def line_of(path: Path, place: int) -> int:
    """The number of the line, from 1 on, that a row stands on, from 0 on. Lines with nothing are no rows."""
    with _opened(path) as (file, has_header, _):
        return _line_of(file, place + has_header)


def _line_of(file: IO[bytes], place: int) -> int:
    lines = (number for number, line in enumerate(file, 1) if line.strip(b"\r\n"))
    return next(islice(lines, place, None))


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"


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


def _read(
    path: Path,
    kind: Kind,
    convert: Callable[[pa.RecordBatch], Columns],
    on_bytes: Callable[[int], object] | None = None,
) -> Iterator[Columns]:
    form = _FORMS[kind]
    names = [f"_{place}" for place in range(form.count)]
    types = {}
    for name, (place, of) in form.kept.items():
        names[place], types[name] = name, of
    if kind in _MAKER:
        names[_MAKER[kind]], types["maker"] = "maker", _TRUTH
    try:
        with _readable(), _opened(path) as (file, has_header, raw):
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
            rows = 0
            for batch in reader:
                try:
                    yield convert(batch)
                except _TooLarge as error:
                    raise BadFile(f"line {line_of(path, rows + error.place):,}: an amount is too large") from None
                rows += len(batch)
                if on_bytes is not None:
                    on_bytes(raw.tell())
    except pa.ArrowInvalid as error:
        words = " ".join(str(error).split())
        if row := _ROW.search(words):
            with _opened(path) as (file, _, _):
                line = _line_of(file, int(row[1]) - 1)
            raise BadFile(f"line {line:,}: {_plainly(words[row.end() :], kind)}") from None
        if words == "Empty CSV file":
            return
        raise BadFile(f"is no file of {kind} ({words[:150]})") from None


def _plainly(words: str, kind: Kind) -> str:
    """What pyarrow finds wrong in a row."""
    if found := re.match(r"Expected (\d+) columns, got (\d+)", words):
        return f"has {_columns(int(found[2]))}, {kind} have {found[1]}"
    if words.startswith("Rescaling"):
        return "an amount has more than eight decimals or is too large"
    if words.startswith("Empty string"):
        return "an amount is missing"
    if value := _VALUE.search(words):
        return f"{value[1][:60]} is not what stands there in {kind}"
    return words[:150]


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadFile(f"is no whole zip ({str(error)[:100]})") from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedReader, bool, IO[bytes]]]:
    """The CSV in a file, from its beginning; whether it begins with names of columns; and the file as it is."""
    with path.open("rb") as raw, ExitStack() as opened:
        packed = raw.read(4)
        raw.seek(0)
        file: Any = raw
        if packed[:2] == b"\x1f\x8b":
            file = opened.enter_context(gzip.open(raw))
        elif packed[:2] == b"PK" or path.suffix == ".zip":
            archive = opened.enter_context(zipfile.ZipFile(raw))
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise BadFile(f"contains {len(names)} .csv files instead of one")
            file = opened.enter_context(archive.open(names[0]))
        buffered = io.BufferedReader(file)
        first = buffered.peek(1)[:1]
        yield buffered, not (first.isdigit() or first in b"-\r\n"), raw


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
        raise _TooLarge(int(np.flatnonzero(high != (low >> 63))[0]))
    return np.ascontiguousarray(low)
