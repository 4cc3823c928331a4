"""What the parts of `manage.py history` have in common: symbols, times, files, errors, a bar."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from history import periods
from history.fetching import has_no_room
from history.kinds import Kind
from history.periods import Period
from history.shelf import MARKET, BadPiece, Refused, Shelf

# Of a mock exchange nothing is kept: its trades are made up.
MARKETS = (MARKET, "testnet", "demo")


def add_symbol(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument("symbol", nargs=nargs, type=symbol, metavar="SYMBOL", help="such as ETHUSDT")


def add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        type=Kind,
        choices=[Kind.TRADES, Kind.AGG_TRADES],
        default=Kind.TRADES,
        metavar="KIND",
        help="trades (default) or aggTrades",
    )


def add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--market", choices=MARKETS, default=MARKET, help=f"default: {MARKET}")


def add_times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=period, metavar="DAY", help="first day or month: 2024-01-15")
    parser.add_argument("--to", dest="last", type=period, metavar="DAY", help="last day or month, included")


def symbol(text: str) -> str:
    # It becomes a part of names of folders.
    if not re.fullmatch(r"[^\W_]{2,32}", text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no symbol: one looks like ETHUSDT")
    return text.upper()


def period(text: str) -> Period:
    try:
        return periods.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def bounds_us(first: Period | None, last: Period | None) -> tuple[int, int]:
    """From the begin of the one to the end of the other. Raises CommandError."""
    begins_us, ends_us = first.begins_us if first else 0, last.ends_us if last else 2**62
    if begins_us >= ends_us:
        raise CommandError("--from must not be after --to.")
    return begins_us, ends_us


@contextmanager
def written(name: str, instead: Any) -> Iterator[IO[bytes]]:
    """The named file, which is there when all of it is; "-" is standard output. Raises CommandError."""
    if name == "-":
        yield getattr(instead, "_out", instead).buffer
        return
    path = Path(name)
    draft = path.with_name(f".{path.name}.draft")
    try:
        try:
            with draft.open("wb") as file:
                yield file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from None


def shelf(market: str) -> Shelf:
    return Shelf(settings.HEDGEHOG_HOME, market)


@contextmanager
def in_one_line() -> Iterator[None]:
    """What files may do to us, as one line that says what to do."""
    try:
        yield
    except BadPiece as error:
        raise CommandError(f"{error}. `manage.py history check` tells more.") from None
    except Refused as error:
        raise CommandError(f"{error}: nothing of that time was changed.") from None
    except OSError as error:
        if not has_no_room(error):
            name = f"{error.filename}: " if error.filename else ""
            raise CommandError(f"{name}{error.strerror or error}.") from None
        raise CommandError(
            f"No room on the disk of {settings.HEDGEHOG_HOME}. What was there stays; make room, then run the same "
            "again."
        ) from None


@contextmanager
def bar(total: float | None, what: str) -> Iterator[tuple[Progress, "Bar"]]:
    """A bar on a terminal, and nothing elsewhere: what is printed goes above it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, Bar(progress, total, what)


class Bar:
    def __init__(self, progress: Progress, total: float | None, what: str) -> None:
        self._progress, self._task = progress, progress.add_task(what, total=total)

    def at(self, done: float) -> None:
        self._progress.update(self._task, completed=done)

    def on(self, what: str) -> None:
        """One more of the total begins."""
        self._progress.update(self._task, description=what, advance=1)
