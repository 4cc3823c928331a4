"""Money as the overview tells it: what the account is worth, what trading gained, what is held; pure data, no markup.

`account(venue)` gives all of it at one moment, so that the parts add up to the value, the symbols' rows to the gain,
and put in + net + apart to the value. `curve(venue, period)` gives the value over time. Amounts are Decimals in the
unit of account (`Account.asset`), those of a symbol's row in its quote asset. "Today" begins at the reader's midnight
(Django's current time zone). A few queries and two round trips to Redis, however long the history; no exchange is
asked. Where nothing was measured yet, `account` is None.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Count, Q
from django.utils import timezone

from console import viewer_zone
from hedgehog_project.venues import Venue
from trading.books import account as books
from trading.books import equity, totals, transfers
from trading.books.account import Point, SymbolGain, of_symbols
from trading.books.equity import Standing
from trading.core.money import EXACT, ZERO, quote_of
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import AccountValue, Balance, DeniedOrder, Listing, Order, Symbol, Trader
from trading.models.symbols import TradingStatus
from trading.models.traders import LIVE
from trading.waking.prices import LastTrade, last_trades

# What the account's own records may be old by before a page says so.
OLD = timedelta(seconds=150)


class Period(StrEnum):
    """How far back a curve goes."""

    HOUR = "1h"
    DAY = "1d"
    WEEK = "1w"
    ALL = "all"


_BACK = {Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1), Period.WEEK: timedelta(days=7)}


@dataclass(frozen=True)
class Gain:
    """Realised and unrealised, in the unit of account; unrealised includes leftovers. `of` is what was put in."""

    realised: Decimal
    unrealised: Decimal
    of: Decimal

    @property
    def net(self) -> Decimal:
        return self.realised + self.unrealised

    def share(self, amount: Decimal) -> Decimal | None:
        """An amount as a fraction of what was put in (0.01 = 1 %); None where nothing was."""
        return EXACT.divide(amount, self.of).quantize(Decimal("0.000001")) if self.of > 0 else None


@dataclass(frozen=True)
class Part:
    """One part of the account's value. `name`: "free" and "open buys" of the unit of account, else an asset."""

    name: str
    asset: str
    quantity: Decimal
    value: Decimal | None  # None: no price is known; it counts nothing


@dataclass(frozen=True)
class Slots:
    """How many slots of a symbol stand where; `paused`: they would buy, and a risk limit denies it now."""

    held: int = 0
    buying: int = 0
    waiting: int = 0
    paused: int = 0


@dataclass(frozen=True)
class SymbolMoney:
    """One symbol's row, amounts in its quote asset; `rate` is what one of that is worth in the unit of account."""

    pk: int
    name: str
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    step_size: Decimal
    price: Decimal | None
    price_age_s: float | None
    quantity: Decimal  # of running cycles
    cost: Decimal
    value: Decimal  # at the last price after commission; at cost where there is no price
    unrealised: Decimal
    realised_today: Decimal
    unrealised_today: Decimal
    rate: Decimal | None
    slots: Slots
    is_on: bool

    @property
    def net_today(self) -> Decimal:
        return self.realised_today + self.unrealised_today

    def in_unit(self, amount: Decimal) -> Decimal:
        """An amount of its quote asset in the unit of account; 0 without a rate."""
        return ZERO if self.rate is None else quote_of(self.rate, amount)


@dataclass(frozen=True)
class Account:
    """All of it, at one moment. `apart`: what the account changed by besides the traders' net and transfers: coins
    that belong to no trader, commissions of sales to come, prices of what commissions are paid in.
    """

    venue: Venue
    asset: str
    at: datetime  # when the balances were asked
    is_old: bool  # they were not asked for minutes
    value: Decimal
    parts: tuple[Part, ...]
    put_in: Decimal
    since: datetime  # when the account was first measured
    midnight: datetime  # the reader's
    today: Gain
    total: Gain
    change_today: Decimal  # of the value, without transfers
    unpriced: tuple[str, ...]  # assets without a price
    unvalued: int  # cycles with commissions of unknown value, which the gains leave out
    symbols: tuple[SymbolMoney, ...]

    @property
    def apart(self) -> Decimal:
        return self.value - self.put_in - self.total.net

    @property
    def apart_today(self) -> Decimal:
        return self.change_today - self.today.net


def account(venue: Venue, now: datetime | None = None) -> Account | None:
    """Everything, as it is now; None before the first measurement, which takes a minute."""
    now = now or timezone.now()
    unit = books.unit_of(venue)
    start, balances = books.started(venue, unit), _balances(venue)
    if start is None or not balances:
        return None
    midnight = viewer_zone.midnight(timezone.get_current_timezone(), now)
    standings = equity.standing(venue)
    realised_today = totals.by_symbol(venue, midnight)
    baseline = books.baseline(venue, unit, midnight)
    quotes = {*standings, *Symbol.objects.filter(pk__in=realised_today).values_list("quote_asset", flat=True)}
    worth = books.worth(venue, _by_now(venue, unit, balances), unit, quotes)
    rows = _rows(venue, standings, realised_today, baseline, worth.rates)
    put_in = books.put_in_until_now(venue, unit)
    realised, unrealised = books.gain_in(standings, worth.rates)
    value = worth.total
    value_then = baseline.value if baseline else start.value or ZERO
    since = baseline.measured_at if baseline else start.at
    today = Gain(
        sum((row.in_unit(row.realised_today) for row in rows), ZERO),
        sum((row.in_unit(row.unrealised_today) for row in rows), ZERO),
        put_in,
    )
    at = min(row.asked_at for row in balances)
    return Account(
        venue=venue,
        asset=unit,
        at=at,
        is_old=now - at > OLD,
        value=value,
        parts=parts_of(worth),
        put_in=put_in,
        since=start.at,
        midnight=midnight,
        today=today,
        total=Gain(realised, unrealised, put_in),
        change_today=value - value_then - books.transferred(venue, unit, since),
        unpriced=tuple(worth.unpriced),
        unvalued=sum(each.unvalued + each.unvalued_held for each in standings.values()),
        symbols=tuple(rows),
    )


def curve(venue: Venue, period: Period, now: datetime | None = None) -> list[Point]:
    """The account's value with what was put in and gained, oldest first: at most some 400 points."""
    now = now or timezone.now()
    unit = books.unit_of(venue)
    start = books.started(venue, unit)
    if start is None:
        return []
    back = _BACK.get(period)
    return books.course(venue, unit, max(now - back, start.at) if back else start.at, now)


def parts_of(worth: books.Worth) -> tuple[Part, ...]:
    """The unit of account free and in open buys, then each asset, the most valuable first; together the value."""
    free, locked = worth.balances.get(worth.unit, (ZERO, ZERO))
    others = [
        Part(asset, asset, sum(worth.balances[asset], ZERO), value)
        for asset, value in worth.values.items()
        if asset != worth.unit and sum(worth.balances[asset], ZERO)
    ]
    others.sort(key=lambda part: (-(part.value or ZERO), part.asset))
    return Part("free", worth.unit, free, free), Part("open buys", worth.unit, locked, locked), *others


@dataclass(frozen=True)
class BalanceLine:
    """One asset of an account. `ours` is what traders and leftovers hold of it, or what open buys bind."""

    asset: str
    free: Decimal
    locked: Decimal
    ours: Decimal
    value: Decimal | None  # in the unit of account; None: no price is known
    asked_at: datetime

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


def balances(venue: Venue) -> tuple[str, list[BalanceLine]]:
    """The unit of account, and what the account holds, the most valuable first."""
    unit = books.unit_of(venue)
    rows = [row for row in _balances(venue) if row.free + row.locked]
    worth = books.worth(venue, {row.asset: (row.free, row.locked) for row in rows}, unit)
    ours, values = _ours(venue), worth.values
    lines = [
        BalanceLine(row.asset, row.free, row.locked, ours[row.asset], values[row.asset], row.asked_at) for row in rows
    ]
    return unit, sorted(lines, key=lambda line: (-(line.value or ZERO), line.asset))


def _ours(venue: Venue) -> defaultdict[str, Decimal]:
    """What belongs to traders, by asset."""
    found = _bound_in_buys(venue)
    for each in equity.standing(venue).values():
        for holding in each.holdings:
            found[holding.trader.symbol.base_asset] += holding.terms.owned
        for left in each.left_over:
            found[left.base_asset] += left.quantity
    return found


def _bound_in_buys(venue: Venue) -> defaultdict[str, Decimal]:
    """What open buys may still spend, by quote asset."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    buys = Order.objects.filter(venue=venue, status__is_open=True, side=Side.BUY)
    for quote, price, quantity, executed in buys.values_list("symbol__quote_asset", "price", "quantity", "executed"):
        found[quote] += quote_of(price, quantity - executed)
    return found


def _by_now(venue: Venue, unit: str, balances: list[Balance]) -> dict[str, tuple[Decimal, Decimal]]:
    """Free and locked by asset, with what our fills have changed since the balances were asked: else they would tell
    of one moment, and the gains of another. Where they changed, what our open buys bind is what is locked.
    """
    changed = transfers.changed_since(venue, min(row.asked_at for row in balances))
    by_asset = {row.asset: row for row in balances}
    bound = _bound_in_buys(venue)[unit]
    found = {}
    for asset in {*by_asset, *changed}:
        row = by_asset.get(asset)
        free, locked = (row.free, row.locked) if row else (ZERO, ZERO)
        total = max(free + locked + changed.get(asset, ZERO), ZERO)
        locked = min(bound if asset == unit and asset in changed else locked, total)
        found[asset] = (total - locked, locked)
    return found


def _balances(venue: Venue) -> list[Balance]:
    return list(Balance.objects.filter(venue=venue).order_by("asset"))


def _rows(
    venue: Venue,
    standings: Mapping[str, Standing],
    realised_today: Mapping[int, totals.Total],
    baseline: AccountValue | None,
    rates: Mapping[str, Decimal],
) -> list[SymbolMoney]:
    """Those that are on, have a trader or a leftover, or had a gain today: so their sums are the account's."""
    gains = of_symbols(standings)
    then = books.unrealised_of(baseline)
    moved = {name for name, amount in then.items() if amount}
    states = _states(venue)
    symbols = Symbol.objects.filter(
        Q(settings__status__in=[TradingStatus.ON, TradingStatus.SHUTDOWN])
        | Q(name__in={*gains, *moved})
        | Q(pk__in={*realised_today, *states})
    ).order_by("name")
    symbols = symbols.distinct().select_related("settings")
    steps = {row.symbol_id: row for row in Listing.objects.filter(venue=venue, symbol__in=symbols)}
    trades = last_trades([symbol.name for symbol in symbols], venue)
    denied = set(
        DeniedOrder.objects.filter(venue=venue, denies_until__gt=timezone.now()).values_list("symbol", flat=True)
    )
    none = SymbolGain("")
    return [
        _row(
            symbol,
            gains.get(symbol.name, none),
            realised_today.get(symbol.pk, totals.NONE).profit,
            then.get(symbol.name, ZERO),
            rates.get(symbol.quote_asset),
            trades.get(symbol.name),
            steps.get(symbol.pk),
            _slots(states.get(symbol.pk, Counter()), symbol.pk in denied),
        )
        for symbol in symbols
    ]


def _row(
    symbol: Symbol,
    gain: SymbolGain,
    realised: Decimal,
    unrealised_then: Decimal,
    rate: Decimal | None,
    trade: LastTrade | None,
    listing: Listing | None,
    slots: Slots,
) -> SymbolMoney:
    settings = getattr(symbol, "settings", None)
    return SymbolMoney(
        pk=symbol.pk,
        name=symbol.name,
        base_asset=symbol.base_asset,
        quote_asset=symbol.quote_asset,
        tick_size=listing.tick_size if listing else ZERO,
        step_size=listing.step_size if listing else ZERO,
        price=trade.price if trade else None,
        price_age_s=trade.age_s if trade else None,
        quantity=gain.quantity,
        cost=gain.cost,
        value=gain.value,
        unrealised=gain.unrealised,
        realised_today=realised,
        unrealised_today=gain.unrealised - unrealised_then,
        rate=rate,
        slots=slots,
        is_on=settings is not None and settings.status != TradingStatus.OFF,
    )


def _states(venue: Venue) -> dict[int, Counter[str]]:
    """How many live traders of each symbol are in which state."""
    found: dict[int, Counter[str]] = {}
    live = Trader.objects.filter(LIVE, venue=venue).order_by()
    for symbol, state, count in live.values_list("symbol", "state").annotate(Count("pk")):
        found.setdefault(symbol, Counter())[state] = count
    return found


def _slots(states: Counter[str], is_denied: bool) -> Slots:
    waiting = states[TraderState.WAITING]
    found = Slots(states[TraderState.HOLDING] + states[TraderState.SELLING], states[TraderState.BUYING], waiting)
    return replace(found, waiting=0, paused=waiting) if is_denied else found
