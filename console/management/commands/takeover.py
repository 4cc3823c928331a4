"""`manage.py takeover ETHUSDT 0.5 --cost 1500`: a trader takes over a holding, and sells it by the strategy."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from console.management.arguments import date
from console.management.by_hand import ByHand, decimal, said
from trading.by_hand.plans import plan_takeover
from trading.by_hand.taking_over import take_over
from trading.core.money import EXACT, round_down
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError

# No coin is older.
FIRST = datetime(2009, 1, 3, tzinfo=UTC)


class Command(ByHand):
    help = (
        "Gives coins of the account to a new trader, which sells them by the symbol's strategy. Their cost is "
        "what you say: profit, target and stops go by it. Nothing is bought, and no slot of the symbol is taken."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL", help="such as ETHUSDT")
        parser.add_argument("quantity", type=decimal, help="how much, in the base asset")
        cost = parser.add_mutually_exclusive_group(required=True)
        cost.add_argument("--cost", type=decimal, metavar="TOTAL", help="what all of it has cost, in the quote asset")
        cost.add_argument("--cost-each", type=decimal, metavar="PRICE", help="what one unit has cost")
        parser.add_argument("--acquired", type=date, metavar="DATE", help="when, for tax lots; default: now")
        self.add_common(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        meant, quantity = self.meant(options["what"], options), options["quantity"]
        cost, acquired = options["cost"], options["acquired"]
        if acquired is not None and not FIRST <= acquired <= timezone.now():
            raise CommandError(f"--acquired is a day from {FIRST:%Y-%m-%d} to today.")
        if cost is None:
            cost = round_down(EXACT.multiply(options["cost_each"], quantity))
        try:
            free = exchange_at(meant.venue).balances().get(meant.symbol.base_asset, (quantity * 0, quantity * 0))[0]
            plan = plan_takeover(meant.symbol, meant.venue, quantity, cost, free)
            self.refuse(plan.why_not and f"{meant.symbol.name}: {plan.why_not}", options)
            if not self.goes_on(meant.venue, plan.lines(), options):
                return
            outcome = take_over(meant.symbol, meant.venue, quantity, cost, self.hands(options), exchange_at, acquired)
        except ValidationError as error:
            raise said(error) from None
        except ExchangeError as error:
            raise CommandError(f"{meant.venue}: {error}") from None
        self.tell(outcome, f"{outcome.trader}: {outcome.instruction.text}")
