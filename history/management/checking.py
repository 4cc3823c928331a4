"""`manage.py history check`: reads all files, and makes the list of them anew."""

import argparse
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from history import index
from history.coverage import holes_of
from history.kinds import Kind
from history.management.common import MARKETS, bar, in_one_line, shelf
from history.models import HistoryFile
from history.progress import counted
from history.rows import row

ABOUT = "read all files, find what is damaged or missing, and make the list anew"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbols", nargs="*", type=str.upper, metavar="SYMBOL", help="default: all")
    parser.add_argument("--market", choices=MARKETS, help="default: all")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError if a file is wrong. A hole is told and is no error: nobody may have its trades."""
    wrong = files = 0
    markets = [options["market"]] if options["market"] else MARKETS
    with in_one_line():
        groups = [
            (on, symbol, kind)
            for on in map(shelf, markets)
            for kind in Kind
            for symbol in index.symbols(on, kind)
            if not options["symbols"] or symbol in options["symbols"]
        ]
        total = sum(len(on.paths(symbol, kind)) for on, symbol, kind in groups)
        with bar(total, "reading") as (progress, shown):
            for on, symbol, kind in groups:
                for line in index.check(on, symbol, kind, lambda path: shown.on(f"{path.parent.name} {path.stem}")):
                    wrong += 1
                    progress.console.print(line, style="red", highlight=False, soft_wrap=True, markup=False)
                rows = HistoryFile.objects.filter(market=on.market, symbol=symbol, kind=kind)
                files += rows.count()
                if kind != Kind.KLINES:
                    missing = holes_of(row(file) for file in rows if file.period)
                    if missing:
                        ids = sum(hole.size for hole in missing)
                        first = missing[0]
                        command.stdout.write(
                            f"{symbol} {kind}: {counted(ids, 'id')} missing in {counted(len(missing), 'hole')}, "
                            f"the first from {first.first} to {first.last}"
                        )
    if wrong:
        raise CommandError(
            f"{counted(wrong, 'file')} of {files:,} wrong: see above. Delete it, and download or import its time "
            "again."
        )
    command.stdout.write(f"{counted(files, 'file')} read, all as they should be.")
