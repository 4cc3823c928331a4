"""`manage.py history candles SYMBOL --interval 1h`: candles of trades that are here."""

import argparse
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from candles.fold import Candle
from candles.intervals import INTERVALS
from hedgehog_project.tables import table
from history import folding
from history.management.common import (
    add_kind,
    add_market,
    add_symbol,
    add_times,
    bounds_us,
    in_one_line,
    shelf,
    written,
)

ABOUT = "make candles of the trades that are here, as a table or as CSV"
_HEAD = ("open time", "open", "high", "low", "close", "volume", "quote volume", "first id", "last id")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_symbol(parser)
    parser.add_argument(
        "--interval",
        choices=[*INTERVALS],
        default="1m",
        metavar="INTERVAL",
        help=f"{', '.join(INTERVALS)}; default: 1m",
    )
    add_times(parser)
    add_kind(parser)
    add_market(parser)
    parser.add_argument("--csv", metavar="FILE", help="write CSV, - for standard output; without it: a table")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    begins_us, ends_us = bounds_us(options["first"], options["last"])
    of, kind = options["symbol"], options["kind"]
    with in_one_line():
        try:
            parts = shelf(options["market"]).between(of, kind, begins_us, ends_us)
            found = folding.candles(parts, options["interval"])
            first = next(found, None)
            if first is None:
                raise CommandError(
                    f"No {kind} of {of} are here in that time. `manage.py history list` shows what is."
                )
            rows = (_row(candle) for candle in (first, *found))
            if options["csv"] is None:
                command.stdout.write(
                    "\n".join(table([[each.upper() for each in _HEAD], *rows], range(1, len(_HEAD))))
                )
                return
            with written(options["csv"], command.stdout) as file:
                file.write((",".join(_HEAD) + "\n").encode())
                for row in rows:
                    file.write((",".join(row) + "\n").encode())
        except OverflowError as error:
            raise CommandError(f"{of}: {error}.") from None


def _row(candle: Candle) -> list[str]:
    amounts = (candle.open, candle.high, candle.low, candle.close, candle.base, candle.quote)
    ids = (candle.first_id, candle.last_id)
    return [folding.moment(candle.opens_ms), *(format(each, "f") for each in amounts), *map(str, ids)]
