"""`manage.py orphans`: orders of ours that are not in the database: list, adopt, cancel."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from trading.core.money import plain
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.identity import copies, others
from trading.models import Orphan
from trading.models.orphans import Resolution
from trading.reconciliation import orphans

BY = "manage.py orphans"


class Command(BaseCommand):
    help = (
        "Lists orders of this installation that are not in the database and belong to no trader. adopt: a new "
        "trader completes their cycle. cancel: cancels the order on the exchange; one that has ended is dismissed. "
        "Orders of other installations are not listed: see `manage.py identity`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["adopt", "cancel"], help="default: list them")
        parser.add_argument("id", nargs="?", type=int, help="orphan id, as listed")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] is None:
            self._list()
            return
        orphan = Orphan.objects.filter(pk=options["id"]).first()
        if orphan is None:
            raise CommandError("No orphan with that id. `manage.py orphans` lists them.")
        try:
            if options["what"] == "adopt":
                self.stdout.write(f"adopted: {orphans.adopt(orphan, BY, exchange_at)}")
            else:
                note = orphans.cancel(orphan, BY, exchange_at)
                self.stdout.write(f"{orphan.resolution.lower()}: {orphan}. {note}")
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except ExchangeError as error:
            raise CommandError(f"{orphan.venue}: {error}") from None

    def _list(self) -> None:
        for sentence in (*copies.told(), *others.told()):
            self.stdout.write(sentence)
        found = Orphan.objects.filter(resolution=Resolution.UNRESOLVED).order_by("id")
        if not found:
            self.stdout.write("No orphans: every order with our prefix is in the database.")
        for orphan in found:
            status = orphan.status.lower().replace("_", " ")
            self.stdout.write(f"{orphan.pk}  {orphan}: {status}, {plain(orphan.executed)} filled. {orphan.why}")
