"""What is there of each month of a symbol, from what footers tell. Pure: no file, no database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from history.holes import Hole, hole_between
from history.periods import Period, month_of


class Here(Protocol):
    """A file: `shelf.Piece` is one."""

    @property
    def period(self) -> Period: ...
    @property
    def rows(self) -> int: ...
    @property
    def first_id(self) -> int: ...
    @property
    def last_id(self) -> int: ...
    @property
    def holes(self) -> Sequence[Hole]: ...
    @property
    def doubts(self) -> Sequence[str]: ...


class State(StrEnum):
    FULL = "full"  # every day, and every id between the first and the last
    PART = "part"  # some days, without holes
    HOLES = "holes"  # ids are missing
    SUSPECT = "suspect"  # something is wrong with a file


@dataclass(frozen=True)
class Month:
    """One month of a symbol."""

    month: Period
    days: int  # how many have a file
    rows: int
    missing: int  # ids between others
    state: State
    doubts: tuple[str, ...] = ()


def months(files: Iterable[Here]) -> list[Month]:
    """The months that have a file, in their order. `files` are of one symbol, kind and market."""
    inside: dict[Period, list[Here]] = {}
    for file in sorted(files, key=lambda each: (each.period, each.first_id)):
        inside.setdefault(month_of(file.period.first), []).append(file)
    found = []
    before: Here | None = None
    for month, group in inside.items():
        holes = holes_of(([before] if before else []) + group)
        if before:
            # Of the file before only what follows it counts here.
            holes = [hole for hole in holes if hole.first > before.last_id]
        days = {day for file in group for day in file.period.days()}
        doubts = tuple(dict.fromkeys(doubt for file in group for doubt in file.doubts))
        missing = sum(hole.size for hole in holes)
        whole = State.FULL if len(days) == month.last.day else State.PART
        state = State.SUSPECT if doubts else State.HOLES if missing else whole
        found.append(Month(month, len(days), sum(file.rows for file in group), missing, state, doubts))
        before = max(group, key=lambda each: each.last_id)
    return found


def holes_of(files: Iterable[Here]) -> list[Hole]:
    """Ids that no file has, within files and between those whose days follow each other."""
    ordered = sorted((file for file in files if file.rows), key=lambda each: each.first_id)
    found: list[Hole] = []
    last: Here | None = None
    for file in ordered:
        if last is not None and _follow(last.period, file.period):
            found += hole_between(last.last_id, file.first_id)
        found += file.holes
        if last is None or file.last_id >= last.last_id:
            last = file
    # What one file lacks another may have.
    return sorted({hole for hole in found if not any(_fills(file, hole) for file in ordered)})


def _follow(earlier: Period, later: Period) -> bool:
    return (later.first - earlier.last).days <= 1


def _fills(file: Here, hole: Hole) -> bool:
    """Whether a file has all ids of a hole."""
    inside = file.first_id <= hole.first and hole.last <= file.last_id
    return inside and not any(own.first <= hole.last and hole.first <= own.last for own in file.holes)
