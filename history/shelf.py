"""The files that a symbol's past is kept in: HEDGEHOG_HOME/history/{kind}/{market}/{SYMBOL}/NAME.parquet.

NAME is a month (2024-01), a day (2024-01-15), or a day with the first id in it (2024-01-15.4711: a segment, one of
several). A file is complete or not there: it is written under another name, and renamed when it is on the disk. What
is known of it stands in its footer, so that nothing but the footer is read to tell what there is.

Two files may have the same rows for a while, where a process died between writing the longer one and deleting the
shorter ones. Rows are told apart by their ids, so this harms nobody.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from history.columns import Candles, Columns, Trades, Unequal, empty, merged, names_of, where
from history.holes import Hole
from history.kinds import Kind
from history.periods import Period, day_at, day_of, month_of, parse
from history.verify import holes, is_rising

# Whose trades they are: the archive has those of the real exchange.
MARKET = "live"
# Of the facts in a footer; a later version reads the earlier ones.
_KEY = b"hedgehog"
_VERSION = 1
# Neighbouring numbers differ little: 7 bytes a trade instead of 18, and as quick to read.
_PACKED = "DELTA_BINARY_PACKED"
_ROWS_IN_A_GROUP = 131_072
_LOCK = ".lock"
_BLOCK = 1 << 20


class BadPiece(Exception):
    """The file cannot be read, or is not what its footer says; the message is one line, with its name."""


class Refused(Exception):
    """Files tell different things of the same trade: nothing was changed. The message is one line."""


@dataclass(frozen=True)
class Piece:
    """One file, as its footer tells it."""

    path: Path
    period: Period
    rows: int
    first_id: int
    last_id: int
    first_us: int  # the times of the first and the last by id
    last_us: int
    holes: tuple[Hole, ...]  # between its own ids
    doubts: tuple[str, ...]  # why it may be wrong, in words
    origins: tuple[str, ...]  # where its rows are from, each with a sha256 where it was a file

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def is_segment(self) -> bool:
        return "." in self.name

    @property
    def origin(self) -> str:
        return ", ".join(self.origins)

    @property
    def state(self) -> str:
        return "SUSPECT" if self.doubts else "HOLES" if self.holes else "FULL"


class Shelf:
    """All files of one home and one market."""

    def __init__(self, home: Path, market: str = MARKET) -> None:
        self.home, self.market = home, market

    @property
    def root(self) -> Path:
        return self.home / "history"

    @property
    def incoming(self) -> Path:
        """For what is unfinished."""
        return self.root / "incoming"

    def folder(self, symbol: str, kind: Kind) -> Path:
        return self.root / kind / self.market / symbol

    def symbols(self, kind: Kind) -> list[str]:
        """Those that have a folder."""
        return sorted(each.name for each in (self.root / kind / self.market).glob("[!.]*") if each.is_dir())

    def paths(self, symbol: str, kind: Kind) -> list[Path]:
        return sorted(self.folder(symbol, kind).glob("[0-9]*.parquet"))

    def pieces(self, symbol: str, kind: Kind) -> list[Piece]:
        """What there is of a symbol, in the order of time. Raises OSError and BadPiece."""
        while True:
            found = [_piece_or_gone(path) for path in self.paths(symbol, kind)]
            there = [piece for piece in found if piece is not None]
            if len(there) == len(found):
                return sorted(there, key=lambda piece: (piece.period, piece.first_id))
            # What was listed went into a longer file since, which the list did not have.

    def read(self, piece: Piece, kind: type[Columns]) -> Columns:
        """All of a file's columns. Raises OSError and BadPiece."""
        return kind(*self.columns(piece, names_of(kind)))

    def columns(self, piece: Piece, names: Sequence[str]) -> list[Any]:
        """Some of a file's columns, and no byte of the others. Raises OSError and BadPiece."""
        with _readable(piece.path):
            table = pq.read_table(piece.path, columns=list(names), use_threads=False, page_checksum_verification=True)
            return [table[name].to_numpy() for name in names]

    def between(self, symbol: str, kind: Kind, begins_us: int, ends_us: int) -> Iterator[Any]:
        """The rows of a time, in the order of ids and each once, file by file. Raises OSError, BadPiece, Refused."""
        wanted = [
            piece
            for piece in self.pieces(symbol, kind)
            if piece.period.begins_us < ends_us and piece.period.ends_us > begins_us
        ]
        for group in _overlapping(wanted):
            rows = self._all_of(group, kind)
            inside = where(rows, (rows.time_us >= begins_us) & (rows.time_us < ends_us))
            if len(inside):
                yield inside

    def put(
        self,
        symbol: str,
        kind: Kind,
        period: Period,
        columns: Trades | Candles,
        doubts: tuple[str, ...],
        *origins: str,
    ) -> None:
        """Writes the file of a month or a day, whole or not at all, in the place of what it held. Raises OSError."""
        with self._alone(symbol, kind) as folder:
            _write(folder / f"{period.name}.parquet", period, columns, doubts, origins)

    def append(self, symbol: str, kind: Kind, columns: Trades | Candles, *origins: str) -> None:
        """Writes new rows as segments, one for each day. The same rows again change nothing. Raises OSError."""
        with self._alone(symbol, kind) as folder:
            for day, rows in by_days(columns):
                _write(folder / f"{day.name}.{int(rows.id[0])}.parquet", day, rows, (), origins)

    def add(
        self,
        symbol: str,
        kind: Kind,
        period: Period,
        columns: Trades | Candles,
        doubts: tuple[str, ...],
        *origins: str,
    ) -> int:
        """Adds rows to a month or a day, and takes into its file what others have of that time. How many were new.

        Where the month of a day is there, they go into that. Raises OSError, BadPiece, and Refused if a row differs
        from one that is here.
        """
        with self._alone(symbol, kind) as folder:
            pieces = self.pieces(symbol, kind)
            month = month_of(period.first)
            if any(piece.period == month for piece in pieces):
                period = month
            inside = [piece for piece in pieces if _is_within(piece.period, period)]
            before = self._all_of(inside, kind)
            try:
                after = merged([before, columns])
            except Unequal as unequal:
                names = _who(inside, unequal.id)
                raise Refused(f"id {unequal.id} is not what {names} has") from None
            if inside and len(after) == len(before) and not set(doubts) - set(_doubts(inside)):
                return 0
            _write(
                folder / f"{period.name}.parquet",
                period,
                after,
                _once(_doubts(inside), doubts),
                _once((each for piece in inside for each in piece.origins), origins),
            )
            _remove(piece for piece in inside if piece.name != period.name)
            return len(after) - len(before)

    def compact(self, symbol: str, kind: Kind, today: date, on_file: Callable[[str], object] = str) -> list[Piece]:
        """Makes one file of each day's segments, and one of each month's days. The files that were made.

        Only of days that have ended; and of a month when its first and its last day are here, or when it is in one
        file already. It may be stopped at any moment and done again. Raises OSError, BadPiece and Refused.
        """
        made = []
        with self._alone(symbol, kind) as folder:
            for period in _to_compact(self.pieces(symbol, kind), today):
                on_file(period.name)
                inside = [piece for piece in self.pieces(symbol, kind) if _is_within(piece.period, period)]
                rows = self._all_of(inside, kind)
                origins = _once((each for piece in inside for each in piece.origins), ())
                path = folder / f"{period.name}.parquet"
                _write(path, period, rows, _doubts(inside), origins)
                _remove(piece for piece in inside if piece.path != path)
                made.append(piece_of(path))
        return made

    def remove(self, symbol: str, kind: Kind, pieces: Iterable[Piece]) -> None:
        """Deletes files; those that are gone already do not matter. Raises OSError."""
        with self._alone(symbol, kind):
            _remove(pieces)

    def clear(self, symbol: str, kind: Kind) -> None:
        """Deletes all files of a symbol, also those that cannot be read. Raises OSError."""
        with self._alone(symbol, kind) as folder:
            for path in self.paths(symbol, kind):
                path.unlink(missing_ok=True)
            _sync(folder)

    @contextmanager
    def _alone(self, symbol: str, kind: Kind) -> Iterator[Path]:
        """Nobody else changes this symbol's files meanwhile; what others left unfinished is gone."""
        folder = self.folder(symbol, kind)
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            for each in (folder, *folder.parents[:3]):
                _sync(each.parent)
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for draft in folder.glob(".*.draft"):
                draft.unlink()
            yield folder

    def _all_of(self, pieces: Sequence[Piece], kind: Kind) -> Any:
        """The rows of several files, each once."""
        columns = _columns_of(kind)
        try:
            return merged([self.read(piece, columns) for piece in pieces] or [empty(columns)])
        except Unequal as unequal:
            raise Refused(f"id {unequal.id} is not the same in {_who(pieces, unequal.id)}") from None


def by_days(columns: Any) -> Iterator[tuple[Period, Any]]:
    """Rows by the days of their times; within each they stay in their order."""
    days = columns.time_us // 86_400_000_000
    for number in sorted(set(days.tolist())):
        yield day_of(day_at(number * 86_400_000_000)), where(columns, days == number)


def piece_of(path: Path) -> Piece:
    """A file by its footer. Raises OSError and BadPiece."""
    with _readable(path):
        metadata = pq.read_metadata(path)
        try:
            facts: dict[str, Any] = json.loads(metadata.metadata[_KEY])
            piece = Piece(
                path,
                parse(facts["period"]),
                facts["rows"],
                facts["first_id"],
                facts["last_id"],
                facts["first_us"],
                facts["last_us"],
                tuple(Hole(*each) for each in facts["holes"]),
                tuple(facts["doubts"]),
                tuple(facts["origins"]),
            )
        except (TypeError, KeyError, ValueError):
            raise BadPiece(f"{path}: is no file of Hedgehog's history") from None
        if piece.rows != metadata.num_rows or path.stem.partition(".")[0] != piece.period.name:
            raise BadPiece(f"{path}: is not what its footer says")
        return piece


def check(piece: Piece, kind: Kind) -> None:
    """Reads all of a file and compares it with its footer. Raises OSError, and BadPiece with what is wrong."""
    rows = Shelf(piece.path).read(piece, _columns_of(kind))
    if not len(rows) or replace(piece, **_told(rows)) != piece or not is_rising(rows.id):
        raise BadPiece(f"{piece.path}: is not what its footer says")


def sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _told(rows: Trades | Candles) -> dict[str, Any]:
    """What a footer tells of rows."""
    ids, times = rows.id, rows.time_us
    return {
        "rows": len(rows),
        "first_id": int(ids[0]),
        "last_id": int(ids[-1]),
        "first_us": int(times[0]),
        "last_us": int(times[-1]),
        "holes": tuple(holes(ids)),
    }


def _write(path: Path, period: Period, rows: Trades | Candles, doubts: Iterable[str], origins: Iterable[str]) -> None:
    told = _told(rows)
    facts = told | {
        "version": _VERSION,
        "period": period.name,
        "holes": [[hole.first, hole.last] for hole in told["holes"]],
        "doubts": list(doubts),
        "origins": list(origins),
    }
    names = names_of(type(rows))
    table = pa.table({name: getattr(rows, name) for name in names}, metadata={_KEY: json.dumps(facts)})
    draft = path.with_name(f".{path.stem}.draft")
    try:
        with draft.open("wb") as file:
            pq.write_table(
                table,
                file,
                row_group_size=_ROWS_IN_A_GROUP,
                compression="zstd",
                use_dictionary=False,
                write_page_checksum=True,
                column_encoding={name: _PACKED for name in names if name != "maker"},
            )
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        # On a full disk the draft is what fills it.
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """A new name in a folder is on the disk only when the folder is: fsync(2)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece.path.unlink(missing_ok=True)
        _sync(piece.path.parent)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise BadPiece(f"{path}: cannot be read ({' '.join(str(error).split())[:150]})") from None
    except OSError as error:
        # What pyarrow finds wrong in a file is an OSError without a number.
        if error.errno is not None:
            raise
        raise BadPiece(f"{path}: cannot be read ({' '.join(str(error).split())[:150]})") from None


def _piece_or_gone(path: Path) -> Piece | None:
    """None where it went into a longer file since the folder was listed."""
    try:
        return piece_of(path)
    except FileNotFoundError:
        return None


def _columns_of(kind: Kind) -> Any:
    return Candles if kind == Kind.KLINES else Trades


def _is_within(inner: Period, outer: Period) -> bool:
    return outer.first <= inner.first and inner.last <= outer.last


def _overlapping(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces by the order of their ids, those that may have the same rows together."""
    group: list[Piece] = []
    last = -1
    for piece in sorted(pieces, key=lambda each: each.first_id):
        if group and piece.first_id > last:
            yield group
            group = []
        group.append(piece)
        last = max(last, piece.last_id) if len(group) > 1 else piece.last_id
    if group:
        yield group


def _to_compact(pieces: Sequence[Piece], today: date) -> list[Period]:
    """The months that can be made of several files, and of the others the days."""
    months: dict[Period, list[Piece]] = {}
    for piece in pieces:
        months.setdefault(month_of(piece.period.first), []).append(piece)
    found: list[Period] = []
    for month, inside in months.items():
        covered = {piece.period for piece in inside}
        is_sealed = month in covered
        is_whole = month.last < today and {day_of(month.first), day_of(month.last)} <= covered
        if is_sealed or is_whole:
            if len(inside) > 1 or not is_sealed:
                found.append(month)
            continue
        for day in sorted(covered):
            if day.last < today and any(piece.is_segment for piece in inside if piece.period == day):
                found.append(day)
    return found


def _once(some: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*some, *more]))


def _doubts(pieces: Iterable[Piece]) -> tuple[str, ...]:
    return _once((each for piece in pieces for each in piece.doubts), ())


def _who(pieces: Iterable[Piece], number: int) -> str:
    """The files that have this id."""
    return " and ".join(each.path.name for each in pieces if each.first_id <= number <= each.last_id)
