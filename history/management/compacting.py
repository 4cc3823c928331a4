"""`manage.py history compact`: makes one file of each month's days, as far as they have ended."""

import argparse
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from history import index
from history.kinds import Kind
from history.management.common import MARKETS, bar, in_one_line, shelf
from history.progress import counted

ABOUT = "make one file of each month's days; can be stopped and repeated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbols", nargs="*", type=str.upper, metavar="SYMBOL", help="default: all")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    today, made = timezone.now().date(), 0
    with in_one_line(), bar(None, "compacting") as (_, shown):
        for on in map(shelf, MARKETS):
            for kind in Kind:
                for symbol in on.symbols(kind):
                    if options["symbols"] and symbol not in options["symbols"]:
                        continue
                    try:
                        made += len(on.compact(symbol, kind, today, shown.on))
                    finally:
                        index.follow(on, symbol, kind)
    command.stdout.write(f"{counted(made, 'file')} made.")
