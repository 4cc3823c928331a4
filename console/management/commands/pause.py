"""`manage.py pause ETHUSDT` or `ETHUSDT#1`: nothing is bought until `manage.py resume` of the same."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import ByHand, said
from trading.by_hand import of_symbols, of_traders


class Command(ByHand):
    help = (
        "Pauses the buys of a symbol or a trader until `manage.py resume` of the same. Open orders stay; what is "
        "held is sold as ever, and stops act. --all: the trader places nothing at all, and no stop acts. "
        "--after-cycle: its slot closes once this cycle ends, until `manage.py resume SYMBOL#SLOT`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL[#SLOT]", help="such as ETHUSDT, or ETHUSDT#1")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--all", action="store_true", help="of a trader: sales and stops as well")
        how.add_argument("--after-cycle", action="store_true", help="of a trader: close its slot after this cycle")
        self.add_common(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        meant, hands = self.meant(options["what"], options), self.hands(options)
        if meant.trader is None and (options["all"] or options["after_cycle"]):
            raise CommandError(f"That is for one trader: name its slot, such as {meant.symbol.name}#1.")
        whose = str(meant.trader or meant.symbol)
        if options["after_cycle"]:
            line = f"{whose}: its slot closes after this cycle"
        else:
            line = f"{whose}: {'nothing is placed, no stop acts' if options['all'] else 'nothing is bought'}"
        if not self.goes_on(meant.venue, [line], options, is_harmless=not options["all"]):
            return
        try:
            if meant.trader is None:
                outcome = of_symbols.pause_symbol(meant.symbol, hands)
            elif options["after_cycle"]:
                outcome = of_traders.close_slot(meant.trader.pk, hands)
            else:
                outcome = of_traders.pause(meant.trader.pk, hands, with_sales=options["all"])
        except ValidationError as error:
            raise said(error) from None
        self.tell(outcome, f"`manage.py resume {options['what'].strip().upper()}` ends it.")
