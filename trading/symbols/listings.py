"""Turning symbols on and off, and keeping what the venues say of them fresh."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue
from hedgehog_project.venues.codes import NO_SUCH_SYMBOL, NOT_LISTED
from hedgehog_project.venues.worlds import PAPER
from trading.core.fees import Fees
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError, KeyRejected, Refused
from trading.exchange.protocol import Exchange, ListedSymbol
from trading.models import Listing, Switch, Symbol, TradingSettings
from trading.models.symbols import GONE
from trading.symbols import said

log = logging.getLogger(__name__)

# How long a listing counts as fresh. Filters change seldom.
FRESH = timedelta(minutes=10)
# One that says that its symbol is halted or gone: nothing else would tell that it trades again.
FRESH_WHILE_HALTED = timedelta(seconds=10)
# One that is gone and where no trader lives.
FRESH_WHILE_GONE = timedelta(minutes=1)
# A symbol counts as gone once the venue says so again, so much later.
GONE_AFTER = timedelta(seconds=5)

DOLLARS = frozenset({"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD1"})
# Of symbols quoted in dollars; the usual budget is a multiple of it.
USUAL_MIN_NOTIONAL = Decimal(5)


def named(name: str) -> Symbol:
    """The symbol of this name, made with default settings, off, where there is none. Asks nobody."""
    symbol, _ = Symbol.objects.get_or_create(name=name.strip().upper())
    TradingSettings.objects.get_or_create(symbol=symbol)
    return symbol


def add(name: str) -> Symbol:
    """A symbol that the switch's venue knows, with its listing. Raises ValidationError for people."""
    name = name.strip().upper()
    venue = Switch.current()
    with told_to_people(venue, name):
        exchange = exchange_at(venue)
        try:
            listed = exchange.listed(name)
        except KeyRejected:
            raise  # Refused as well, and nothing is said of the symbol.
        except Refused:
            raise no_such_symbol(venue, name, listed=_names_at(exchange)) from None
    is_new = not TradingSettings.objects.filter(symbol__name=name).exists()
    symbol = named(name)
    _save(symbol, venue, listed, exchange)
    if is_new:
        TradingSettings.objects.filter(symbol=symbol).update(budget=first_budget(listed))
    symbol.refresh_from_db()
    return symbol


@contextmanager
def told_to_people(venue: Venue, about: str) -> Iterator[None]:
    """The exchange's errors within it become ValidationErrors."""
    try:
        yield
    except KeyRejected as error:
        raise ValidationError(str(error)) from None
    except ExchangeError as error:
        why = sentence(str(error))
        needs = " In this world it needs a way to Binance." if venue == PAPER else ""
        hint = f" Is it running? Else its log says why.{needs}" if venue.is_mock else " Try again."
        raise ValidationError(f"{venue} does not answer about {about}: {why}{hint}") from error


def no_such_symbol(venue: Venue, *names: str, listed: Iterable[str] = ()) -> ValidationError:
    near = said.near(listed, *names)
    instead = f"; {said.meant(near)}" if near else ". Check the spelling, for example ETHUSDT."
    return ValidationError(f"{venue} does not list {', '.join(names)}{instead}")


def never_on(name: str) -> str:
    """In words, why nothing is known of a symbol: nobody turned it on, or the switch's venue does not list it."""
    venue, text = Switch.current(), f"{name} was never turned on"
    try:
        exchange = exchange_at(venue)
        exchange.listed(name)
    except KeyRejected:
        pass
    except Refused:
        return " ".join(no_such_symbol(venue, name, listed=_names_at(exchange)).messages)
    except ExchangeError:
        # It can't be asked: what is known here may do.
        if near := said.near(Symbol.objects.values_list("name", flat=True), name):
            return f"{text}; {said.meant(near)}"
    return f"{text}. Run `manage.py trade {name} on`."


def _names_at(exchange: Exchange) -> list[str]:
    """All that it lists; none where it can't be asked: they are for advice only."""
    try:
        return [each.symbol for each in exchange.all_listed()]
    except ExchangeError:
        return []


def first_budget(listed: ListedSymbol) -> Decimal:
    """What a new symbol's traders get: the usual one in dollars, as many times the min notional elsewhere."""
    usual: Decimal = TradingSettings._meta.get_field("budget").default
    if listed.quote_asset in DOLLARS or not listed.min_notional:
        return usual
    return listed.min_notional * (usual / USUAL_MIN_NOTIONAL)


def refresh(symbol: Symbol, venue: Venue, exchange: Exchange) -> Listing:
    """Asks a venue about a symbol and keeps the answer. Raises the exchange's errors.

    Refused: it has no such symbol; where it had one, that is noted, see `not_listed`.
    """
    try:
        listed = exchange.listed(symbol.name)
    except Refused as error:
        if error.code == NO_SUCH_SYMBOL:
            not_listed(Listing.objects.filter(symbol=symbol, venue=venue))
        if error.code in NOT_LISTED:
            said.not_listed(symbol, venue, str(error), lambda: _names_at(exchange))
        raise
    return _save(symbol, venue, listed, exchange)


def not_listed(rows: QuerySet[Listing]) -> int:
    """Notes that the venue does not list these any more; how many count as gone by it.

    One answer may be a moment's: it takes another, some seconds later.
    """
    now = timezone.now()
    rows = rows.exclude(status=GONE)
    gone = rows.filter(not_found_at__lte=now - GONE_AFTER)
    count = gone.update(status=GONE, refreshed_at=now)
    rows.filter(not_found_at=None).update(not_found_at=now)
    return count


def listing_values(listed: ListedSymbol) -> dict[str, Any]:
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
        "allows_replacing": listed.allows_replacing,
        "not_found_at": None,
        "refreshed_at": timezone.now(),
    }


def _save(symbol: Symbol, venue: Venue, listed: ListedSymbol, exchange: Exchange) -> Listing:
    Symbol.objects.filter(pk=symbol.pk).update(base_asset=listed.base_asset, quote_asset=listed.quote_asset)
    values = {**listing_values(listed), **fee_values(symbol.name, venue, exchange)}
    listing, _ = Listing.objects.update_or_create(symbol=symbol, venue=venue, defaults=values)
    said.listed_again(venue, [symbol])
    return listing


def fee_columns(fees: Fees) -> dict[str, Decimal]:
    """Those of a Listing."""
    return {f"{name}_fee": rate for name, rate in asdict(fees).items()}


def fee_values(name: str, venue: Venue, exchange: Exchange) -> dict[str, Any]:
    """The columns of a Listing that the account's own fees fill; none where those can't be had now."""
    try:
        return {**fee_columns(exchange.fees(name)), "fee_asked_at": timezone.now()}
    except ExchangeError as error:
        # The documents' 0.1 % stay, or what was known before.
        log.warning("commission unknown: symbol=%s venue=%s error=%s", name, venue, error)
        if isinstance(error, Refused) and not isinstance(error, KeyRejected):
            # It is about this symbol, and may be said for ever: the others have their turn before it is asked again.
            return {"fee_asked_at": timezone.now()}
        return {}
