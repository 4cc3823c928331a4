"""`manage.py trade ETHUSDT on|off|shutdown [--cancel]`: trading of symbols from the terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from console.management.arguments import seconds
from console.management.settling import settle
from trading.books.booking import positions_of
from trading.core.money import plain
from trading.models import Switch, Symbol, Trader
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.symbols.sync import known
from trading.symbols.turning import turn


class Command(BaseCommand):
    help = (
        "Turns trading of symbols on, off, or shuts it down. on: checks the symbols at the exchange, starts their "
        "price feeds and traders within a second. off: no new orders; open orders stay, or are all cancelled with "
        "--cancel. shutdown: running cycles finish, no new ones start, then trading turns off; --cancel cancels open "
        "buys."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="such as ETHUSDT")
        parser.add_argument("status", choices=["on", "off", "shutdown"])  # TradingStatus
        parser.add_argument(
            "--cancel", action="store_true", help="cancel open orders: all with off, buys with shutdown"
        )
        parser.add_argument(
            "--timeout", type=seconds, default=60.0, metavar="S", help="max time to wait for --cancel; default: 60 s"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        status, cancels = TradingStatus(options["status"]), options["cancel"]
        if status == TradingStatus.ON and cancels:
            raise CommandError("--cancel works with off and shutdown only.")
        try:
            wanted = known(options["symbols"]) if status == TradingStatus.ON else self._here(options["symbols"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        problems = turn(wanted, status, cancel_orders=cancels)
        for symbol in wanted:
            if symbol.name not in problems:
                self.stdout.write(f"{symbol.name}: trading is {_in_words(status)} ({Switch.current()})")
        switch = Switch.row()
        if status == TradingStatus.ON and not switch.is_active and len(problems) < len(wanted):
            what = "order" if switch.mode == TradingMode.HALTED else "buy"
            self.stdout.write(f"No {what} is placed until `manage.py resume`: {switch.mode_text}.")
        if cancels:
            is_off = status == TradingStatus.OFF
            settle(
                self.stdout,
                on_their_way=lambda: kill_switch.on_their_way(wanted),
                resting=lambda: kill_switch.resting(wanted) if is_off else kill_switch.resting_buys(wanted),
                what="orders" if is_off else "buys",
                stays=f"Trading stays {_in_words(status)}",
                timeout_s=options["timeout"],
            )
        if status != TradingStatus.ON:
            self._show_what_is_left(wanted, status)
        if problems:
            raise CommandError(" ".join(problems.values()))

    def _here(self, names: list[str]) -> list[Symbol]:
        wanted = dict.fromkeys(name.strip().upper() for name in names)
        found = {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=wanted)}
        missing = [name for name in wanted if name not in found]
        if missing:
            was = "was" if len(missing) == 1 else "were"
            raise CommandError(
                f"{', '.join(missing)} {was} never turned on; nothing was changed. See `manage.py status`."
            )
        return [found[name] for name in wanted]

    def _show_what_is_left(self, wanted: list[Symbol], status: TradingStatus) -> None:
        """Open orders, orders in flight and positions, at every venue."""
        for row in kill_switch.resting(wanted).select_related("symbol"):
            self.stdout.write(f"  open: {kill_switch.name_of(row)}")
        for row in kill_switch.on_their_way(wanted).select_related("symbol"):
            self.stdout.write(f"  unconfirmed: {kill_switch.name_of(row)}")
        live = Trader.objects.filter(symbol__in=wanted, finished_at__isnull=True).order_by("symbol__name", "slot")
        under_way = 0
        for trader, position in positions_of(live):
            under_way += bool(position.orders)
            owned = position.owned(trader.symbol.base_asset)
            if owned > 0:
                what = f"{plain(owned)} {trader.symbol.base_asset}"
                self.stdout.write(f"  position: {what} of {trader.symbol.name} #{trader.slot} at {trader.venue}")
        if status == TradingStatus.SHUTDOWN and under_way:
            cycles = "1 cycle" if under_way == 1 else f"{under_way} cycles"
            self.stdout.write(f"  {cycles} still running; trading turns off after the last.")


def _in_words(status: TradingStatus) -> str:
    return "shutting down" if status == TradingStatus.SHUTDOWN else status.value
