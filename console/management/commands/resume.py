"""`manage.py resume`: resumes trading after a halt; `resume ETHUSDT` or `ETHUSDT#1` after a pause."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hedgehog_project import emergency, run_lock
from hedgehog_project.hurry import hurry
from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue
from trading.by_hand import of_symbols, of_traders
from trading.by_hand.saying import Hands
from trading.models import Switch, Symbol, Trader
from trading.risk import kill_switch
from trading.risk.kill_switch import in_a_line


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = (
        "Resumes trading after `manage.py halt`. Waiting traders check again within seconds. With a symbol or a "
        "trader: ends its pause, or opens its slot again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", metavar="SYMBOL[#SLOT]", help="what was paused; default: all trading")
        parser.add_argument("--venue", choices=[venue.value for venue in Venue], help="default: that of new traders")
        parser.add_argument(
            "--by", default="", metavar="NAME", help="name to record; default: the current system user"
        )

    def run_from_argv(self, argv: list[str]) -> None:
        hurry()
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"]:
            self._end_pause(options)
            return
        row = Switch.row()
        if row.is_active:
            self.stdout.write("Trading is already active.")
            return
        try:
            count = kill_switch.resume(options["by"] or emergency.user(), is_logged=False)
        except DatabaseError as error:
            if not kill_switch.resume_here():
                raise CommandError(f"Trading stays {row.mode}: {sentence(in_a_line(error))} Try again.") from None
            self.stdout.write("Trading resumed. The halt had not reached the database.")
            return
        except OSError as error:
            raise CommandError(f"Trading stays {row.mode}: {error.strerror}: {error.filename}") from None
        if stopped := run_lock.told(settings.HEDGEHOG_HOME):
            self.stdout.write(f"Trading resumed; before: {row.mode_text}. {stopped}")
            return
        self.stdout.write(f"Trading resumed; before: {row.mode_text}. Traders checking again: {count}")

    def _end_pause(self, options: dict[str, Any]) -> None:
        name, _, slot = options["what"].strip().upper().partition("#")
        symbol = Symbol.objects.filter(name=name).first()
        if symbol is None or (slot and not slot.isdecimal()):
            raise CommandError(f"{options['what']} is no symbol and no slot of one. See `manage.py status`.")
        hands, venue = Hands(options["by"] or emergency.user()), Venue(options["venue"] or Switch.current())
        if not slot:
            of_symbols.resume_symbol(symbol, hands)
            self.stdout.write(f"{name}: its traders buy again, but for those that are paused themselves.")
            return
        try:
            of_symbols.open_slot(symbol, venue, int(slot), hands)
            self.stdout.write(f"Slot {slot} of {name} is open again.")
        except ValidationError as error:
            closed = error
            live = Trader.objects.filter(symbol=symbol, venue=venue, slot=int(slot), finished_at__isnull=True)
            trader = live.exclude(pause="").first()
            if trader is None:
                raise CommandError(f"{' '.join(closed.messages)} Nor is a trader in it paused.") from None
            of_traders.resume(trader.pk, hands)
            self.stdout.write(f"{trader}: resumed.")
