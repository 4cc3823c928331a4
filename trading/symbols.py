"""Turning symbols on and off, and keeping what the venues say of them fresh."""

import logging
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from hedgehog_project.venues import Venue, market_of
from streamer.models import StreamedSymbol
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError, KeyRejected, Refused
from trading.exchange.protocol import Exchange, Listed
from trading.models import Listing, Switch, Symbol, TradingSettings
from trading.models.symbols import TradingStatus

log = logging.getLogger(__name__)

# How long a listing counts as fresh. Filters change seldom.
FRESH = timedelta(minutes=10)
# One that says that its symbol is halted: nothing else would tell that it trades again.
FRESH_WHILE_HALTED = timedelta(seconds=10)


def named(name: str) -> Symbol:
    """The symbol of this name, made with default settings, off, where there is none. Asks nobody."""
    symbol, _ = Symbol.objects.get_or_create(name=name.strip().upper())
    TradingSettings.objects.get_or_create(symbol=symbol)
    return symbol


def add(name: str) -> Symbol:
    """A symbol that the switch's venue knows, with its listing. Raises ValidationError for people."""
    name = name.strip().upper()
    venue = Switch.current()
    try:
        exchange = exchange_at(venue)
        listed = exchange.listed(name)
    except KeyRejected as error:
        raise ValidationError(str(error)) from None
    except Refused:
        raise ValidationError(
            f"{venue} knows no symbol {name}. Is it spelled as on Binance, such as ETHUSDT?"
        ) from None
    except ExchangeError as error:
        raise ValidationError(f"{venue} can't be asked about {name} now: {error}. Is it running?") from error
    symbol = named(name)
    _save(symbol, venue, listed, exchange)
    symbol.refresh_from_db()
    return symbol


def refresh(symbol: Symbol, venue: Venue, exchange: Exchange) -> Listing:
    """Asks a venue about a symbol and keeps the answer. Raises the exchange's errors; Refused: no such symbol."""
    return _save(symbol, venue, exchange.listed(symbol.name), exchange)


def set_trading(symbol: Symbol, on: bool) -> None:
    """Turns trading of a symbol on or off; on also turns its streaming on. Raises ValidationError for people."""
    settings = named(symbol.name).settings
    if on:
        venue = Switch.current()
        listing = Listing.objects.select_related("symbol").filter(symbol=symbol, venue=venue).first()
        problem = settings.why_not(listing) if listing else None
        if problem:
            raise ValidationError(problem)
        set_streaming(symbol, True)
    settings.status = TradingStatus.ON if on else TradingStatus.OFF
    settings.save(update_fields=["status"])


def set_streaming(symbol: Symbol, on: bool) -> None:
    """Has the symbol streamed from the market of the switch's venue, or from none at all."""
    if on:
        stream_from(market_of(Switch.current()), symbol.name)
    else:
        StreamedSymbol.objects.filter(symbol=symbol.name).update(is_on=False)


def stream_from(market: str, name: str) -> None:
    StreamedSymbol.objects.update_or_create(market=market, symbol=name, defaults={"is_on": True})


def is_streaming(names: list[str], market: str) -> set[str]:
    """Those of the symbols that are streamed from a market."""
    rows = StreamedSymbol.objects.filter(market=market, symbol__in=names, is_on=True)
    return set(rows.values_list("symbol", flat=True))


def listing_values(listed: Listed) -> dict[str, Any]:
    """The columns of a Listing, as the exchange has just told them."""
    return {
        "status": listed.status,
        "tick_size": listed.tick_size,
        "step_size": listed.step_size,
        "min_price": listed.min_price,
        "max_price": listed.max_price,
        "min_quantity": listed.min_quantity,
        "max_quantity": listed.max_quantity,
        "min_notional": listed.min_notional,
        "max_notional": listed.max_notional,
        "filters": listed.filters,
        "refreshed_at": timezone.now(),
    }


def _save(symbol: Symbol, venue: Venue, listed: Listed, exchange: Exchange) -> Listing:
    Symbol.objects.filter(pk=symbol.pk).update(base_asset=listed.base_asset, quote_asset=listed.quote_asset)
    values = listing_values(listed)
    try:
        values["maker_fee"] = exchange.maker_fee(symbol.name)
    except ExchangeError as error:
        # The documents' 0.1 % stays, or what was known before.
        log.warning("commission not known: symbol=%s venue=%s error=%s", symbol.name, venue, error)
    listing, _ = Listing.objects.update_or_create(symbol=symbol, venue=venue, defaults=values)
    return listing
