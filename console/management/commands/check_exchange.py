"""`manage.py check_exchange`: whether a venue is ready to trade, and what to fix."""

from argparse import ArgumentParser
from typing import Any

from django.core.checks import ERROR
from django.core.management.base import BaseCommand, CommandError

from console.checkup import Level, check_up
from console.management.arguments import VENUES, runs, venue
from hedgehog_project.checks import check_addresses, check_keys
from hedgehog_project.venues import running
from trading.models import Switch


class Command(BaseCommand):
    help = (
        "Checks that a venue is ready to trade: its three addresses, the clock, the key and its permissions, the "
        "filters of active symbols, and the balances for their budgets. Places no order. One line per finding: ok, "
        "warn or FAIL with what to do. Exit code 1 if anything failed."
    )
    requires_system_checks = ["redis"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("venue", nargs="?", type=venue, help=f"{VENUES}; default: the venue of new traders")
        which.add_argument("--all", action="store_true", help="all venues; without a key only the addresses")

    def handle(self, *args: Any, **options: Any) -> None:
        venues = [runs(options["venue"])] if options["venue"] else [Switch.current()]
        count = self._settings()
        for where in running() if options["all"] else venues:
            for finding in check_up(where, is_wanted=not options["all"]):
                self.stdout.write(f"{where:<8}  {finding}")
                count += finding.level == Level.FAIL
        if count:
            raise CommandError(f"{count} {'finding' if count == 1 else 'findings'} failed: see FAIL above")

    def _settings(self) -> int:
        """Shows what is wrong with keys and addresses; how many of that are errors."""
        found = [*check_addresses(), *check_keys()]
        for message in found:
            level = Level.FAIL if message.level >= ERROR else Level.WARN
            self.stdout.write(f"settings  {level:<4}  {message.msg}. {message.hint}")
        return sum(message.level >= ERROR for message in found)
