"""`manage.py trade ETHUSDT on|off`: trading of symbols from the terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from trading.models import Switch, Symbol
from trading.symbols import add, set_trading


class Command(BaseCommand):
    help = (
        "Turns trading of symbols on or off. on: asks the exchange whether it knows them, streams them, and lets the "
        "leader start their traders within a second. off: no new orders; what rests on the exchange stays there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="such as ETHUSDT")
        parser.add_argument("status", choices=["on", "off"])

    def handle(self, *args: Any, **options: Any) -> None:
        is_on = options["status"] == "on"
        for name in options["symbols"]:
            try:
                symbol = add(name) if is_on else Symbol.objects.filter(name=name.upper()).first()
                if symbol is None:
                    raise CommandError(f"{name} was never turned on here. See `manage.py status`.")
                set_trading(symbol, is_on)
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from None
            self.stdout.write(f"{symbol.name}: trading is {options['status']} ({Switch.current()})")
