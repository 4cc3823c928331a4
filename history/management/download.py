"""`manage.py history download SYMBOL … --from 2024-01`: trades or candles from Binance's archive."""

import argparse
import difflib
import fcntl
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hedgehog_project.tables import size
from hedgehog_project.venues import Venue, endpoints
from history import index, periods, plan
from history.archive import Archive, ArchiveError, Kind
from history.downloads import Download, Outcome, compared
from history.management.common import in_one_line
from history.periods import Period
from history.progress import Progress, counted
from history.rest import Filler
from history.shelf import Shelf

ABOUT = "download trades or candles from Binance's public archive, check them and fill holes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="such as ETHUSDT; delisted ones as well")
    parser.add_argument(
        "--from", dest="first", type=_period, required=True, metavar="MONTH", help="first month or day: 2024-01"
    )
    parser.add_argument(
        "--to", dest="last", type=_period, metavar="MONTH", help="last month or day, included (default: yesterday)"
    )
    parser.add_argument(
        "--kind",
        type=Kind,
        choices=list(Kind),
        default=Kind.TRADES,
        metavar="KIND",
        help="trades (default), aggTrades, or klines: candles of one minute",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show the files and their sizes, download and change nothing"
    )


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    today = timezone.now().date()
    first: date = options["first"].first
    last = min(options["last"].last if options["last"] else today, today - timedelta(days=1))
    if first > last:
        raise CommandError(f"--from {options['first'].name} is not before --to, or is not over yet (UTC).")
    symbols = list(dict.fromkeys(_symbol(text) for text in options["symbols"]))
    work = _Work(command, options["kind"], first, last, today)
    try:
        with in_one_line():
            plans = {symbol: work.planned(symbol) for symbol in symbols}
            if options["dry_run"]:
                work.show(plans)
                return
            with _only_one(work.shelf.incoming):
                work.download(plans)
    except ArchiveError as error:
        raise CommandError(f"{error}. What has arrived stays; run the same again.") from None


class _Work:
    """One call of the command."""

    def __init__(self, command: BaseCommand, kind: Kind, first: date, last: date, today: date) -> None:
        self._command, self._kind = command, kind
        self._first, self._last, self._today = first, last, today
        self.shelf = Shelf(settings.HEDGEHOG_HOME)
        self._stop = threading.Event()
        self._is_terminal = command.stderr.isatty()

    def planned(self, symbol: str) -> plan.Plan:
        """Raises CommandError where nobody knows the symbol."""
        if self._is_terminal:
            self._show(f"{symbol}: asks the archive which files it has")
        found = self._of(symbol, Progress(0)).planned(self._first, self._last)
        if self._is_terminal:
            self._show("")
        if not found.files and not self.shelf.pieces(symbol, self._kind):
            self._must_be_known(symbol)
        return found

    def show(self, plans: Mapping[str, plan.Plan]) -> None:
        out = self._command.stdout
        for symbol, found in plans.items():
            for file in found.files:
                out.write(f"{file.name:<44} {size(file.size or 0):>10}")
            if found.absent:
                out.write(f"{symbol}: the archive has no file of {_ranges(found.absent)}.")
            out.write(
                f"{symbol}: {counted(len(found.files), 'file')}, {counted(found.days, 'day')}, {size(found.size)}."
            )
        free = shutil.disk_usage(settings.HEDGEHOG_HOME).free
        total = sum(found.size for found in plans.values())
        out.write(f"{size(total)} to download, {size(free)} free. Dry run: nothing was changed.")

    def download(self, plans: Mapping[str, plan.Plan]) -> None:
        progress = Progress(sum(found.size for found in plans.values()), self._show if self._is_terminal else None)
        failed: list[str] = []
        for symbol, found in plans.items():
            download = self._of(symbol, progress)
            where = endpoints(Venue.LIVE)
            filler = Filler(where.rest_url, where.api_key, self._stop)
            try:
                outcome = download.bring(found)
                download.mend(self._first, self._last, filler, outcome)
            finally:
                index.follow(self.shelf, symbol, self._kind)
            self._compare(symbol)
            self._say(self._told(symbol, outcome))
            failed += outcome.failed
        if failed:
            raise CommandError(f"{counted(len(failed), 'file')} could not be had. Run the same again later.")

    def _compare(self, symbol: str) -> None:
        if self._kind == Kind.AGG_TRADES:
            return
        for period, differences in compared(self.shelf, symbol, self._first, self._last):
            if differences:
                at = differences[0]
                first = f"{periods.time_at(at.begins_us):%Y-%m-%d %H:%M} ({', '.join(at.of)})"
                minutes = counted(len(differences), "minute")
                self._say(f"{symbol} {period.name}: trades and candles differ in {minutes}, first at {first}.")

    def _told(self, symbol: str, outcome: Outcome) -> str:
        absent = f"; the archive has no file of {_ranges(outcome.absent)}" if outcome.absent else ""
        pieces = [
            piece
            for piece in self.shelf.pieces(symbol, self._kind)
            if piece.period.last >= self._first and piece.period.first <= self._last
        ]
        rows = sum(piece.rows for piece in pieces)
        suspect = [piece.period.name for piece in pieces if piece.doubts]
        doubt = f"; suspect: {', '.join(suspect)}" if suspect else ""
        here = f"{counted(rows, self._kind.one)} from {self._first} to {self._last} here"
        return f"{symbol}: {counted(outcome.files, 'file')} downloaded; {here}{absent}{doubt}."

    def _of(self, symbol: str, progress: Progress) -> Download:
        def archive() -> Archive:
            return Archive(settings.ARCHIVE_URL, settings.ARCHIVE_LISTING_URL)

        return Download(
            symbol, self._kind, archive, self.shelf, self.shelf.incoming, self._today, self._say, progress
        )

    def _must_be_known(self, symbol: str) -> None:
        known = Archive(settings.ARCHIVE_URL, settings.ARCHIVE_LISTING_URL).symbols(self._kind)
        if symbol not in known:
            near = difflib.get_close_matches(symbol, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CommandError(f"The archive has no symbol {symbol}.{hint}")

    def _say(self, line: str) -> None:
        if self._is_terminal:
            self._command.stderr.write("\r\x1b[K", style_func=str, ending="")
        self._command.stdout.write(line)

    def _show(self, line: str) -> None:
        self._command.stderr.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K", str, ending="")
        self._command.stderr.flush()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Raises CommandError while another download has this folder. A process that was killed holds it no longer."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Another download runs in {folder.parent}. Wait for its end.") from None
        yield


def _period(text: str) -> Period:
    try:
        return periods.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _symbol(text: str) -> str:
    symbol = text.upper()
    # It becomes a part of addresses and of names of folders.
    if not re.fullmatch(r"[^\W_]{2,50}", symbol):
        raise CommandError(f"{text[:60]!r} is no symbol: one looks like ETHUSDT.")
    return symbol


def _ranges(absent: list[Period]) -> str:
    """2017-08 to 2019-03, 2022-05-14."""
    runs: list[list[Period]] = []
    for period in sorted(absent):
        if runs and runs[-1][-1].last + timedelta(days=1) == period.first:
            runs[-1].append(period)
        else:
            runs.append([period])
    return ", ".join(run[0].name if len(run) == 1 else f"{run[0].name} to {run[-1].name}" for run in runs)
