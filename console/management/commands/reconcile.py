"""`manage.py reconcile`: compares our records with the exchange's now."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from console.management.arguments import add_venue_or_all, runs
from hedgehog_project import run_lock
from hedgehog_project.venues import mock_world
from trading.exchange.client import exchange_at
from trading.models import Reconciliation
from trading.reconciliation.reconcile import reconcile, venues_in_use


class Command(BaseCommand):
    help = (
        "Compares our records with the exchange's and repairs ours: open orders and their status, fills since the "
        "last known one, balances, and orders missing in the database. Also runs every minute. Exit code 0: records "
        "match; 1: something needs attention, or the exchange did not answer; 2: nothing differs, but not every "
        "symbol could be checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_venue_or_all(parser, "all venues in use")
        parser.add_argument("--dry-run", action="store_true", help="show differences, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        venues = [runs(options["venue"])] if options["venue"] else venues_in_use()
        is_dry = options["dry_run"]
        rows = [reconcile(venue, exchange_at, is_dry=is_dry, is_thorough=True) for venue in venues]
        # The mock exchange ends with `make run`.
        ended = run_lock.told(settings.HEDGEHOG_HOME)
        stopped = [
            ended
            if ended and row.venue == mock_world()
            else f"{row.venue}: reconciliation stopped early: {row.stopped}"
            for row in rows
            if row.stopped
        ]
        for row in rows:
            if not (row.stopped and ended and row.venue == mock_world()):
                self._tell(row, is_dry)
        if stopped:
            raise CommandError("; ".join(stopped))
        if is_dry and any(row.differences for row in rows):
            raise CommandError("records differ; nothing was changed")
        if any(row.left for row in rows):
            raise CommandError("some differences need attention; see `manage.py orphans`")

        if any(row.unchecked for row in rows):
            raise CommandError("not every symbol could be checked: see above", returncode=2)

    def _tell(self, row: Reconciliation, is_dry: bool) -> None:
        self.stdout.write(f"{row.venue}: {row.told(is_dry)}")
        for line in row.text.splitlines():
            self.stdout.write(f"  {line}")
