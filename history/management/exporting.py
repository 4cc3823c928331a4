"""`manage.py history export SYMBOL --csv FILE`: trades that are here, as Binance's archive writes them."""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from django.core.management.base import BaseCommand, CommandError

from history.columns import Ints, Trades
from history.folding import worth
from history.kinds import Kind
from history.management.common import add_market, add_symbol, add_times, bounds_us, in_one_line, shelf, written
from history.progress import counted

ABOUT = "write trades that are here as CSV, as Binance's archive does"
_OPTIONS = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_symbol(parser)
    add_times(parser)
    add_market(parser)
    parser.add_argument("--csv", metavar="FILE", default="-", help="default: - (standard output)")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    """Raises CommandError."""
    begins_us, ends_us = bounds_us(options["first"], options["last"])
    of, rows = options["symbol"], 0
    with in_one_line():
        parts = shelf(options["market"]).between(of, Kind.TRADES, begins_us, ends_us)
        first = next(parts, None)
        if first is None:
            raise CommandError(f"No trades of {of} are here in that time. `manage.py history list` shows what is.")
        with written(options["csv"], command.stdout) as file:
            for part in _all(first, parts):
                pyarrow.csv.write_csv(_table(part), file, _OPTIONS)
                rows += len(part)
    # Not among the rows, where these go to standard output.
    command.stderr.write(f"{of}: {counted(rows, 'trade')} written.", style_func=str)


def _all(first: Trades, others: Any) -> Any:
    yield first
    yield from others


def _table(trades: Trades) -> pa.Table:
    truth = np.where(trades.maker, "True", "False")
    return pa.table(
        [
            pa.array(trades.id),
            _decimals(trades.price),
            _decimals(trades.quantity),
            _decimals(worth(trades.price, trades.quantity)),
            pa.array(trades.time_us),
            pa.array(truth),
            pa.array(np.full(len(trades), "True")),
        ],
        names=["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"],
    )


def _decimals(units: Ints) -> pa.Array:
    """Of 128 bits each: the low and the high word."""
    words = np.empty(2 * len(units), np.int64)
    words[::2], words[1::2] = units, units >> 63
    return pa.Array.from_buffers(pa.decimal128(19, 8), len(units), [None, pa.py_buffer(words)])
