"""`manage.py cancel ETHUSDT#1`: cancels a trader's open buy."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import ByHand, resting, said
from trading.by_hand import of_traders


class Command(ByHand):
    help = (
        "Cancels a trader's open buy and pauses it, so that it buys nothing until `manage.py resume SYMBOL#SLOT`."
        " What was filled by then is kept, and sold by the strategy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL#SLOT", help="such as ETHUSDT#1")
        parser.add_argument("--and-go-on", action="store_true", help="do not pause it: it buys again by its strategy")
        self.add_common(parser, waits=True)

    def handle(self, *args: Any, **options: Any) -> None:
        meant = self.meant(options["what"], options)
        trader = meant.the_trader()
        lines = [f"cancels {each}" for each in resting(trader) if each.startswith("BUY")]
        self.refuse("" if lines else f"{trader} has no open buy", options)
        if not self.goes_on(meant.venue, lines, options, is_harmless=True):
            return
        try:
            outcome = of_traders.cancel_buy(trader.pk, self.hands(options), pauses=not options["and_go_on"])
        except ValidationError as error:
            raise said(error) from None
        if not outcome.is_new:
            self.tell(outcome)
            return
        left = self.wait_for([trader.pk], options["timeout"])
        if left:
            raise CommandError(f"Not cancelled yet, the trader goes on: {'; '.join(left)}.")
        self.stdout.write("Cancelled." if options["and_go_on"] else "Cancelled and paused.")
