"""`manage.py export trades|lots --year 2026`: fills, or FIFO lots for taxes, as CSV."""

import csv
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.management.arguments import add_venue, opened, timezone
from hedgehog_project.venues import Venue
from trading.books import export
from trading.books.lots import Fifo
from trading.core.money import plain
from trading.models import Switch


class Command(BaseCommand):
    help = (
        "Writes fills, or lots for taxes, as CSV. trades: every fill with its commission and the commission's value "
        "in quote. lots: each sell matched to the oldest lots of that asset at that venue (FIFO), whichever trader "
        "bought them. A commission in the bought asset reduces the lot; one in quote or in a third asset such as BNB "
        "is a fee at its value. Lots used up by commissions get their own row. Quote assets count as cash and form "
        "no lots."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["trades", "lots"])
        parser.add_argument("--year", type=int, required=True, help="year of the fill (trades) or of the sell (lots)")
        add_venue(parser)
        parser.add_argument("--csv", metavar="FILE", default="-", help="default: - (standard output)")
        parser.add_argument(
            "--timezone", type=timezone, default=UTC, metavar="ZONE", help="time zone of the year and of all times"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        venue, zone, year = Venue(options["venue"] or Switch.current()), options["timezone"], options["year"]
        if not 2009 <= year <= 9998:
            raise CommandError(f"--year takes a year such as 2026, not {year}")
        since, until = datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)
        with opened(options["csv"], self.stdout) as file:
            writer = csv.writer(file, lineterminator="\n")
            if options["what"] == "trades":
                writer.writerow(export.TRADE_COLUMNS)
                count = 0
                for fill in export.traded(venue, since, until):
                    writer.writerow(export.trade_row(fill, zone))
                    count += 1
                told = [f"{_count(count, 'fill')} of {year} at {venue}"]
            else:
                told = list(self._lots(venue, since, until, writer))
        for line in told:
            # Not among the rows, where these go to standard output.
            self.stderr.write(line, style_func=str)

    def _lots(self, venue: Venue, since: datetime, until: datetime, writer: Any) -> Iterator[str]:
        fifo, count, noted = Fifo(), 0, 0
        gains: dict[str, Decimal] = defaultdict(Decimal)
        writer.writerow(export.LOT_COLUMNS)
        for sale in export.sales(venue, since, until, fifo):
            writer.writerow(export.lot_row(sale, since.tzinfo or UTC))
            count += 1
            noted += sale.is_doubtful
            gains[sale.sold.quote_asset] += sale.gain or 0
        gained = ", ".join(f"{plain(gain)} {asset}" for asset, gain in sorted(gains.items()))
        yield f"{_count(count, 'lot row')} sold in {since.year} at {venue}, gain {gained or 'none'}"
        if noted:
            yield f"{_count(noted, 'row')} with an uncertain gain: see the last column"
        for (_, asset), lots in sorted(fifo.lots.items()):
            if lots:
                held = sum((lot.quantity for lot in lots), Decimal(0))
                yield f"held at the end of {since.year}: {plain(held)} {asset} in {_count(len(lots), 'lot')}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
