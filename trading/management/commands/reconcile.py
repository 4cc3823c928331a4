"""`manage.py reconcile`: compares the books with the exchange's now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hedgehog_project.venues import Venue
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.reconcile import reconcile, venues_in_use


class Command(BaseCommand):
    help = "Compares our open orders with the exchange's and repairs ours from there. Done every minute anyway."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("venue", nargs="?", choices=[venue.value for venue in Venue], help="default: all in use")

    def handle(self, *args: Any, **options: Any) -> None:
        venues = [Venue(options["venue"])] if options["venue"] else venues_in_use()
        for venue in venues:
            try:
                differing = reconcile(venue, exchange_at)
            except ExchangeError as error:
                raise CommandError(f"{venue}: {error}") from None
            self.stdout.write(f"{venue}: {differing} orders differed and were asked about")
