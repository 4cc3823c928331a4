"""`manage.py halt`: no new order from now on, everywhere; with --cancel, resting buys are taken back."""

import getpass
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading import halting, traders
from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.models import Order, Switch
from trading.models.switch import TradingMode

# Between two rounds of asking and taking back.
PAUSE_S = 0.2


class Command(BaseCommand):
    help = (
        "Stops trading: no new order is sent, at any venue, from the moment that this returns. Orders that rest stay "
        "where they are; --cancel takes the buys among them back. `manage.py resume` lets trading go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cancel", action="store_true", help="take resting buys back")
        parser.add_argument("--reduce", action="store_true", help="hold back buys only: what is held is still sold")
        parser.add_argument("--why", default="", metavar="TEXT", help="shown wherever somebody wonders")
        parser.add_argument("--by", default="", metavar="NAME", help="who halts; default: the user of this terminal")
        parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="give up waiting; default: 60 s")
        parser.add_argument("--dry-run", action="store_true", help="show what would be taken back, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        mode = TradingMode.REDUCING if options["reduce"] else TradingMode.HALTED
        if options["dry_run"]:
            self._show_what_would_be_done(mode, options["cancel"])
            return
        halting.halt(options["by"] or user(), options["why"], mode, options["cancel"])
        held_back = "No new buy is sent" if mode == TradingMode.REDUCING else "No new order is sent"
        self.stdout.write(f"Trading is {mode}. {held_back} from now on, at any venue.")
        self._settle(options["cancel"], time.monotonic() + options["timeout"])
        self.stdout.write("`manage.py resume` lets trading go on.")

    def _show_what_would_be_done(self, mode: TradingMode, cancels: bool) -> None:
        self.stdout.write(f"Trading would be {mode}.")
        rows = list(halting.resting_buys().select_related("symbol")) if cancels else []
        if cancels:
            self.stdout.write(f"Resting buys that would be taken back: {len(rows)}")
        for row in rows:
            self.stdout.write(f"  {_name(row)}")
        self.stdout.write("Nothing was changed: this is a dry run.")

    def _settle(self, cancels: bool, until: float) -> None:
        """Waits until nothing is on its way, and takes resting buys back. Raises CommandError after `until`."""
        wanted: dict[int, Order] = {}
        said = ""
        while True:
            on_their_way = list(halting.on_their_way().select_related("symbol"))
            resting = list(halting.resting_buys().select_related("symbol")) if cancels else []
            new = [row for row in resting if row.pk not in wanted]
            if new:
                self.stdout.write(f"Resting buys to take back: {len(new)}")
            wanted |= {row.pk: row for row in new}
            if on_their_way:
                said = self._say(f"Orders on their way whose outcome is not clear yet: {len(on_their_way)}", said)
            if not on_their_way and not resting:
                break
            if time.monotonic() > until:
                left = (*on_their_way, *resting)
                raise CommandError(
                    f"Trading stays {Switch.row().mode}, but not all orders are settled: {len(left)}, the first is "
                    f"{_name(left[0])}. The leader goes on; `manage.py status` shows how many are left."
                )
            said = self._ask(on_their_way, self._take_back(resting, said))
            time.sleep(PAUSE_S)
        ended = Order.objects.in_bulk(list(wanted))
        cancelled = [row for row in ended.values() if row.status == OrderStatus.CANCELED]
        filled = [row for row in ended.values() if row.executed > 0]
        if cancels:
            self.stdout.write(
                f"Taken back: {len(cancelled)}. Filled before, all or in part: {len(filled)}. No buy rests any more."
            )

    def _take_back(self, rows: list[Order], said: str) -> str:
        for row in rows:
            try:
                traders.cancel(row.pk, exchange_at)
            except ExchangeError as error:
                said = self._say(f"  {_name(row)}: {error}; trying again", said)
                continue
            row.refresh_from_db(fields=["status", "executed"])
            self.stdout.write(f"  {_name(row)}: {row.status.replace('_', ' ').lower()}")
        return said

    def _ask(self, rows: list[Order], said: str) -> str:
        for row in rows:
            try:
                traders.ask(row.pk, exchange_at)
            except ExchangeError as error:
                said = self._say(f"  {_name(row)}: {error}; asking again", said)
        return said

    def _say(self, text: str, said: str) -> str:
        """Says what has not been said last."""
        if text != said:
            self.stdout.write(text)
        return text


def _name(row: Order) -> str:
    return f"{row.side} {plain(row.quantity)} {row.symbol.name} at {plain(row.price)} ({row.venue})"


def user() -> str:
    """Who sits at this terminal; empty where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
