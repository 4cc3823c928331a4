"""`manage.py history import FILE …`: trades of files that one has."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from history import importing, index
from history.coverage import holes_of
from history.management.common import add_market, bar, in_one_line, shelf, symbol
from history.progress import counted
from history.reading import BadFile
from history.shelf import Shelf

ABOUT = "import trades from files of Binance's archive: CSV, plain, zip or gzip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of trades or aggTrades, one symbol each")
    parser.add_argument(
        "--symbol", type=symbol, help="needed where a file is not named as in the archive: ETHUSDT-trades-2024-01.zip"
    )
    add_market(parser)


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    files: list[Path] = options["files"]
    for path in files:
        _symbol(path, options["symbol"])
    for path in files:
        _one(command, shelf(options["market"]), path, _symbol(path, options["symbol"]))


def _one(command: BaseCommand, to: Shelf, path: Path, of: str) -> None:
    with in_one_line():
        try:
            with bar(path.stat().st_size, path.name) as (_, shown):
                file = importing.read(path, shown.at)
        except BadFile as error:
            raise CommandError(f"{path}: {error}. Nothing was imported from it.") from None
        try:
            added = importing.add(to, of, file, path.name)
            to.compact(of, file.kind, timezone.now().date())
        finally:
            index.follow(to, of, file.kind)
        names = {each.period.first for each in added}
        pieces = [piece for piece in to.pieces(of, file.kind) if any(_has(piece.period, day) for day in names)]
    missing = sum(hole.size for hole in holes_of(pieces))
    new, periods = sum(each.new for each in added), [each.period.name for each in added]
    time = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
    holes = f", {counted(missing, 'id')} missing there" if missing else ""
    doubt = f"; suspect: {'; '.join(file.doubts)}" if file.doubts else ""
    what = "trade" if file.kind == "trades" else "aggregate trade"
    command.stdout.write(f"{of} {time}: {counted(file.rows, what)} read, {new:,} new{holes}{doubt}.")


def _has(period: Any, day: Any) -> bool:
    return bool(period.first <= day <= period.last)


def _symbol(path: Path, given: str | None) -> str:
    """Raises CommandError where nobody says which one it is."""
    found = importing.named(path)
    if found is None and given is None:
        raise CommandError(f"{path}: which symbol? Its name does not say, so --symbol must, such as ETHUSDT.")
    if found is not None and given is not None and found.symbol != given:
        raise CommandError(f"{path}: its name says {found.symbol}, and --symbol {given}.")
    return given or (found.symbol if found else "")
