"""`manage.py halt`: no new order from now on, everywhere; with --cancel, resting buys are taken back."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from trading import halting
from trading.management.arguments import seconds
from trading.management.settling import name_of, settle
from trading.models import Switch
from trading.models.switch import TradingMode


class Command(BaseCommand):
    # Whatever else is set wrongly, this works.
    requires_system_checks: list[str] = []
    help = (
        "Stops trading: no new order is sent, at any venue, from the moment that this returns. Orders that rest stay "
        "where they are; --cancel takes the buys among them back. `manage.py resume` lets trading go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cancel", action="store_true", help="take resting buys back")
        parser.add_argument("--reduce", action="store_true", help="hold back buys only: what is held is still sold")
        parser.add_argument("--why", default="", metavar="TEXT", help="shown wherever somebody wonders")
        parser.add_argument("--by", default="", metavar="NAME", help="who halts; default: the user of this terminal")
        parser.add_argument(
            "--timeout", type=seconds, default=60.0, metavar="S", help="give up waiting; default: 60 s"
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would be taken back, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        mode = TradingMode.REDUCING if options["reduce"] else TradingMode.HALTED
        if options["dry_run"]:
            self._show_what_would_be_done(mode, options["cancel"])
            return
        halting.halt(options["by"] or user(), options["why"], mode, options["cancel"])
        held_back = "No new buy is sent" if mode == TradingMode.REDUCING else "No new order is sent"
        self.stdout.write(f"Trading is {mode}. {held_back} from now on, at any venue.")
        settle(
            self.stdout,
            on_their_way=halting.on_their_way,
            resting=halting.resting_buys if options["cancel"] else None,
            what="buys",
            stays=f"Trading stays {Switch.row().mode}",
            timeout_s=options["timeout"],
        )
        self.stdout.write("`manage.py resume` lets trading go on.")

    def _show_what_would_be_done(self, mode: TradingMode, cancels: bool) -> None:
        self.stdout.write(f"Trading would be {mode}.")
        rows = list(halting.resting_buys().select_related("symbol")) if cancels else []
        if cancels:
            self.stdout.write(f"Resting buys that would be taken back: {len(rows)}")
        for row in rows:
            self.stdout.write(f"  {name_of(row)}")
        self.stdout.write("Nothing was changed: this is a dry run.")


def user() -> str:
    """Who sits at this terminal; empty where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
