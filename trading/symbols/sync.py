"""What a venue lists as a whole: every symbol with settings of its own, turned off, and many listings kept fresh."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.exchange.client import exchange_at
from trading.exchange.protocol import Exchange, ListedSymbol
from trading.models import Listing, Switch, Symbol, TradingSettings
from trading.models.symbols import GONE
from trading.symbols import said
from trading.symbols.listings import (
    FRESH,
    add,
    fee_values,
    first_budget,
    listing_values,
    no_such_symbol,
    not_listed,
    told_to_people,
)

log = logging.getLogger(__name__)

Row = TypeVar("Row")

# Rows of one transaction: a few dozen milliseconds for which nobody else can write to SQLite.
BATCH = 200
# One answer with every symbol weighs as much as an answer with one (exchangeInfo: 20).
ALL_AT_ONCE = 3
# An account's fees change seldom, and each symbol is a question of its own (weight 20): a few at a time.
FEE_FRESH = timedelta(hours=12)
MAX_FEES = 10


@dataclass(frozen=True)
class Synced:
    """What a sync found, or would do."""

    listed: int
    trading: int
    new: int  # without settings before
    gone: int  # not listed any more; marked so once a second answer says the same


def sync(
    venue: Venue,
    exchange: Exchange,
    quote: str = "",
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Synced:
    """Seeds listing and settings, turned off, of every symbol of a venue, or of those with one quote asset.

    What is there already keeps its settings; a symbol that the venue no longer lists is marked and never deleted.
    Run again or killed half-way it does no harm. Raises the exchange's errors.
    """
    listed = [each for each in exchange.all_listed() if not quote or each.quote_asset == quote]
    names = {each.symbol for each in listed}
    ours = Listing.objects.filter(venue=venue).exclude(status=GONE)
    ours = ours.filter(symbol__quote_asset=quote) if quote else ours
    gone = [pk for pk, name in ours.values_list("pk", "symbol__name") if name not in names]
    have = set(TradingSettings.objects.values_list("symbol__name", flat=True))
    if not dry_run:
        done = 0
        for batch in _batches(listed):
            with transaction.atomic():
                _seed(batch)
                save_listings(venue, batch)
            done += len(batch)
            progress(done, len(listed))
        for pks in _batches(gone):
            not_listed(Listing.objects.filter(pk__in=pks))
    trading = sum(each.status == "TRADING" for each in listed)
    return Synced(len(listed), trading, len(names - have), len(gone))


def _seed(batch: Sequence[ListedSymbol]) -> None:
    """The symbols, and settings for those that have none."""
    by_name = {each.symbol: each for each in batch}
    Symbol.objects.bulk_create(
        [Symbol(name=each.symbol, base_asset=each.base_asset, quote_asset=each.quote_asset) for each in batch],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["base_asset", "quote_asset"],
    )
    bare = Symbol.objects.filter(name__in=by_name, settings=None)
    TradingSettings.objects.bulk_create(
        [TradingSettings(symbol=symbol, budget=first_budget(by_name[symbol.name])) for symbol in bare],
        ignore_conflicts=True,
    )


def save_listings(venue: Venue, batch: Sequence[ListedSymbol]) -> None:
    """Keeps what the venue says of symbols that are here. Our fees there stay as they are known."""
    here = {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=[each.symbol for each in batch])}
    told = [each for each in batch if each.symbol in here]
    _save_assets(here, told)
    rows = [Listing(symbol=here[each.symbol], venue=venue, **listing_values(each)) for each in told]
    if rows:
        Listing.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["symbol", "venue"],
            update_fields=list(listing_values(batch[0])),
        )
        said.listed_again(venue, here.values())


def _save_assets(here: Mapping[str, Symbol], told: Sequence[ListedSymbol]) -> None:
    """The assets of symbols that were turned on by their name alone, before anybody had asked about them."""
    changed = []
    for each in told:
        symbol = here[each.symbol]
        if (symbol.base_asset, symbol.quote_asset) != (each.base_asset, each.quote_asset):
            symbol.base_asset, symbol.quote_asset = each.base_asset, each.quote_asset
            changed.append(symbol)
    Symbol.objects.bulk_update(changed, ["base_asset", "quote_asset"])


def known(names: Sequence[str]) -> list[Symbol]:
    """The symbols of these names as the switch's venue knows them, each once; asked about where that is not fresh.

    Those that were not here get their settings, turned off. Raises ValidationError for people.
    """
    venue = Switch.current()
    names = list(dict.fromkeys(name.strip().upper() for name in names))
    fresh = Listing.objects.filter(venue=venue, status="TRADING", refreshed_at__gt=timezone.now() - FRESH)
    rows = fresh.filter(symbol__name__in=names).select_related("symbol")
    found = {row.symbol.name: row.symbol for row in rows}
    stale = [name for name in names if name not in found]
    found |= {name: add(name) for name in stale} if len(stale) < ALL_AT_ONCE else _told_together(venue, stale)
    return [found[name] for name in names]


def _told_together(venue: Venue, names: Sequence[str]) -> dict[str, Symbol]:
    with told_to_people(venue, f"{len(names)} symbols"):
        listed = {each.symbol: each for each in exchange_at(venue).all_listed()}
    missing = [name for name in names if name not in listed]
    if missing:
        raise no_such_symbol(venue, *missing, listed=listed)
    for batch in _batches(names):
        told = [listed[name] for name in batch]
        with transaction.atomic():
            _seed(told)
            save_listings(venue, told)
    return {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=names)}


def refresh_many(venue: Venue, stale: Mapping[str, Symbol], exchange: Exchange) -> None:
    """Asks a venue about these symbols, all in one question. What it does not list is noted, see `not_listed`.

    Raises the exchange's errors.
    """
    everything = exchange.all_listed()
    names = [each.symbol for each in everything]
    listed = [each for each in everything if each.symbol in stale]
    for batch in _batches(listed):
        save_listings(venue, batch)
    gone = stale.keys() - {each.symbol for each in listed}
    for name in sorted(gone):
        said.not_listed(stale[name], venue, "not in its list of symbols", lambda: names)
    if gone and not_listed(Listing.objects.filter(venue=venue, symbol__name__in=gone)):
        log.warning("delisted: venue=%s symbols=%s", venue, ",".join(sorted(gone)))


def without_fee(venue: Venue, wanted: Sequence[Symbol]) -> QuerySet[Listing]:
    """The listings of these symbols whose fee nobody has asked for, or not for long."""
    old = Q(fee_asked_at=None) | Q(fee_asked_at__lt=timezone.now() - FEE_FRESH)
    return Listing.objects.filter(old, venue=venue, symbol__in=wanted).exclude(status=GONE)


def ask_fees(venue: Venue, wanted: Sequence[Symbol], exchange: Exchange) -> int:
    """Asks for our fees in a few of these symbols, where nobody has asked for long; of how many."""
    asked = 0
    rows = without_fee(venue, wanted).select_related("symbol")
    for row in rows.order_by(F("fee_asked_at").asc(nulls_first=True), "pk")[:MAX_FEES]:
        values = fee_values(row.symbol.name, venue, exchange)
        if not values:
            break  # The exchange is busy or away: the next round asks again.
        Listing.objects.filter(pk=row.pk).update(**values)
        asked += 1
    return asked


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    for begin in range(0, len(rows), BATCH):
        yield list(rows[begin : begin + BATCH])
