"""`manage.py totals`: whether the kept totals of ended cycles are right; counts them anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from console.management.arguments import add_venue_or_all
from hedgehog_project.venues import Venue, running
from trading.books import totals
from trading.models import CycleTotal


class Command(BaseCommand):
    help = (
        "Compares the totals that pages, reports and limits read (cycles, profit, budgets by slot and day) with the "
        "ended cycles themselves. Read-only without --rebuild. Exit code 0: they are right; 1: something differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_venue_or_all(parser, "all venues with cycles")
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="count wrong totals anew; cycles that end meanwhile wait, a second for each 200,000 that have ended",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        differ = 0
        for venue in [options["venue"]] if options["venue"] else _with_cycles():
            found = totals.differences(venue)
            differ += len(found)
            for line in found:
                self.stderr.write(f"{venue}: {line}")
            if found and options["rebuild"]:
                self.stdout.write(f"{venue}: {totals.rebuild_all(venue)} totals counted anew")
            elif not found and (options["venue"] or CycleTotal.objects.filter(venue=venue).exists()):
                self.stdout.write(f"{venue}: totals are right")
        if differ and not options["rebuild"]:
            raise CommandError("totals differ: see above; `manage.py totals --rebuild` counts them anew")


def _with_cycles() -> list[Venue]:
    """Also worlds that rest: nobody is asked."""
    found = CycleTotal.objects.order_by().values_list("venue", flat=True).distinct()
    return sorted({*running(), *map(Venue, found)})
