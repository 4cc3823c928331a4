"""What commissions in third assets (BNB) were worth in quote: asked of the exchange, outside of any transaction.

By the pair of both assets or its inverse, else by way of an asset that has a pair with each. Where there is no way
the value stays unknown, and every sum that it would enter says so.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from hedgehog_project.venues import Venue
from hedgehog_project.venues.codes import NOT_LISTED
from trading.core.events import Event, OrderReported, Recheck, cause_of
from trading.core.journal import Cause, Kind, Source
from trading.core.money import EXACT, ONE, ZERO, plain, quote_of
from trading.exchange.errors import ExchangeError, KeyRejected, Refused
from trading.exchange.protocol import Exchange
from trading.models import Fill, Trader
from trading.models.journal import write, write_once
from trading.traders.cycle_end import count_again
from trading.traders.rows import locked

log = logging.getLogger(__name__)

# By way of which assets, where two have no pair with each other.
WAYS = ("USDT", "BTC")
# For so long nobody asks again for a pair that an exchange does not list.
UNLISTED_FOR_S = 600.0
_unlisted: dict[tuple[Venue, str], float] = {}
DONE = Recheck("commissions valued", is_urgent=True, source=Source.TASK)


@dataclass(frozen=True)
class Wanted:
    """Commissions in these assets are to be valued in `quote`. `can_wait`: where they can't be now, something else
    goes on without them, and they are asked about later.
    """

    assets: tuple[str, ...]
    quote: str
    can_wait: bool = False


@dataclass(frozen=True)
class Rate:
    """What one of an asset is worth in another, and by which prices."""

    value: Decimal
    how: str


def value(
    trader_id: int, wanted: Wanted, venue: Venue, exchange_at: Callable[[Venue], Exchange], task_id: str
) -> None:
    """Asks, and writes the values on the trader's fills. Raises the exchange's errors where it can't wait."""
    cause = Cause(Source.ANSWER, task_id=task_id)
    rates: dict[str, Rate | None] = {}
    failure: ExchangeError | None = None
    try:
        exchange = exchange_at(venue)
        for asset in wanted.assets:
            rates[asset] = rate_of(asset, wanted.quote, venue, exchange)
    except ExchangeError as error:
        if not wanted.can_wait:
            raise
        failure = error
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None:
            return
        for asset, rate in rates.items():
            _write(trader, asset, wanted.quote, rate, cause)
        # Whoever decides just now does so on what was known before.
        Trader.objects.filter(pk=trader_id).update(version=F("version") + 1)
        if failure is not None:
            log.warning("commissions not valued yet: trader=%s error=%s", trader_id, failure)
            write_once(trader, cause, Kind.UNVALUED, "commissions not valued yet", str(failure))
        elif trader.has_ended:
            count_again(trader, cause_of(DONE, task_id))


def again(event: Event) -> Event:
    """What a trader hears once it was asked: the same as before. What a report told is booked by then."""
    return DONE if isinstance(event, OrderReported) else event


def rate_of(asset: str, quote: str, venue: Venue, exchange: Exchange) -> Rate | None:
    """What one of `asset` is worth in `quote` now; None where no pair tells. Raises the exchange's errors."""
    direct = _between(asset, quote, venue, exchange)
    if direct is not None:
        return direct
    for way in WAYS:
        if way in (asset, quote):
            continue
        one = _between(asset, way, venue, exchange)
        other = None if one is None else _between(quote, way, venue, exchange)
        if one is not None and other is not None:
            return Rate(EXACT.divide(one.value, other.value), f"{one.how}, {other.how}")
    return None


def forget_unlisted() -> None:
    _unlisted.clear()


def _between(asset: str, other: str, venue: Venue, exchange: Exchange) -> Rate | None:
    """By the pair of these two, either way round."""
    for name, is_inverse in ((asset + other, False), (other + asset, True)):
        price = _price(name, venue, exchange)
        if price is not None:
            return Rate(EXACT.divide(ONE, price) if is_inverse else price, f"{name} at {plain(price)}")
    return None


def _price(name: str, venue: Venue, exchange: Exchange) -> Decimal | None:
    """None for a pair that is not listed, or has never traded."""
    if time.monotonic() < _unlisted.get((venue, name), 0.0):
        return None
    try:
        price = exchange.price(name)
    except KeyRejected:
        raise  # Refused as well, and nothing is said of the pair.
    except Refused as error:
        if error.code not in NOT_LISTED:
            raise
        _unlisted[venue, name] = time.monotonic() + UNLISTED_FOR_S
        return None
    return price if price > 0 else None


def _write(trader: Trader, asset: str, quote: str, rate: Rate | None, cause: Cause) -> None:
    fills = list(Fill.objects.filter(order__trader=trader, commission_asset=asset, commission_quote=None))
    for fill in fills:
        fill.commission_quote = None if rate is None else quote_of(fill.commission, rate.value)
        fill.is_unvaluable = rate is None
    Fill.objects.bulk_update(fills, ["commission_quote", "is_unvaluable"])
    total = f"commissions of {plain(sum((fill.commission for fill in fills), ZERO))} {asset}"
    if rate is None:
        why = f"no pair of {asset} and {quote} is listed, nor one of each with {' or '.join(WAYS)}"
        write(trader, cause, Kind.UNVALUABLE, f"{total} cannot be valued", why)
    else:
        write(trader, cause, Kind.VALUED, f"{total} valued", rate.how)
