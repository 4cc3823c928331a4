"""What commands that act by hand share: whom they mean, asking on real money, waiting for what comes of it."""

import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from console.management.arguments import seconds
from hedgehog_project import emergency
from hedgehog_project.venues import Venue
from trading.by_hand.of_symbols import Many
from trading.by_hand.plans import SLIPPAGE
from trading.by_hand.saying import Hands, Outcome
from trading.core.journal import Kind
from trading.core.money import can_be_stored, plain
from trading.models import Instruction, JournalEntry, Order, Switch, Symbol, Trader

# Between two looks at what has come of it.
LOOK_S = 0.3


@dataclass(frozen=True)
class Meant:
    """A symbol, or one trader of it."""

    symbol: Symbol
    venue: Venue
    trader: Trader | None = None

    def the_trader(self) -> Trader:
        if self.trader is None:
            raise CommandError(f"Name a trader by its slot, such as {self.symbol.name}#1.")
        return self.trader


class ByHand(BaseCommand):
    """A command that does something by hand. `handle` raises CommandError in one line where it can't."""

    def add_common(self, parser: ArgumentParser, waits: bool = False) -> None:
        parser.add_argument("--venue", choices=[v.value for v in Venue], help="default: the venue of new traders")
        parser.add_argument("--reason", default="", metavar="TEXT", help="reason to record")
        parser.add_argument("--by", default="", metavar="NAME", help="name to record; default: the system user")
        parser.add_argument("--key", default="", help="the same key again does nothing; default: a new one each time")
        parser.add_argument("--dry-run", action="store_true", help="only show, in numbers, what would be done")
        parser.add_argument("--yes", action="store_true", help="on real money: do not ask")
        if waits:
            parser.add_argument(
                "--timeout", type=seconds, default=60.0, metavar="S", help="max time to wait for it; default: 60 s"
            )

    def venue(self, options: dict[str, Any]) -> Venue:
        return Venue(options["venue"] or Switch.current())

    def hands(self, options: dict[str, Any]) -> Hands:
        return Hands(options["by"] or emergency.user(), options["reason"], options["key"])

    def meant(self, text: str, options: dict[str, Any]) -> Meant:
        """ETHUSDT or ETHUSDT#2. Raises CommandError where there is no such thing."""
        name, _, slot = text.strip().upper().partition("#")
        symbol = Symbol.objects.filter(name=name).first()
        if symbol is None:
            raise CommandError(f"{name} was never turned on. See `manage.py status`.")
        venue = self.venue(options)
        if not slot:
            return Meant(symbol, venue)
        if not slot.isdecimal():
            raise CommandError(f"{text} is no trader: write its slot as in {name}#1.")
        live = Trader.objects.filter(symbol=symbol, venue=venue, slot=int(slot), finished_at__isnull=True)
        trader = live.select_related("symbol").first()
        if trader is None:
            raise CommandError(f"{name} has no running trader in slot {slot} at {venue}. See `manage.py why {name}`.")
        return Meant(symbol, venue, trader)

    def goes_on(self, venue: Venue, lines: Iterable[str], options: dict[str, Any], is_harmless: bool = False) -> bool:
        """Shows what will be done. False where that was all; on real money it asks, with the numbers on the screen.

        Raises CommandError where the person says no, or nobody can be asked.
        """
        if self.is_known(options):
            return not options["dry_run"]
        for line in lines:
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was changed.")
            return False
        if venue != Venue.LIVE or options["yes"] or is_harmless:
            return True
        if not sys.stdin.isatty():
            raise CommandError("This is real money: run it in a terminal, or with --yes. Nothing was changed.")
        if input("Real money. Do it? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.")
        return True

    def is_known(self, options: dict[str, Any]) -> bool:
        """Whether its key was used before: then it changes nothing, and what it would do now is nobody's concern."""
        key = options.get("key")
        is_known = bool(key) and Instruction.objects.filter(Q(key=key) | Q(key__startswith=f"{key}/")).exists()
        if is_known and options["dry_run"]:
            self.stdout.write(f"The key {key} was used before: nothing would be changed.")
        return is_known

    def refuse(self, why_not: str, options: dict[str, Any]) -> None:
        """Raises CommandError with this reason, if there is one; not where the key was used before."""
        if why_not and not self.is_known(options):
            raise CommandError(f"{why_not}.")

    def tell(self, outcome: Outcome, text: str = "") -> None:
        """Says what was done, or that it was done before."""
        if outcome.is_new:
            self.stdout.write(text or outcome.instruction.text)
        else:
            self.stdout.write(f"{_done_before(outcome)} Nothing was changed.")

    def tell_if_again(self, done: Many) -> bool:
        """Of a deed to many says so where it was done before; whether it is new."""
        if not done.outcome.is_new:
            rest = "Only traders of then that had not been told are told now."
            self.stdout.write(f"{_done_before(done.outcome)} {rest}")
        return done.outcome.is_new

    def wait_for(self, traders: Iterable[int], timeout_s: float) -> list[str]:
        """Until none of them is about what it was told; shows what happens. What is left then, in words."""
        wanted, give_up = list(traders), time.monotonic() + timeout_s
        said = JournalEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        while True:
            about = list(Trader.objects.filter(pk__in=wanted, told__isnull=False).select_related("symbol"))
            lines = JournalEntry.objects.filter(trader__in=wanted, pk__gt=said).order_by("pk")
            for line in lines.select_related("trader__symbol", "order__symbol"):
                said = line.pk
                if line.kind in (Kind.ORDERED, Kind.BOOKED, Kind.CANCELLED, Kind.BY_HAND, Kind.REJECTED, Kind.DENIED):
                    words = f"{line.decision}: {line.reason}" if line.reason else line.decision
                    self.stdout.write(f"  #{line.trader.slot} {line.trader.symbol.name}: {words}")
            if not about:
                return []
            if time.monotonic() > give_up:
                return [f"{each.symbol.name} #{each.slot}: {each.waits_for or 'not begun'}" for each in about]
            time.sleep(LOOK_S)


def _done_before(outcome: Outcome) -> str:
    row = outcome.instruction
    return f"That was done already, at {row.at:%Y-%m-%d %H:%M:%S} UTC by {row.by}: {row.text or row.what}."


def is_unsold(traders: Iterable[int]) -> list[str]:
    """What those that were told to sell hold still."""
    live = Trader.objects.filter(pk__in=list(traders), finished_at__isnull=True, holds=True).select_related("symbol")
    return [f"{each.symbol.name} #{each.slot}" for each in live]


def paused_until(symbols: Sequence[Symbol]) -> str:
    """What ends the pause of symbols that are sold."""
    names = [symbol.name for symbol in symbols]
    ends = ", ".join(f"`manage.py resume {name}`" for name in names)
    return f"Buys of {', '.join(names)} are paused until {ends}."


def said(error: ValidationError) -> CommandError:
    return CommandError(" ".join(error.messages))


def decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not can_be_stored(value) or value < 0:
        raise ArgumentTypeError(f"a number such as 2985.5, with at most 8 decimals, not {text[:40]}")
    return value


def price_or_none(text: str) -> Decimal | None:
    """`none`: the strategy's own."""
    return None if text.lower() == "none" else decimal(text)


def add_slippage(parser: ArgumentParser, what: str, any_price: bool = True) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--slippage",
        type=decimal,
        default=SLIPPAGE * 100,
        metavar="PERCENT",
        help=f"{what} at most this far from the last price; default: {plain(SLIPPAGE * 100)} %%",
    )
    if any_price:
        group.add_argument("--at-any-price", action="store_true", help="by market orders, whatever they bring")


def slippage_of(options: dict[str, Any]) -> Decimal | None:
    if options.get("at_any_price"):
        return None
    value: Decimal = options["slippage"].scaleb(-2)
    if value >= 1:
        raise CommandError("--slippage is in per cent, below 100.")
    return value


def resting(trader: Trader) -> list[str]:
    return [
        str(order) for order in Order.objects.filter(trader=trader, status__is_open=True).select_related("symbol")
    ]
