"""`manage.py flatten`: gets out of everything at a venue; `flatten ETHUSDT`: of these symbols."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from console.management.by_hand import ByHand, add_slippage, is_unsold, paused_until, said, slippage_of
from trading.by_hand import of_symbols
from trading.by_hand.plans import total_lines


class Command(ByHand):
    help = (
        "Gets out of everything at a venue: denies all buys until `manage.py resume`, cancels open buys "
        "everywhere and sells what every trader of the venue holds. With symbols: pauses only their buys, until "
        "`manage.py resume SYMBOL`, and sells what their traders hold. What nobody takes within the slippage "
        "stays: repeat it, or add --at-any-price."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="only these; default: all of the venue")
        add_slippage(parser, "sell")
        self.add_common(parser, waits=True)

    def handle(self, *args: Any, **options: Any) -> None:
        named = [self.meant(text, options) for text in dict.fromkeys(options["symbols"])]
        if any(each.trader is not None for each in named):
            raise CommandError("Name symbols, without a slot: `manage.py sell SYMBOL#SLOT` sells one trader's.")
        venue, slippage, hands = self.venue(options), slippage_of(options), self.hands(options)
        symbols = [each.symbol for each in named]
        plans = of_symbols.plan_sales(venue, symbols or None, slippage)
        lines = [line for plan in plans for line in plan.lines()]
        lines += total_lines(plans)
        if symbols:
            lines.append(paused_until(symbols))
        else:
            lines.append("All buys are denied, at every venue, until `manage.py resume`.")
            lines += [
                f"{each} is off and shuts down, so that it sells." for each in of_symbols.off_and_holding(venue)
            ]
        if not plans:
            lines.append(f"Nothing is held at {venue}, and no order is open.")
        if not self.goes_on(venue, lines, options):
            return
        told: list[int] = []
        is_new = True
        not_told: dict[int, str] = {}
        try:
            if symbols:
                for symbol in symbols:
                    done = of_symbols.sell_everything(symbol, venue, hands.for_each(symbol.name), slippage)
                    told, not_told = [*told, *done.told], not_told | done.not_told
                    is_new = self.tell_if_again(done) and is_new
            else:
                done = of_symbols.flatten(venue, hands, slippage)
                told, not_told = list(done.told), done.not_told
                is_new = self.tell_if_again(done)
        except ValidationError as error:
            raise said(error) from None
        left = self.wait_for(told, options["timeout"])
        if left:
            raise CommandError(f"Not done yet, the traders go on: {'; '.join(left)}.")
        unsold = is_unsold(told)
        problems = [f"Not all was sold: {', '.join(unsold)}; repeat it, or add --at-any-price."] if unsold else []
        problems += [f"{why}." for why in dict.fromkeys(not_told.values())]
        if problems:
            raise CommandError(" ".join(problems))
        if told or is_new:
            self.stdout.write(f"Out of everything{' of these' if symbols else f' at {venue}'}.")
