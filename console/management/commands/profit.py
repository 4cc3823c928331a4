"""`manage.py profit`: realised and unrealised profit, net of commissions."""

import csv
from argparse import ArgumentParser
from decimal import Decimal
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand

from console.management.arguments import add_venue, date
from console.profit_figures import Span, figures
from console.words import percent
from hedgehog_project.tables import table
from hedgehog_project.venues import Venue
from trading.books import equity, profit
from trading.books.holdings import Holding
from trading.books.left_over import LeftOver, by_quote_asset
from trading.books.profit import CSV_COLUMNS, OF_BUDGET, By, Line, csv_row
from trading.core.money import ZERO, plain
from trading.core.orders import UNVALUED
from trading.models import Switch

# On a terminal; a CSV has them all.
MAX_CYCLES = 50
MAX_LEFT = 8


class Command(BaseCommand):
    help = (
        "Profit net of all commissions. Finished cycles count as realised; running cycles, valued at the last price, "
        "as unrealised."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--by",
            choices=["symbol", "slot", "strategy", "day", "cycle"],  # By; written out, its help needs no rows
            default="symbol",
            help="group by; default: %(default)s",
        )
        add_venue(parser)
        parser.add_argument("--since", type=date, metavar="DATE", help="cycles finished on or after this day (UTC)")
        parser.add_argument("--until", type=date, metavar="DATE", help="cycles finished before this day (UTC)")
        parser.add_argument("--csv", action="store_true", help="CSV with all rows")

    def handle(self, *args: Any, **options: Any) -> None:
        venue, by = Venue(options["venue"] or Switch.current()), By(options["by"])
        span = Span(options["since"], options["until"])
        if options["csv"]:
            writer = csv.writer(self.stdout, lineterminator="\n")
            writer.writerow(CSV_COLUMNS)
            writer.writerows(csv_row(line) for line in profit.lines(venue, by, span.since, until=span.until))
            return
        standings = equity.standing(venue).values()
        # What is held now belongs to no span that ended before.
        is_now = span.until is None
        held = [holding for each in standings for holding in each.holdings if is_now]
        left = [each for standing in standings for each in standing.left_over if is_now]
        places = list(profit.lines(venue, By.SYMBOL, span.since, held, left=left, until=span.until))
        for line in as_text(venue, by, span, places, held, left):
            self.stdout.write(line)


def as_text(
    venue: Venue, by: By, span: Span, places: list[Line], held: list[Holding], left: list[LeftOver]
) -> list[str]:
    """The report for people, with its totals. `places`: the lines by symbol."""
    is_by_place = by in (By.SYMBOL, By.SLOT)
    lines = profit.lines(venue, by, span.since, held, places, until=span.until, max_cycles=MAX_CYCLES)
    found = iter(places) if by == By.SYMBOL else lines
    shown = list(islice(found, MAX_CYCLES)) if by == By.CYCLE else list(found)
    when = f" since {span.since:%Y-%m-%d}" if span.since else ""
    when += f" until {span.until:%Y-%m-%d}" if span.until else ""
    if not shown:
        return [f"No finished cycles at {venue}{when} and no open positions.", *_left_over(left)]
    head = [by.upper(), "FINISHED (UTC)" if by == By.CYCLE else "CYCLES", "REALISED", "", "% BUDGET"]
    rows = [[*head, *(["UNREALISED", "% BUDGET"] if is_by_place else []), ""]]
    rows += [_row(line, is_by_place) for line in (*shown, *profit.totals(places))]
    told = [f"Profit at {venue}{when}, net of commissions", "", *table(rows, right={1, 2, 4, 5, 6})]
    # Of other lines their budget is whose name they have.
    notes = [OF_BUDGET[by]] if by == By.DAY else []
    ended = sum(line.cycles for line in places)
    if by == By.CYCLE and ended > len(shown):
        notes.append(f"Latest {len(shown)} of {ended:,} cycles; --csv writes all, --since limits them.")
    if any(not line.is_priced for line in places):
        notes.append("?: a position has no known price.")
    notes += _left_over(left)
    told += [line for asset in _assets(places) for line in ("", *_figures(venue, asset, places, span))]
    return [*told, *(["", *notes] if notes else [])]


def _assets(places: list[Line]) -> list[str]:
    return [line.asset for line in profit.totals(places) if line.cycles]


def _figures(venue: Venue, asset: str, places: list[Line], span: Span) -> list[str]:
    rows = [[name, value, made_of] for name, value, made_of in figures(venue, asset, places, span).in_words]
    return table([[asset, "", ""], *rows], right={1})


def _left_over(left: list[LeftOver]) -> list[str]:
    if not left:
        return []
    head = "Leftover of finished cycles, sold with a later sell, counted neither as profit nor as loss:"
    told = [head, *(f"  {each.symbol}: {each.in_short}" for each in left[:MAX_LEFT])]
    if len(left) > MAX_LEFT:
        told += [f"  in total, {total}" for total in by_quote_asset(left).values()]
    return told


def _row(line: Line, is_by_place: bool) -> list[str]:
    row = [line.name, _when_or_cycles(line), _signed(line), line.asset, _share(line.share)]
    unrealised = [_unrealised(line), _share(line.unrealised_share)] if is_by_place else []
    unvalued = line.unvalued + (line.unvalued_held if is_by_place else 0)
    return [*row, *unrealised, f"{UNVALUED}, in {unvalued:,} cycles" if unvalued else ""]


def _when_or_cycles(line: Line) -> str:
    """Of one cycle when it finished, of others how many they are."""
    finished_at = line.trader.finished_at if line.trader else None
    return f"{finished_at:%Y-%m-%d %H:%M:%S}" if finished_at else f"{line.cycles:,}"


def _share(share: Decimal | None) -> str:
    return "" if share is None else percent(round(share, 4))


def _signed(line: Line) -> str:
    return f"{'+' if line.realised > ZERO else ''}{plain(line.realised)}"


def _unrealised(line: Line) -> str:
    if line.unrealised is None:
        return "" if line.is_priced else "?"
    return f"{'+' if line.unrealised > ZERO else ''}{plain(line.unrealised)}{'' if line.is_priced else '?'}"
