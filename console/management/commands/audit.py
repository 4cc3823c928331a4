"""`manage.py audit`: whether our records match the exchange's, to the last unit."""

import time
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from console.management.arguments import add_venue_or_all, runs
from hedgehog_project import run_lock
from hedgehog_project.venues import Venue, mock_world
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.identity import others
from trading.reconciliation.audit import examine
from trading.reconciliation.reconcile import venues_in_use

# What is under way between two looks is no difference; what both looks show is.
LOOK_AGAIN_S = 3.0
AGREE = "records match the exchange"


class Command(BaseCommand):
    help = (
        "Checks all invariants against the exchange: one trader per slot, one order per side, no unknown or "
        "forgotten order, each fill recorded once, balances, budgets. Read-only. Exit code 0: records match; 1: "
        "something differs, or the exchange did not answer; 2: nothing differs, but not every symbol could be "
        "checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_venue_or_all(parser, "all venues in use")
        parser.add_argument(
            "--start",
            metavar="ASSET:AMOUNT,…",
            help="also check balances: the account's balances before the first order, if only Hedgehog uses it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        venues = [runs(options["venue"])] if options["venue"] else venues_in_use()
        start = _amounts(options["start"]) if options["start"] else None
        differ: list[Venue] = []
        unchecked: list[str] = []
        silent: list[str] = []
        for venue in venues:
            try:
                found = examine(venue, exchange_at(venue), start)
                differences = set(found.differences)
                if differences:
                    time.sleep(LOOK_AGAIN_S)
                    found = examine(venue, exchange_at(venue), start)
                    differences &= set(found.differences)
            except ExchangeError as error:
                # The other venues are checked all the same.
                # The mock exchange ends with `make run`.
                stopped = run_lock.told(settings.HEDGEHOG_HOME) if venue == mock_world() else ""
                silent.append(stopped or f"{venue}: {error}")
                continue
            for difference in sorted(differences, key=str):
                self.stderr.write(f"{venue}: {difference}")
            for symbol, why in sorted(found.unchecked.items()):
                self.stderr.write(f"{venue}: {symbol} was not checked: {why}")
            differ += [venue] if differences else []
            unchecked += found.unchecked
            if not differences:
                what = "what could be checked matches the exchange" if found.unchecked else AGREE
                self.stdout.write(f"{venue}: {what}")
            for sentence in others.told(venue):
                self.stdout.write(f"{venue}: {sentence}")
        if silent:
            raise CommandError("; ".join(silent))
        if differ:
            raise CommandError("records differ: see above, then run `manage.py reconcile`")
        if unchecked:
            raise CommandError(f"not checked: {', '.join(sorted(unchecked))}", returncode=2)


def _amounts(text: str) -> dict[str, Decimal]:
    try:
        amounts = {asset: Decimal(amount) for asset, amount in (part.split(":") for part in text.split(","))}
    except (ValueError, InvalidOperation):
        amounts = {}
    if not amounts or not all(amount.is_finite() and amount >= 0 for amount in amounts.values()):
        raise CommandError(f"--start takes ASSET:AMOUNT,ASSET:AMOUNT, such as USDT:10000, not {text}")
    return amounts
