"""`manage.py buy ETHUSDT`: one more trader, which buys now."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import ByHand, add_slippage, said, slippage_of
from trading.by_hand import of_symbols
from trading.by_hand.plans import SLIPPAGE, plan_buy
from trading.models import Trader


class Command(ByHand):
    help = (
        "Begins one more trader of a symbol, which buys now for its whole order size, and then sells by the "
        "strategy. Within max slots and all limits: says why not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL", help="such as ETHUSDT")
        add_slippage(parser, "buy", any_price=False)
        self.add_common(parser, waits=True)

    def handle(self, *args: Any, **options: Any) -> None:
        meant = self.meant(options["what"], options)
        if meant.trader is not None:
            raise CommandError("Name the symbol alone: the trader gets a free slot.")
        slippage = slippage_of(options)
        slippage = SLIPPAGE if slippage is None else slippage
        plan = plan_buy(meant.symbol, meant.venue, slippage)
        self.refuse(plan.why_not and f"{meant.symbol.name}: {plan.why_not}", options)
        if not self.goes_on(meant.venue, plan.lines(), options):
            return
        try:
            outcome = of_symbols.buy_now(meant.symbol, meant.venue, self.hands(options), slippage)
        except ValidationError as error:
            raise said(error) from None
        trader = outcome.trader
        assert trader is not None
        if not outcome.is_new:
            self.tell(outcome)
            return
        left = self.wait_for([trader.pk], options["timeout"])
        if left:
            raise CommandError(f"Not bought yet, the trader goes on: {'; '.join(left)}.")
        if not Trader.objects.filter(pk=trader.pk, holds=True).exists():
            raise CommandError(
                f"Nothing was bought: `manage.py why {meant.symbol.name}` says what the trader waits for."
            )
        self.stdout.write("Bought.")
