"""Keeping what the venues say of symbols fresh."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from hedgehog_project.venues import Venue, market_of
from streamer.models import StreamedSymbol
from trading.exchange.errors import ExchangeError
from trading.exchange.protocol import ExchangeAt
from trading.models import Listing, Switch, Symbol, Trader, TradingSettings
from trading.models.choices import of_running
from trading.models.symbols import GONE, TradingStatus
from trading.one_by_one import each
from trading.symbols import listings, sync
from trading.symbols.turning import stream_from

log = logging.getLogger(__name__)

# A listing of this age tells what the exchange says now.
JUST_NOW = timedelta(seconds=5)


def refresh_listings(exchange_at: ExchangeAt) -> None:
    """Asks each venue in use about the symbols whose filters are not known there, or no longer fresh."""
    current = Switch.current()
    wanted = {
        (current, each.symbol)
        for each in TradingSettings.objects.filter(status=TradingStatus.ON).select_related("symbol")
    }
    running = Trader.objects.filter(of_running(), finished_at__isnull=True)
    live = set(running.order_by().values_list("venue", "symbol").distinct())
    by_id = Symbol.objects.in_bulk([symbol for _, symbol in live])
    wanted |= {(Venue(venue), by_id[symbol]) for venue, symbol in live}
    now = timezone.now()
    is_fresh = Q(refreshed_at__gt=now - listings.FRESH, status="TRADING", not_found_at=None)
    is_fresh |= Q(refreshed_at__gt=now - listings.FRESH_WHILE_HALTED)
    # Without its assets no commission can be told from what was bought: such a symbol is asked about at once.
    known = Listing.objects.filter(is_fresh).exclude(symbol__base_asset="", status="TRADING")
    fresh = set(known.values_list("venue", "symbol_id"))
    gone = Listing.objects.filter(status=GONE, refreshed_at__gt=now - listings.FRESH_WHILE_GONE)
    # Where a trader lives what it holds may be sellable again at any moment.
    fresh |= set(gone.values_list("venue", "symbol_id")) - live

    def refresh_at(venue: Venue) -> None:
        of_venue = dict(sorted((symbol.name, symbol) for where, symbol in wanted if where == venue))
        stale = {name: symbol for name, symbol in of_venue.items() if (venue, symbol.pk) not in fresh}
        if len(stale) < sync.ALL_AT_ONCE:
            for symbol in stale.values():
                _refresh(symbol, venue, exchange_at)
        else:
            _refresh_many(stale, venue, exchange_at)
        _ask_fees(list(of_venue.values()), venue, exchange_at)

    each(sorted({venue for venue, _ in wanted}), refresh_at)


def refresh_listing(name: str, venue: Venue, exchange_at: ExchangeAt) -> None:
    """Asks about one symbol now, because a filter has refused an order. Once for many that were refused at a time."""
    just_now = timezone.now() - JUST_NOW
    if not Listing.objects.filter(symbol__name=name, venue=venue, refreshed_at__gt=just_now).exists():
        _refresh(Symbol.objects.get(name=name), venue, exchange_at)


def _refresh(symbol: Symbol, venue: Venue, exchange_at: ExchangeAt) -> None:
    try:
        listings.refresh(symbol, venue, exchange_at(venue))
    except ExchangeError as error:
        log.warning("listing not refreshed: symbol=%s venue=%s error=%s", symbol.name, venue, error)


def _refresh_many(stale: dict[str, Symbol], venue: Venue, exchange_at: ExchangeAt) -> None:
    try:
        sync.refresh_many(venue, stale, exchange_at(venue))
    except ExchangeError as error:
        log.warning("listings not refreshed: symbols=%s venue=%s error=%s", len(stale), venue, error)


def _ask_fees(wanted: list[Symbol], venue: Venue, exchange_at: ExchangeAt) -> None:
    if not sync.without_fee(venue, wanted).exists():
        return
    try:
        sync.ask_fees(venue, wanted, exchange_at(venue))
    except ExchangeError as error:  # There is no client without a key.
        log.warning("commissions unknown: venue=%s error=%s", venue, error)


def follow_the_switch() -> None:
    """After the switch was turned: has the market of its venue streamed for every symbol that is on."""
    market = market_of(Switch.current())
    on = TradingSettings.objects.filter(status=TradingStatus.ON)
    # One that was turned off there stays off.
    known = StreamedSymbol.objects.filter(market=market).values("symbol")
    stream_from(market, *on.exclude(symbol__name__in=known).values_list("symbol__name", flat=True))
