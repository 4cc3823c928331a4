"""`manage.py move ETHUSDT#1 --target 3100 --stop 2900`: moves a trader's target or stop."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import ByHand, price_or_none, said
from trading.by_hand import of_traders
from trading.by_hand.of_traders import KEEP
from trading.by_hand.plans import plan_sale


class Command(ByHand):
    help = (
        "Sets the price at which a trader sells what it holds (target), and the one below which it sells at the "
        "market (stop), for this cycle and whatever its strategy. A stop of yours stands in the place of the "
        "strategy's own. `none` gives either back to the strategy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL#SLOT", help="such as ETHUSDT#1")
        parser.add_argument("--target", type=price_or_none, default=KEEP, metavar="PRICE", help="or `none`")
        parser.add_argument("--stop", type=price_or_none, default=KEEP, metavar="PRICE", help="or `none`")
        self.add_common(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        meant = self.meant(options["what"], options)
        trader, lines = meant.the_trader(), []
        for name in ("target", "stop"):
            if isinstance(options[name], type(KEEP)):
                continue
            if options[name] is None:
                lines.append(f"{name}: as its strategy says")
            else:
                plan = plan_sale(trader, price=options[name])
                if not plan.quantity:
                    raise CommandError(f"{trader} holds nothing: there is no target and no stop to move.")
                sums = plan.worst.line("at", trader.symbol.quote_asset) if plan.worst else plan.why_not
                lines.append(f"{name}: {sums}")
        if not self.goes_on(meant.venue, lines, options):
            return
        try:
            outcome = of_traders.move(trader.pk, self.hands(options), options["target"], options["stop"])
        except ValidationError as error:
            raise said(error) from None
        self.tell(outcome)
