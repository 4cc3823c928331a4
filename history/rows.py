"""Rows of files, as coverage looks at files."""

from dataclasses import dataclass

from history.holes import Hole
from history.models import HistoryFile
from history.periods import Period, parse


@dataclass(frozen=True)
class Row:
    """A file, as its row tells it."""

    period: Period
    rows: int
    first_id: int
    last_id: int
    holes: tuple[Hole, ...]
    doubts: tuple[str, ...]


def row(file: HistoryFile) -> Row:
    """Of a file that has a period."""
    holes = tuple(Hole(first, last) for first, last in file.holes)
    return Row(parse(file.period), file.rows, file.first_id, file.last_id, holes, tuple(file.doubts))
