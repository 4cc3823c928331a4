"""Turning trading of symbols on, off and into a shutdown, and their streams with it."""

import logging
from collections.abc import Iterable, Sequence

from django.core.exceptions import ValidationError
from django.db import transaction

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import market_of, mock_world
from streamer.models import StreamedSymbol
from trading.models import Listing, Switch, Symbol, Trader, TradingSettings
from trading.models.choices import of_running
from trading.models.symbols import TradingStatus
from trading.symbols import said

log = logging.getLogger(__name__)


def turn(wanted: Sequence[Symbol], status: TradingStatus, cancel_orders: bool = False) -> dict[str, str]:
    """Turns trading of symbols, however many, and streams those that are turned on. `cancel_orders`: resting orders
    shall be cancelled, which the leader sees to; with OFF all of them, with SHUTDOWN the buys.

    What can't work with the filters of the switch's venue is not turned on: why not, for people, by symbol.
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
        TradingSettings.objects.filter(pk__in=turned).update(status=status, cancel_orders=cancel_orders)
    return problems


def set_trading(symbol: Symbol, on: bool) -> None:
    """Turns trading of one symbol on, or off with what rests kept. Raises ValidationError for people."""
    problems = turn([symbol], TradingStatus.ON if on else TradingStatus.OFF)
    if problems:
        raise ValidationError(problems[symbol.name])


_ENDED = Compiled(
    lambda world: (
        TradingSettings.objects.filter(status=TradingStatus.SHUTDOWN)
        .exclude(
            symbol__in=Trader.objects.filter(of_running(world), finished_at__isnull=True).order_by().values("symbol")
        )
        .values_list("pk", "symbol__name")
    ),
    str,
)


def end_shutdowns() -> int:
    """Turns those symbols off that shut down and have no live trader any more, at any venue that runs; how many."""
    shut_down = TradingSettings.objects.filter(status=TradingStatus.SHUTDOWN)
    count = 0
    for pk, name in _ENDED(mock_world().value):
        # Somebody may have turned it on again meanwhile.
        if shut_down.filter(pk=pk).update(status=TradingStatus.OFF, cancel_orders=False):
            log.info("trading is off: symbol=%s, last cycle finished", name)
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
