"""`manage.py history …`: the past of symbols, in files of this installation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from history.management import candles, checking, compacting, download, exporting, importing, listing, pruning

# What it does by its word: each module has ABOUT, add_arguments and run.
WHATS = {
    "download": download,
    "import": importing,
    "list": listing,
    "check": checking,
    "candles": candles,
    "export": exporting,
    "compact": compacting,
    "prune": pruning,
}


class Command(BaseCommand):
    help = (
        "The past of symbols: every trade, or candles of one minute, checked and kept in HEDGEHOG_HOME/history. From "
        "Binance's public archive, or from files that you have."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        whats = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        for name, module in WHATS.items():
            module.add_arguments(whats.add_parser(name, help=module.ABOUT))

    def handle(self, *args: Any, **options: Any) -> None:
        WHATS[options["what"]].run(self, options)
