"""What the account of a venue is worth: all balances at the market, in one asset, with what was put in.

Measured each minute, right after the balances were asked. Minutes are kept for two days, hours for sixty, days for
ever; each row holds the last measurement of its time, so that nothing has to be summed up later.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from django.db.models import Sum
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books.equity import Standing, standing
from trading.books.rates import pairs, rate
from trading.core.money import ZERO, plain, quote_of
from trading.exchange.errors import ExchangeError
from trading.exchange.protocol import Exchange
from trading.models import AccountValue, CycleTotal, Every, Symbol, ToldBy, Trader, Transfer
from trading.models.symbols import TradingStatus
from trading.models.totals import Span
from trading.models.traders import LIVE
from trading.waking.prices import last_trades, reader

log = logging.getLogger(__name__)

USUAL_UNIT = "USDT"
KEPT = {Every.MINUTE: timedelta(days=2), Every.HOUR: timedelta(days=60)}
# What was traded longer ago is asked of the venue instead.
MAX_AGE_S = 120.0
# For so long the last known prices are of use, where nobody can be asked.
REMEMBERED_S = 86_400

Balances = Mapping[str, tuple[Decimal, Decimal]]  # free and locked, by asset


@dataclass(frozen=True)
class Worth:
    """Balances at the market. Amounts are in `unit`; `values` are free and locked together, None without a price."""

    unit: str
    balances: Balances
    rates: Mapping[str, Decimal]

    def value_of(self, asset: str, quantity: Decimal) -> Decimal | None:
        rate = self.rates.get(asset)
        return None if rate is None else quote_of(rate, quantity)

    @property
    def values(self) -> dict[str, Decimal | None]:
        return {asset: self.value_of(asset, free + locked) for asset, (free, locked) in self.balances.items()}

    @property
    def total(self) -> Decimal:
        return sum((each for each in self.values.values() if each is not None), ZERO)

    @property
    def unpriced(self) -> list[str]:
        """What counts nothing in `total`, because no price is known."""
        return sorted(
            asset for asset, (free, locked) in self.balances.items() if free + locked and asset not in self.rates
        )


@dataclass
class SymbolGain:
    """What a symbol's running cycles and leftovers would bring; amounts in the symbol's quote asset."""

    quote_asset: str
    unrealised: Decimal = ZERO
    quantity: Decimal = ZERO  # of running cycles
    cost: Decimal = ZERO
    value: Decimal = ZERO  # at the last price after commission; what has no price at its cost
    held: int = 0  # traders with a position
    unpriced: int = 0


def unit_of(venue: Venue) -> str:
    """The asset in which most symbols are quoted that are on or have a trader; else the unit measured in last."""
    live = Trader.objects.filter(LIVE, venue=venue).values("symbol")
    rows = Symbol.objects.filter(settings__status__in=[TradingStatus.ON, TradingStatus.SHUTDOWN])
    rows = (rows | Symbol.objects.filter(pk__in=live)).distinct()
    counts = Counter(rows.order_by().values_list("pk", "quote_asset"))
    by_asset = Counter(asset for _, asset in counts if asset)
    most = max(by_asset.values(), default=0)
    first = [asset for asset, count in by_asset.items() if count == most]
    if len(first) == 1:
        return first[0]
    last = AccountValue.objects.filter(venue=venue).order_by("-measured_at").values_list("asset", flat=True).first()
    if last and (not first or last in first):
        return last
    return USUAL_UNIT if not first or USUAL_UNIT in first else min(first)


def of_symbols(standings: Mapping[str, Standing]) -> dict[str, SymbolGain]:
    """By symbol, of those with a position or a leftover. Their sums are those of the standings."""
    found: dict[str, SymbolGain] = {}
    for asset, each in standings.items():
        for holding in each.holdings:
            gain = found.setdefault(holding.trader.symbol.name, SymbolGain(asset))
            value = holding.terms.owned_cost if holding.value is None else holding.value
            gain.unpriced += holding.value is None
            gain.held += holding.terms.owned > 0
            gain.quantity += holding.terms.owned
            gain.cost += holding.terms.owned_cost
            gain.value += value
            gain.unrealised += holding.terms.net + value - holding.terms.owned_cost
        for left in each.left_over:
            gain = found.setdefault(left.symbol, SymbolGain(asset))
            gain.unrealised += (left.cost if left.value is None else left.value) - left.cost
    return found


# --- prices ---------------------------------------------------------------------------------------
def worth(venue: Venue, balances: Balances, unit: str, others: Iterable[str] = ()) -> Worth:
    """By the prices that are known here: last trades, else those of the last measurement. Asks no exchange.

    `others`: assets that a rate is wanted of as well.
    """
    wanted = _held(balances) | set(others) | {unit}
    prices = _streamed(venue, wanted, unit)
    return Worth(unit, balances, _remembered(venue, unit) | _rates(wanted, unit, prices))


def _held(balances: Balances) -> set[str]:
    return {asset for asset, (free, locked) in balances.items() if free + locked}


def _rates(assets: Iterable[str], unit: str, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    found = {asset: rate(asset, unit, prices) for asset in assets}
    return {asset: each for asset, each in found.items() if each is not None}


def _streamed(venue: Venue, assets: Iterable[str], unit: str, max_age_s: float | None = None) -> dict[str, Decimal]:
    """The last trades of the pairs that are our symbols."""
    names = Symbol.objects.filter(name__in=pairs(assets, unit)).order_by("name").values_list("name", flat=True)
    trades = last_trades(names, venue)
    return {name: trade.price for name, trade in trades.items() if max_age_s is None or trade.age_s <= max_age_s}


def _ask(venue: Venue, assets: set[str], unit: str, exchange: Exchange) -> tuple[dict[str, Decimal], bool]:
    """What the assets are worth, asking the venue once where trades do not tell; and whether it could be asked."""
    prices = _streamed(venue, assets, unit, MAX_AGE_S)
    rates = _rates(assets, unit, prices)
    lacking = assets - rates.keys()
    if not lacking:
        return rates, True
    try:
        prices = exchange.prices(pairs(lacking, unit), is_exit=False) | prices
    except ExchangeError as error:
        log.warning("prices not asked: venue=%s assets=%s error=%s", venue, ",".join(sorted(lacking)), error)
        return _rates(assets, unit, _streamed(venue, assets, unit)), False
    return _rates(assets, unit, prices), True


def _key(venue: Venue) -> str:
    return f"account:rates:{venue}"


def _remember(venue: Venue, unit: str, rates: Mapping[str, Decimal]) -> None:
    told = {"unit": unit, "rates": {asset: plain(each) for asset, each in rates.items()}}
    try:
        reader().set(_key(venue), json.dumps(told), ex=REMEMBERED_S)
    except redis.RedisError as error:
        log.debug("rates not remembered: venue=%s error=%s", venue, error)


def _remembered(venue: Venue, unit: str) -> dict[str, Decimal]:
    try:
        told = json.loads(reader().get(_key(venue)) or "{}")
    except redis.RedisError:
        return {}
    if told.get("unit") != unit:
        return {}
    return {asset: Decimal(each) for asset, each in told["rates"].items()}


# --- measuring ------------------------------------------------------------------------------------
def measure(venue: Venue, balances: Balances, at: datetime, exchange: Exchange) -> AccountValue | None:
    """Keeps what the account is worth now; `balances` were asked at that time. None where prices could not be asked.

    The same few queries however many cycles have ended, and at most one request.
    """
    unit, standings = unit_of(venue), standing(venue)
    assets = _held(balances) | standings.keys() | {unit}
    rates, has_asked = _ask(venue, assets, unit, exchange)
    # A price that is gone for a minute must not look like a loss.
    rates = _remembered(venue, unit) | rates
    found = Worth(unit, balances, rates)
    if found.unpriced and not has_asked:
        return None
    _remember(venue, unit, rates)
    total = found.total
    realised, unrealised = gain_in(standings, rates)
    _value_transfers(venue, unit, rates)
    put_in = put_in_until_now(venue, unit, instead=(total - realised - unrealised, at))
    free, locked = balances.get(unit, (ZERO, ZERO))
    values = {
        "measured_at": at,
        "value": total,
        "free": free,
        "locked": locked,
        "put_in": put_in,
        "realised": realised,
        "unrealised": unrealised,
        "unpriced": found.unpriced,
        "symbols": _told_of_symbols(venue, standings),
    }
    rows = [_keep(venue, unit, every, at, values) for every in Every]
    return rows[0]


def gain_in(standings: Mapping[str, Standing], rates: Mapping[str, Decimal]) -> tuple[Decimal, Decimal]:
    """Realised and unrealised, leftovers among it, in the unit that the rates are in; without a rate 0."""
    realised = unrealised = ZERO
    for asset, each in standings.items():
        if (of_unit := rates.get(asset)) is not None:
            realised += quote_of(of_unit, each.realised)
            unrealised += quote_of(of_unit, each.equity - each.realised)
    return realised, unrealised


def begin_of(every: Every, at: datetime) -> datetime:
    """The beginning of its minute, hour or day, in UTC."""
    at = at.astimezone(UTC).replace(second=0, microsecond=0)
    return at if every == Every.MINUTE else at.replace(minute=0, hour=at.hour if every == Every.HOUR else 0)


def _keep(venue: Venue, unit: str, every: Every, at: datetime, values: dict[str, Any]) -> AccountValue:
    row, is_new = AccountValue.objects.update_or_create(
        venue=venue, asset=unit, span=every, begins=begin_of(every, at), defaults=values
    )
    if is_new and every == Every.HOUR:
        for span, kept in KEPT.items():
            AccountValue.objects.filter(venue=venue, span=span, begins__lt=at - kept).delete()
    return row


def _told_of_symbols(venue: Venue, standings: Mapping[str, Standing]) -> dict[str, list[str]]:
    """By symbol the unrealised gain and the price, of those that are on or hold something; unknown is empty."""
    gains = of_symbols(standings)
    on = Symbol.objects.filter(settings__status__in=[TradingStatus.ON, TradingStatus.SHUTDOWN])
    names = sorted({*gains, *on.order_by().values_list("name", flat=True)})
    trades = last_trades(names, venue)
    return {
        name: [
            plain(gains[name].unrealised) if name in gains else "0",
            plain(trades[name].price) if name in trades else "",
        ]
        for name in names
    }


# --- what was put in ------------------------------------------------------------------------------
def put_in_until_now(venue: Venue, unit: str, instead: tuple[Decimal, datetime] | None = None) -> Decimal:
    """What the account was worth at first, less what had been gained by then, plus transfers since at their value.

    `instead`: that and the time of it, to be kept where it was never measured before.
    """
    start = started(venue, unit)
    if start is None:
        if instead is None:
            return ZERO
        amount, at = instead
        start, _ = Transfer.objects.get_or_create(
            venue=venue,
            value_asset=unit,
            told_by=ToldBy.START,
            defaults={"asset": unit, "amount": amount, "value": amount, "at": at},
        )
    return (start.value or ZERO) + transferred(venue, unit, start.at)


def started(venue: Venue, unit: str) -> Transfer | None:
    """When the account was first measured in this unit."""
    return Transfer.objects.filter(venue=venue, value_asset=unit, told_by=ToldBy.START).first()


def transferred(venue: Venue, unit: str, since: datetime) -> Decimal:
    """The value of all transfers since then, in minus out."""
    rows = Transfer.objects.filter(venue=venue, value_asset=unit, at__gte=since).exclude(told_by=ToldBy.START)
    return rows.aggregate(total=Sum("value"))["total"] or ZERO


def _value_transfers(venue: Venue, unit: str, rates: Mapping[str, Decimal]) -> None:
    """Those of the last hour that have no value yet: an older one was worth something else."""
    rows = Transfer.objects.filter(venue=venue, value=None, at__gte=timezone.now() - timedelta(hours=1))
    for row in rows:
        if (of_unit := rates.get(row.asset)) is not None:
            row.value, row.value_asset = quote_of(of_unit, row.amount), unit
            row.save(update_fields=["value", "value_asset"])


def valued(venue: Venue, asset: str, amount: Decimal) -> tuple[Decimal | None, str]:
    """What so much of an asset is worth by what is known here, and in which unit; None without a price."""
    unit = unit_of(venue)
    of_unit = worth(venue, {}, unit, [asset]).rates.get(asset)
    return (None, "") if of_unit is None else (quote_of(of_unit, amount), unit)


# --- asking ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Point:
    """One measurement, in the unit of account."""

    at: datetime
    value: Decimal
    put_in: Decimal
    gain: Decimal


def last(venue: Venue) -> AccountValue | None:
    """The newest measurement."""
    return AccountValue.objects.filter(venue=venue).order_by("-measured_at").first()


def before(venue: Venue, unit: str, at: datetime) -> AccountValue | None:
    """The last measurement before a moment, as exact as it is kept; None where there is none."""
    for every in Every:
        rows = AccountValue.objects.filter(venue=venue, asset=unit, span=every, begins__lt=at, measured_at__lt=at)
        if row := rows.order_by("-begins").first():
            return row
    return None


def first_since(venue: Venue, unit: str, at: datetime) -> AccountValue | None:
    """The first measurement from a moment on, as exact as it is kept."""
    found = []
    for every in Every:
        rows = AccountValue.objects.filter(venue=venue, asset=unit, span=every, begins__gte=begin_of(every, at))
        if row := rows.order_by("begins").first():
            found.append(row)
    return min(found, key=lambda row: row.measured_at, default=None)


def baseline(venue: Venue, unit: str, since: datetime) -> AccountValue | None:
    """How things stood when a day began, as it was last measured before. Where it was never measured before although
    traders had begun, as it was first measured; None where nothing had begun: all gain is this day's.
    """
    if (row := before(venue, unit, since)) is not None:
        return row
    live = Trader.objects.filter(LIVE, venue=venue, created_at__lt=since).order_by()
    ended = CycleTotal.objects.filter(venue=venue, span=Span.HOUR, begins__lt=since).order_by()
    return first_since(venue, unit, since) if live.exists() or ended.exists() else None


def unrealised_of(row: AccountValue | None) -> dict[str, Decimal]:
    """What was unrealised then, by symbol and in its quote asset; nothing where nothing had begun."""
    return {} if row is None else {name: Decimal(told[0]) for name, told in row.symbols.items()}


def course(venue: Venue, unit: str, since: datetime, now: datetime, max_points: int = 400) -> list[Point]:
    """The measurements from then on, oldest first: by minute, hour or day, whatever is kept for so long."""
    every = next((each for each, kept in KEPT.items() if now - since <= kept), Every.DAY)
    rows = AccountValue.objects.filter(
        venue=venue, asset=unit, span=every, begins__gte=begin_of(every, since)
    ).order_by("begins")
    found = list(rows.values_list("measured_at", "value", "put_in", "realised", "unrealised"))
    step = max(1, -(-len(found) // max_points))
    kept = [row for n, row in enumerate(found) if (len(found) - 1 - n) % step == 0]
    return [Point(at, value, put_in, realised + unrealised) for at, value, put_in, realised, unrealised in kept]
