"""`manage.py history prune`: deletes files; without --yes it only shows which."""

import argparse
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hedgehog_project.tables import size, table
from history import index
from history.kinds import Kind
from history.management.common import add_market, in_one_line, period, shelf, symbol
from history.progress import counted
from history.shelf import Piece

ABOUT = "delete files of symbols, or of before a month; without --yes only show them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbols", nargs="*", type=symbol, metavar="SYMBOL", help="default, with --before: all")
    parser.add_argument("--before", type=period, metavar="MONTH", help="files that end before this month or day")
    parser.add_argument("--kind", type=Kind, choices=list(Kind), metavar="KIND", help="trades, aggTrades or klines")
    add_market(parser)
    parser.add_argument("--yes", action="store_true", help="delete them")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    if not options["symbols"] and options["before"] is None:
        raise CommandError("Name symbols, or a time by --before 2023-01, or both.")
    on, rows, files, total = shelf(options["market"]), [["SYMBOL", "KIND", "FILE", "ROWS", "SIZE"]], 0, 0
    with in_one_line():
        for kind in [options["kind"]] if options["kind"] else Kind:
            for of in on.symbols(kind):
                if options["symbols"] and of not in options["symbols"]:
                    continue
                chosen = [piece for piece in on.pieces(of, kind) if _is_before(piece, options["before"])]
                sizes = [piece.path.stat().st_size for piece in chosen]
                for piece, bytes_ in zip(chosen, sizes, strict=True):
                    rows.append([of, kind, piece.name, f"{piece.rows:,}", size(bytes_)])
                files, total = files + len(chosen), total + sum(sizes)
                if options["yes"] and chosen:
                    on.remove(of, kind, chosen)
                    index.follow(on, of, kind)
    if not files:
        command.stdout.write("No file is meant.")
        return
    command.stdout.write("\n".join(table(rows, right={3, 4})))
    if options["yes"]:
        command.stdout.write(f"{counted(files, 'file')} deleted, {size(total)}.")
    else:
        command.stdout.write(f"{counted(files, 'file')}, {size(total)}. Nothing was deleted: --yes does it.")


def _is_before(piece: Piece, before: Any) -> bool:
    return before is None or bool(piece.period.last < before.first)
