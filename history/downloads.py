"""Brings a symbol's past from Binance's archive into its files, and fills what is missing in them.

Two steps, each of which can be killed at any moment and begins where the files say that it was:
`bring` stores every file of a plan as it is; `mend` looks for ids that are missing in what is stored and asks for
them, first in the files of the days, for a file of a month may lack what those have, then at the exchange.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from history import plan, reading, verify
from history.archive import Archive, ArchiveError, Kind, RemoteFile
from history.columns import Candles, Columns, Trades, joined, names_of, where
from history.fetching import Fetched, Fetcher, Lacking
from history.holes import Hole, hole_between
from history.periods import Period, day_at, day_of
from history.progress import Progress, counted
from history.remembered import Remembered
from history.rest import Filler, Row
from history.shelf import Piece, Refused, Shelf

log = logging.getLogger(__name__)

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What became of a download."""

    files: int = 0
    trades: int = 0
    failed: list[str] = field(default_factory=list)  # in words: files that are there and could not be had
    absent: list[Period] = field(default_factory=list)
    missing: int = 0  # trades that nobody has
    filled: int = 0


@dataclass(frozen=True)
class _Gap:
    """Ids that are missing, between two trades that are here: their files and their times."""

    hole: Hole
    before: Piece
    after: Piece
    before_us: int
    after_us: int


class Download:
    """Of one symbol and kind. For one process at a time: see `only_one`."""

    def __init__(
        self,
        symbol: str,
        kind: Kind,
        archive: Callable[[], Archive],
        shelf: Shelf,
        folder: Path,
        today: date,
        say: Say,
        progress: Progress | None = None,
    ) -> None:
        """`archive` makes a new one: each is stopped at its end. `folder` is for what is unfinished."""
        self.symbol, self.kind = symbol, kind
        self._archive, self._shelf, self._folder, self._today = archive, shelf, folder, today
        self._say, self._progress = say, progress or Progress(0)
        self.remembered = Remembered.of(shelf.folder(symbol, kind), today)

    def _read(self, piece: Piece) -> Any:
        return self._shelf.read(piece, Candles) if self.kind == Kind.KLINES else self._shelf.read(piece, Trades)

    def _parsed(self, path: Path) -> Any:
        """Raises BadFile."""
        return reading.candles(path) if self.kind == Kind.KLINES else reading.trades(path, self.kind)

    # --- what is to be done ---------------------------------------------------------------------
    def planned(self, first: date, last: date) -> plan.Plan:
        """What is missing of these days. Raises Unavailable."""
        # Segments are of days that were recorded, perhaps in part.
        pieces = self._shelf.pieces(self.symbol, self.kind)
        here = {piece.period.name for piece in pieces if not piece.is_segment}
        periods = plan.wanted(first, last, self._today, here)
        return plan.make(self._archive(), self.symbol, self.kind, periods, self.remembered.absent_names())

    # --- files ----------------------------------------------------------------------------------
    def bring(self, wanted: plan.Plan) -> Outcome:
        """Stores the files of a plan. Raises OSError; whatever was stored before stays."""
        outcome = Outcome()
        self._absent(wanted.absent, outcome)
        archive = self._archive()
        fetcher = Fetcher(archive, self._folder, self._progress)
        with closing(fetcher.each(wanted.files)) as each:
            for found in each:
                self._progress.tell(f"{self.symbol} {found.file.period.name}")
                problem = self._store(found, outcome) if isinstance(found, Fetched) else str(found.why)
                if not problem:
                    continue
                if found.file.period.is_month:
                    self._days_instead(found, fetcher, outcome, problem)
                elif isinstance(found, Lacking) and found.is_missing:
                    self._absent([found.file.period], outcome)
                else:
                    self._fails(found.file, problem, outcome)
        return outcome

    def _store(self, found: Fetched, outcome: Outcome) -> str:
        """What is wrong with a file that can't be stored at all; empty where it is stored."""
        name = found.file.name
        try:
            trades = self._parsed(found.path)
        except reading.BadFile as bad:
            found.path.unlink()
            return str(bad)
        doubts: list[str] = []
        if not found.is_as_told:
            doubts.append("checksum")
            self._say(f"{name} does not fit its checksum, although it was fetched twice: kept, marked as suspect.")
        trades, lines = sorted_out(trades, found.file.period)
        doubts += lines
        for doubt in lines:
            self._say(f"{name}: {doubt}.")
        if not len(trades):
            found.path.unlink()
            return "contains no trade"
        try:
            # What was recorded or imported of that time is kept, where it tells the same.
            self._shelf.add(
                self.symbol, self.kind, found.file.period, trades, tuple(doubts), f"archive {found.sha256}"
            )
        except Refused as refused:
            return str(refused)
        found.path.unlink()
        outcome.files += 1
        outcome.trades += len(trades)
        return ""

    def _days_instead(self, found: Fetched | Lacking, fetcher: Fetcher, outcome: Outcome, problem: str) -> None:
        try:
            days = plan.days_instead(self._archive(), found.file)
        except ArchiveError as error:
            self._fails(found.file, str(error), outcome)
            return
        if not days.files:
            self._fails(found.file, problem, outcome)
            return
        self._say(f"{found.file.name}: {problem}. Its days are downloaded instead.")
        self._progress.adds(days.size - (found.file.size or 0))
        self._absent(days.absent, outcome)
        fetcher.first(days.files)

    def _absent(self, periods: list[Period], outcome: Outcome) -> None:
        outcome.absent += periods
        self.remembered.remember([each for each in periods if plan.is_final(each, self._today)], [])

    def _fails(self, file: RemoteFile, problem: str, outcome: Outcome) -> None:
        outcome.failed.append(f"{file.name}: {problem}")
        self._say(f"{file.name}: {problem}.")

    # --- holes ----------------------------------------------------------------------------------
    def mend(self, first: date, last: date, filler: Filler | None, outcome: Outcome) -> None:
        """Fills the holes in what is stored of these days, and between them and what is stored next to them.

        Raises OSError, Stopped.
        """
        self._lacking_days(first, last)
        gaps = [gap for gap in self._gaps(first, last) if not self.remembered.was_asked(gap.hole)]
        if not gaps:
            return
        count = sum(gap.hole.size for gap in gaps)
        self._progress.tell(f"{self.symbol}: {counted(count, self.kind.one)} missing")
        filled = self._from_days(gaps)
        left = list(self._gaps(first, last))
        problems: dict[str, None] = {}
        if filler is not None and self.kind != Kind.KLINES:
            by_exchange, problems = self._from_exchange(left, filler)
            filled += by_exchange
            left = list(self._gaps(first, last)) if by_exchange else left
        outcome.filled += filled
        outcome.missing = sum(gap.hole.size for gap in left)
        self.remembered.remember([], [gap.hole for gap in left])
        missing = f"{counted(count, self.kind.one)} missing in {counted(len(gaps), 'hole')}"
        words = f"{self.symbol}: {missing}, {filled:,} filled"
        why = "".join(f": {problem}" for problem in problems)
        rest = f"; {outcome.missing:,} stay missing{why}" if outcome.missing else ""
        self._say(f"{words}{rest}.")

    def _gaps(self, first: date, last: date) -> Iterator[_Gap]:
        pieces = self._shelf.pieces(self.symbol, self.kind)
        near = timedelta(days=1)
        touched = [p for p in pieces if p.period.last >= first - near and p.period.first <= last + near]
        for place, piece in enumerate(touched):
            if piece.holes:
                trades = self._read(piece)
                for hole in piece.holes:
                    at = int(np.searchsorted(trades.id, hole.first))
                    yield _Gap(hole, piece, piece, int(trades.time_us[at - 1]), int(trades.time_us[at]))
            if place + 1 < len(touched) and self._are_neighbours(piece, touched[place + 1]):
                after = touched[place + 1]
                for hole in hole_between(piece.last_id, after.first_id):
                    before_us = int(self._read(piece).time_us[-1])
                    yield _Gap(hole, piece, after, before_us, int(self._read(after).time_us[0]))

    def _are_neighbours(self, piece: Piece, after: Piece) -> bool:
        """Whether nothing that is not stored could be between them."""
        day = piece.period.last + timedelta(days=1)
        while day < after.period.first:
            if not {day.isoformat(), f"{day:%Y-%m}"} & self.remembered.absent.keys():
                return False
            day += timedelta(days=1)
        return True

    def _lacking_days(self, first: date, last: date) -> None:
        """Stores the days that a file of a month lacks at its beginning or its end, where no id can tell."""
        for piece in self._shelf.pieces(self.symbol, self.kind):
            if not piece.period.is_month or piece.period.last < first or piece.period.first > last:
                continue
            from_day, to_day = day_at(piece.first_us), day_at(piece.last_us)
            days = [day for day in piece.period.days() if day.first < from_day or day.first > to_day]
            known = self.remembered.absent_names()
            days = [day for day in days if day.name not in known]
            if not days:
                continue
            found = plan.make(self._archive(), self.symbol, self.kind, days, known)
            more = [trades for file in found.files if (trades := self._day(file)) is not None]
            if more:
                count = self._add(piece, more, None, "days")
                names = ", ".join(file.period.name for file in found.files)
                self._say(
                    f"{self.symbol} {piece.period.name}: {counted(count, 'row')} added from the files of {names}."
                )
            self.remembered.remember([day for day in found.absent if plan.is_final(day, self._today)], [])

    def _from_days(self, gaps: list[_Gap]) -> int:
        """Fills holes of files of months from the files of their days. How many trades were added."""
        days: dict[date, None] = {}
        for gap in gaps:
            for piece in dict.fromkeys((gap.before, gap.after)):
                if piece.period.is_month:
                    day = max(day_at(gap.before_us), piece.period.first)
                    while day <= min(day_at(gap.after_us), piece.period.last):
                        days[day] = None
                        day += timedelta(days=1)
        if not days:
            return 0
        try:
            found = plan.make(self._archive(), self.symbol, self.kind, map(day_of, sorted(days)), ())
        except ArchiveError as error:
            self._say(f"{self.symbol}: the files of days cannot be had: {error}.")
            return 0
        more = [trades for file in found.files if (trades := self._day(file)) is not None]
        return self._spread(gaps, more, "days")

    def _from_exchange(self, gaps: list[_Gap], filler: Filler) -> tuple[int, dict[str, None]]:
        more: list[Any] = []
        problems: dict[str, None] = {}
        for gap in gaps:
            self._progress.tell(f"{self.symbol}: asks the exchange for {gap.hole.size:,} trades")
            if self.kind == Kind.TRADES:
                found = filler.trades(self.symbol, gap.hole, gap.before_us, gap.after_us)
            else:
                found = filler.aggregates(self.symbol, gap.hole)
            if found.rows:
                more.append(_columns(found.rows))
            if found.problem:
                problems[found.problem] = None
        return self._spread(gaps, more, "REST"), problems

    def _spread(self, gaps: list[_Gap], more: list[Any], origin: str) -> int:
        """Adds what is missing to the files that it belongs to. How many trades were added."""
        pieces = {piece.path: piece for gap in gaps for piece in (gap.before, gap.after)}
        holes = [gap.hole for gap in gaps]
        return sum(self._add(piece, more, holes, origin) for piece in pieces.values()) if more else 0

    def _add(self, piece: Piece, more: list[Any], holes: list[Hole] | None, origin: str) -> int:
        """Of these trades, those of the piece's time, and of the holes where there are any."""
        begins, ends = piece.period.begins_us, piece.period.ends_us
        chosen = []
        for trades in more:
            keep = (trades.time_us >= begins) & (trades.time_us < ends)
            if holes is not None:
                keep &= np.logical_or.reduce([(trades.id >= h.first) & (trades.id <= h.last) for h in holes])
            chosen.append(where(trades, keep))
        found, _ = sorted_out(joined(chosen), piece.period)
        return self._shelf.add(self.symbol, self.kind, piece.period, found, (), origin) if len(found) else 0

    def _day(self, file: RemoteFile) -> Any:
        try:
            found = Fetcher(self._archive(), self._folder, self._progress).fetch(file)
            trades = self._parsed(found.path)
        except (ArchiveError, reading.BadFile) as error:
            self._say(f"{file.name}: {error}.")
            return None
        found.path.unlink()
        if not found.is_as_told:
            self._say(f"{file.name} does not fit its checksum: nothing is taken from it.")
            return None
        return trades


def sorted_out(columns: Columns, period: Period) -> tuple[Columns, list[str]]:
    """The rows sorted by id, each once, without those that can be none; and what is doubtful, in words."""
    doubts: list[str] = []
    amounts = ("price", "quantity") if isinstance(columns, Trades) else ("open", "low")
    lower, other = (getattr(columns, name) for name in amounts)
    if bad := verify.not_positive(lower, other):
        columns = where(columns, (lower > 0) & (other > 0))
        doubts.append(f"{counted(bad, 'row')} without a price or a quantity left out")
    if not verify.is_rising(columns.id):
        columns = where(columns, np.argsort(columns.id, kind="stable"))
        again = np.flatnonzero(np.diff(columns.id) == 0)
        values = [getattr(columns, name) for name in names_of(type(columns))]
        differ = np.logical_or.reduce([each[again] != each[again + 1] for each in values])
        if count := int(np.count_nonzero(differ)):
            doubts.append(f"{counted(count, 'id')} twice with different values, the first of each kept")
        keep = np.ones(len(columns), np.bool_)
        keep[again + 1] = False
        columns = where(columns, keep)
    if count := verify.outside(columns.time_us, period):
        doubts.append(f"{counted(count, 'row')} not of {period.name}")
    return columns, doubts


def compared(shelf: Shelf, symbol: str, first: date, last: date) -> Iterator[tuple[Period, list[verify.Difference]]]:
    """The minutes in which trades and the archive's candles differ, for each time of which both are here."""
    theirs = shelf.pieces(symbol, Kind.KLINES)
    for piece in shelf.pieces(symbol, Kind.TRADES):
        candles: Candles | None = None
        for other in theirs:
            common = Period(
                max(piece.period.first, other.period.first, first), min(piece.period.last, other.period.last, last)
            )
            if common.first > common.last:
                continue
            if candles is None:
                trades = shelf.read(piece, Trades)
                candles = verify.candles_of(trades.price, trades.quantity, trades.time_us)
            both = (_of(candles, common), _of(shelf.read(other, Candles), common))
            yield common, verify.differences(*both)


def _of(columns: Columns, period: Period) -> Columns:
    return where(columns, (columns.time_us >= period.begins_us) & (columns.time_us < period.ends_us))


def _columns(rows: Iterable[Row]) -> Trades:
    ids, prices, quantities, times, makers = zip(*rows, strict=True)
    return Trades(
        np.array(ids, np.int64),
        np.array(prices, np.int64),
        np.array(quantities, np.int64),
        np.array(times, np.int64),
        np.array(makers, np.bool_),
    )
