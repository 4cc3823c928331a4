"""`manage.py sell ETHUSDT#1`: sells what a trader holds, now; `sell ETHUSDT` all of a symbol."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import (
    ByHand,
    Meant,
    add_slippage,
    decimal,
    is_unsold,
    paused_until,
    said,
    slippage_of,
)
from trading.by_hand import of_symbols, of_traders
from trading.by_hand.plans import plan_sale, total_lines


class Command(ByHand):
    help = (
        "Sells what a trader holds, now: its open order is cancelled first, and what was filled meanwhile is "
        "counted. Without a slot it sells everything of the symbol and pauses its buys until `manage.py resume "
        "SYMBOL`. What nobody takes within the slippage stays with the trader, and its strategy goes on. With "
        "--price a trader offers it at that price until somebody takes it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", metavar="SYMBOL[#SLOT]", help="such as ETHUSDT#1, or ETHUSDT for all of it")
        parser.add_argument("--price", type=decimal, metavar="P", help="offer it at this price instead")
        add_slippage(parser, "sell")
        self.add_common(parser, waits=True)

    def handle(self, *args: Any, **options: Any) -> None:
        meant = self.meant(options["what"], options)
        if options["price"] is not None:
            self._offer(meant, options)
        elif meant.trader is None:
            self._all(meant, options)
        else:
            self._one(meant, options)

    def _one(self, meant: Meant, options: dict[str, Any]) -> None:
        trader, slippage = meant.the_trader(), slippage_of(options)
        plan = plan_sale(trader, slippage)
        self.refuse(plan.why_not and f"{trader}: {plan.why_not}", options)
        if not self.goes_on(meant.venue, plan.lines(), options):
            return
        try:
            outcome = of_traders.sell_now(trader.pk, self.hands(options), slippage)
        except ValidationError as error:
            raise said(error) from None
        if outcome.is_new:
            self.wait([trader.pk], options, "Sold." if plan.quantity else "Cancelled: it held nothing.")
        else:
            self.tell(outcome)

    def _all(self, meant: Meant, options: dict[str, Any]) -> None:
        slippage = slippage_of(options)
        plans = of_symbols.plan_sales(meant.venue, [meant.symbol], slippage)
        lines = [line for plan in plans for line in plan.lines()]
        lines += [*total_lines(plans), paused_until([meant.symbol])]
        if not self.goes_on(meant.venue, lines, options):
            return
        try:
            done = of_symbols.sell_everything(meant.symbol, meant.venue, self.hands(options), slippage)
        except ValidationError as error:
            raise said(error) from None
        if self.tell_if_again(done) or done.told:
            self.wait(done.told, options, "Sold.")
        if done.not_told:
            raise CommandError(" ".join(f"{why}." for why in dict.fromkeys(done.not_told.values())))

    def wait(self, traders: Any, options: dict[str, Any], then: str) -> None:
        left = self.wait_for(traders, options["timeout"])
        if left:
            raise CommandError(f"Not done yet, the traders go on: {'; '.join(left)}.")
        unsold = is_unsold(traders)
        if unsold:
            raise CommandError(f"Not all was sold: {', '.join(unsold)}. Repeat it, or add --at-any-price.")
        self.stdout.write(then)

    def _offer(self, meant: Meant, options: dict[str, Any]) -> None:
        trader = meant.the_trader()
        plan = plan_sale(trader, price=options["price"])
        self.refuse(plan.why_not and f"{trader}: {plan.why_not}", options)
        if not self.goes_on(meant.venue, plan.lines(), options):
            return
        try:
            outcome = of_traders.sell_at(trader.pk, options["price"], self.hands(options))
        except ValidationError as error:
            raise said(error) from None
        self.tell(outcome, f"{outcome.instruction.text}. It stays until somebody takes it.")
