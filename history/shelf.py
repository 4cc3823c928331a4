"""The files that a symbol's past is kept in: HEDGEHOG_HOME/history/{kind}/{market}/{SYMBOL}/{month or day}.parquet.

A file is complete or not there: it is written under another name, and renamed when it is on the disk. What is known
of it stands in its footer, so that nothing but the footer is read to tell what there is.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from history.archive import Kind
from history.columns import Candles, Columns, Trades, names_of
from history.periods import Period, parse
from history.verify import Hole, holes

# Whose trades they are: the archive has those of the real exchange.
MARKET = "live"
_KEY = b"hedgehog"
# Neighbouring numbers differ little: 7 bytes a trade instead of 18, and as quick to read.
_PACKED = "DELTA_BINARY_PACKED"
_ROWS_IN_A_GROUP = 131_072


@dataclass(frozen=True)
class Piece:
    """One file, as its footer tells it."""

    path: Path
    period: Period
    rows: int
    first_id: int
    last_id: int
    holes: tuple[Hole, ...]
    doubts: tuple[str, ...]  # why it may be wrong, in words
    origin: str

    @property
    def state(self) -> str:
        return "SUSPECT" if self.doubts else "HOLES" if self.holes else "FULL"


class Shelf:
    """All files of one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def incoming(self) -> Path:
        """For what is unfinished."""
        return self.home / "history" / "incoming"

    def folder(self, symbol: str, kind: Kind) -> Path:
        return self.home / "history" / kind / MARKET / symbol

    def pieces(self, symbol: str, kind: Kind) -> list[Piece]:
        """What there is of a symbol, in the order of time. Raises OSError."""
        found = [_piece(path) for path in self.folder(symbol, kind).glob("[0-9]*.parquet")]
        return sorted(found, key=lambda piece: piece.period)

    def read(self, piece: Piece, kind: type[Columns]) -> Columns:
        """All of a file's columns. Raises OSError."""
        table = pq.read_table(piece.path, use_threads=False)
        return kind(*(table[name].to_numpy() for name in names_of(kind)))

    def put(
        self, symbol: str, kind: Kind, period: Period, columns: Trades | Candles, doubts: tuple[str, ...], origin: str
    ) -> None:
        """Writes the file of a month or a day, whole or not at all. Raises OSError."""
        folder = self.folder(symbol, kind)
        folder.mkdir(parents=True, exist_ok=True)
        ids = columns.id
        facts = {
            "period": period.name,
            "rows": len(columns),
            "first_id": int(ids[0]),
            "last_id": int(ids[-1]),
            "holes": [[hole.first, hole.last] for hole in holes(ids)],
            "doubts": doubts,
            "origin": origin,
        }
        names = names_of(type(columns))
        table = pa.table({name: getattr(columns, name) for name in names}, metadata={_KEY: json.dumps(facts)})
        draft = folder / f".{period.name}.draft"
        with draft.open("wb") as file:
            pq.write_table(
                table,
                file,
                row_group_size=_ROWS_IN_A_GROUP,
                compression="zstd",
                use_dictionary=False,
                column_encoding={name: _PACKED for name in names if name != "maker"},
            )
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / f"{period.name}.parquet")


def _piece(path: Path) -> Piece:
    facts: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[_KEY])
    return Piece(
        path,
        parse(facts["period"]),
        facts["rows"],
        facts["first_id"],
        facts["last_id"],
        tuple(Hole(*each) for each in facts["holes"]),
        tuple(facts["doubts"]),
        facts["origin"],
    )
