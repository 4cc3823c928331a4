"""`manage.py symbols sync|list|apply`: all symbols, and the settings of many at once."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.template.defaultfilters import pluralize

from console.management.arguments import VENUES, runs, venue
from hedgehog_project.tables import table
from hedgehog_project.venues import Venue
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.models import Listing, Profile, Switch, TradingSettings
from trading.models.symbols import GONE, TradingStatus
from trading.symbols import profiles, said, sync


class Command(BaseCommand):
    help = "Imports all symbols of the exchange with default settings, turned off; lists symbols; applies profiles."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="sync|check|list|apply")

        sync = commands.add_parser("sync", help="import all listed symbols, turned off")
        sync.add_argument("--quote", default="", metavar="ASSET", help="only symbols quoted in ASSET, such as USDT")
        sync.add_argument("--venue", type=venue, metavar="VENUE", help=f"{VENUES}; default: the venue of new traders")
        sync.add_argument("--dry-run", action="store_true", help="only count, change nothing")

        commands.add_parser("check", help="check active symbols at the exchange; exit code 1 if one cannot be traded")

        listing = commands.add_parser("list", help="one line per symbol")
        _add_which(listing)
        listing.add_argument("--names", action="store_true", help="print names only, for use in scripts")

        apply = commands.add_parser(
            "apply", help="apply a profile: settings from the next cycle, risk limits immediately"
        )
        apply.add_argument("profile", metavar="PROFILE", help="a profile of the admin, such as careful or lively")
        apply.add_argument("symbols", nargs="*", metavar="SYMBOL")
        _add_which(apply)

    def handle(self, *args: Any, **options: Any) -> None:
        options["quote"] = options.get("quote", "").strip().upper()
        match options["what"]:
            case "sync":
                self._sync(runs(options["venue"] or Switch.current()), options["quote"], options["dry_run"])
            case "check":
                self._check(Switch.current(), options["verbosity"])
            case "list":
                self._list(_which(options), options["names"])
            case "apply":
                self._apply(options)

    def _sync(self, venue: Venue, quote: str, dry_run: bool) -> None:
        try:
            found = sync.sync(venue, exchange_at(venue), quote, dry_run, self._progress)
        except ExchangeError as error:
            raise CommandError(f"{venue} did not return its symbols: {error}") from None
        if not found.listed:
            raise CommandError(f"{venue} lists no symbols quoted in {quote}.")
        which = f" quoted in {quote}" if quote else ""
        would = " Dry run: nothing was changed." if dry_run else ""
        listed = f"{found.listed} symbol{pluralize(found.listed)}{which}"
        trade = f"{found.trading} of them trade{pluralize(found.trading, 's,')}"
        self.stdout.write(f"{venue}: {listed}, {trade}; {found.new} new, turned off; {found.gone} delisted.{would}")

    def _check(self, venue: Venue, verbosity: int) -> None:
        on = {row.symbol.name: row.symbol for row in _which({"quote": "", "on": True})}
        try:
            sync.refresh_many(venue, on, exchange_at(venue))
        except ExchangeError as error:
            raise CommandError(f"{venue} did not return its symbols: {error}") from None
        told = said.of(venue, on.values())
        for symbol in on.values():
            first = "HEDGEHOG_SYMBOLS: " if symbol.name in settings.HEDGEHOG_SYMBOLS else ""
            if symbol.pk in told:
                self.stdout.write(f"{first}{told[symbol.pk]}")
        if told:
            raise CommandError(f"{len(told)} of {len(on)} cannot be traded at {venue}.")
        if not verbosity:
            return
        count = f"{len(on)} active symbol{pluralize(len(on))}"
        self.stdout.write(f"{count} checked; all can be traded at {venue}." if on else f"No symbol is on at {venue}.")

    def _progress(self, done: int, of: int) -> None:
        """Only for people: a log needs the last line alone."""
        if self.stderr.isatty() and of > sync.BATCH:
            self.stderr.write(f"\r{done} of {of} symbols", ending="\n" if done == of else "")

    def _list(self, rows: "QuerySet[TradingSettings]", names_only: bool) -> None:
        venue = Switch.current()
        listings = {each.symbol_id: each for each in Listing.objects.filter(venue=venue).defer("filters")}
        told = said.of(venue, [row.symbol for row in rows], with_listings=False)
        if not rows:
            self.stderr.write("No matching symbols. `manage.py symbols sync` imports all listed symbols.")
            return
        if names_only:
            self.stdout.write("\n".join(row.symbol.name for row in rows))
            return
        lines = [["SYMBOL", "TRADING", "PROFILE", "BUDGET", f"STATUS AT {venue.upper()}"]]
        for row in rows:
            listing = listings.get(row.symbol_id)
            listed = listing.status if listing else "unknown"
            state = told.get(row.symbol_id) or ("delisted" if listed == GONE else listed)
            lines.append([row.symbol.name, row.status, str(row.profile or "-"), row.size_in_words, state])
        self.stdout.write("\n".join(table(lines)))

    def _apply(self, options: dict[str, Any]) -> None:
        profile = Profile.objects.filter(name=options["profile"]).first()
        if profile is None:
            known = ", ".join(Profile.objects.values_list("name", flat=True))
            raise CommandError(f"Unknown profile {options['profile']}. Available: {known or 'none'}.")
        names = [name.upper() for name in options["symbols"]]
        if not (names or options["quote"] or options["on"]):
            raise CommandError("Name symbols, or use --quote USDT or --on.")
        rows = _which(options)
        if names:
            rows = rows.filter(symbol__name__in=names)
            missing = set(names) - set(rows.values_list("symbol__name", flat=True))
            if missing:
                raise CommandError(f"Unknown symbols: {', '.join(sorted(missing))}. See `manage.py symbols list`.")
        try:
            changed = profiles.apply(profile, [row.symbol for row in rows])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        for problem in changed.problems.values():
            self.stderr.write(problem)
        count = f"{changed.count} symbol{pluralize(changed.count)}"
        self.stdout.write(f"{profile}: applied to {count}, {profiles.when(profile.values)}.")
        if changed.problems:
            kept = len(changed.problems)
            raise CommandError(f"{kept} symbol{pluralize(kept)} not changed.")


def _add_which(parser: ArgumentParser) -> None:
    parser.add_argument("--quote", default="", metavar="ASSET", help="only symbols quoted in ASSET, such as USDT")
    parser.add_argument("--on", action="store_true", help="only symbols that are on or shutting down")


def _which(options: dict[str, Any]) -> "QuerySet[TradingSettings]":
    rows = TradingSettings.objects.select_related("symbol", "profile").order_by("symbol__name")
    if options["quote"]:
        rows = rows.filter(symbol__quote_asset=options["quote"])
    return rows.exclude(status=TradingStatus.OFF) if options["on"] else rows
