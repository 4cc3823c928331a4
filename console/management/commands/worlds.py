"""`manage.py worlds`: which world the mock exchange runs, and whose traders rest."""

import sqlite3
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from hedgehog_project.venues import Venue, mock_world
from hedgehog_project.venues.account_files import give_to, is_of_no_world
from hedgehog_project.venues.worlds import UNREAD, world_of
from trading.models import Switch, Trader


class Command(BaseCommand):
    help = (
        "Shows which world the mock exchange runs (MARKET), and which of its other worlds have traders that rest. "
        "Each has an account, profit and limits of its own; going back finds everything as it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        # Of `make run`, which has just migrated the database, and runs nothing yet: see _adopt.
        parser.add_argument("--last-market", default="", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["last_market"]:
            try:
                self._adopt(world_of(options["last_market"]))
            except (sqlite3.Error, OSError) as error:
                raise CommandError(f"The mock exchange's file cannot be read or renamed: {error}") from None
        self.stdout.write(" ".join((f"World: {mock_world().label}.", *_resting())))

    def _adopt(self, world: Venue) -> None:
        """Before each market had books of its own all of the mock's were one: they belong to the market in which
        this installation ran last. Rows first: where this ends half-way, the next start goes on.
        """
        home = settings.HEDGEHOG_HOME
        if world == Venue.MOCK or world.endswith(UNREAD) or not is_of_no_world(home):
            return
        with transaction.atomic():
            for model in apps.get_app_config("trading").get_models():
                if model is not Switch and "venue" in {field.name for field in model._meta.fields}:
                    model._default_manager.filter(venue=Venue.MOCK).update(venue=world)
        give_to(home, world)
        self.stdout.write(f"What was traded on the mock exchange so far belongs to {world.shown} from now on.")


def _resting() -> Iterator[str]:
    """A sentence for each of the mock's worlds whose traders rest."""
    for venue, count in Trader.resting().items():
        who, rest = (f"{count} trader", "rests") if count == 1 else (f"{count} traders", "rest")
        yield f"{who} of {venue.shown} {rest} until MARKET={venue.market_setting} is back."
