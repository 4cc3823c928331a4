"""Turning symbols on and off, and keeping what the venues say of them fresh."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue, market_of
from streamer.models import StreamedSymbol
from trading.core.fees import Fees
from trading.exchange.client import exchange_at
from trading.exchange.codes import NO_SUCH_SYMBOL, NOT_LISTED
from trading.exchange.errors import ExchangeError, KeyRejected, Refused
from trading.exchange.protocol import Exchange, Listed
from trading.models import Listing, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import GONE, TradingStatus
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
        raise ValidationError(f"{venue} can't be asked about {about} now: {error}. Is it running?") from error


def no_such_symbol(venue: Venue, *names: str, listed: Iterable[str] = ()) -> ValidationError:
    text = f"{venue} knows no symbol {', '.join(names)}. Is it spelled as on Binance, such as ETHUSDT?"
    near = said.near(listed, *names)
    return ValidationError(f"{text} It lists {', '.join(near)}." if near else text)


def _names_at(exchange: Exchange) -> list[str]:
    """All that it lists; none where it can't be asked: they are for advice only."""
    try:
        return [each.symbol for each in exchange.all_listed()]
    except ExchangeError:
        return []


def first_budget(listed: Listed) -> Decimal:
    """What a new symbol's traders get: the usual one in dollars, as many times the least notional elsewhere."""
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


def turn(wanted: Sequence[Symbol], status: TradingStatus, takes_back: bool = False) -> dict[str, str]:
    """Turns trading of symbols, however many, and streams those that are turned on. `takes_back`: resting orders
    shall be taken back, which the leader sees to; with OFF all of them, with SHUTDOWN the buys.

    What can't work with the rules of the switch's venue is not turned on: why not, for people, by symbol.
    """
    problems: dict[str, str] = {}
    with transaction.atomic():
        have = set(TradingSettings.objects.filter(symbol__in=wanted).values_list("symbol_id", flat=True))
        missing = [TradingSettings(symbol=symbol) for symbol in wanted if symbol.pk not in have]
        TradingSettings.objects.bulk_create(missing, ignore_conflicts=True)
        rows = TradingSettings.objects.filter(symbol__in=wanted).select_related("symbol")
        if status == TradingStatus.ON:
            venue = Switch.current()
            listings = {each.symbol_id: each for each in Listing.objects.filter(venue=venue, symbol__in=wanted)}
            for row in rows:
                listing = listings.get(row.symbol_id)
                problem = row.why_not(listing) if listing else said.just_now(row.symbol, venue)
                if problem:
                    problems[row.symbol.name] = problem
            stream_from(market_of(venue), *(row.symbol.name for row in rows if row.symbol.name not in problems))
        turned = [row.pk for row in rows if row.symbol.name not in problems]
        TradingSettings.objects.filter(pk__in=turned).update(status=status, takes_back=takes_back)
    return problems


def set_trading(symbol: Symbol, on: bool) -> None:
    """Turns trading of one symbol on, or off with what rests kept. Raises ValidationError for people."""
    problems = turn([symbol], TradingStatus.ON if on else TradingStatus.OFF)
    if problems:
        raise ValidationError(problems[symbol.name])


def end_shutdowns() -> int:
    """Turns those symbols off that shut down and have no live trader any more, at any venue; how many."""
    live = Trader.objects.filter(finished_at__isnull=True).order_by().values("symbol")
    shut_down = TradingSettings.objects.filter(status=TradingStatus.SHUTDOWN)
    count = 0
    for pk, name in shut_down.exclude(symbol__in=live).values_list("pk", "symbol__name"):
        # Somebody may have turned it on again meanwhile.
        if shut_down.filter(pk=pk).update(status=TradingStatus.OFF, takes_back=False):
            log.info("trading is off: symbol=%s, its last cycle under way has ended", name)
            count += 1
    return count


def set_streaming(symbol: Symbol, on: bool) -> None:
    """Has the symbol streamed from the market of the switch's venue, or from none at all."""
    stream([symbol], on)


def stream(wanted: Iterable[Symbol], on: bool) -> None:
    """As set_streaming, for many."""
    names = [symbol.name for symbol in wanted]
    if on:
        stream_from(market_of(Switch.current()), *names)
    else:
        StreamedSymbol.objects.filter(symbol__in=names).update(is_on=False)


def stream_from(market: str, *names: str) -> None:
    StreamedSymbol.objects.bulk_create(
        [StreamedSymbol(market=market, symbol=name, is_on=True) for name in names],
        update_conflicts=True,
        unique_fields=["market", "symbol"],
        update_fields=["is_on"],
    )


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
        "allows_replacing": listed.allows_replacing,
        "not_found_at": None,
        "refreshed_at": timezone.now(),
    }


def _save(symbol: Symbol, venue: Venue, listed: Listed, exchange: Exchange) -> Listing:
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
        log.warning("commission not known: symbol=%s venue=%s error=%s", name, venue, error)
        if isinstance(error, Refused) and not isinstance(error, KeyRejected):
            # It is about this symbol, and may be said for ever: the others have their turn before it is asked again.
            return {"fee_asked_at": timezone.now()}
        return {}
