"""Risk limits: which buys the limits of a symbol and of an account deny, and in which words.

An order passes `denial` in the transaction that saves it. Limits that two workers could pass together, each seeing
room for one, are asked with the row of their protections locked until that transaction ends. Exits pass always.
"""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TypeVar

import redis
from django.conf import settings
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from hedgehog_project.redis import hurried_client
from hedgehog_project.venues import Venue, market_of
from streamer import topics
from trading.books.totals import begin_of, of_symbol
from trading.core.denials import Denial, Rule
from trading.core.journal import Kind
from trading.core.money import ZERO, plain, quote_of
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import AccountProtections, DeniedOrder, JournalEntry, Order, SymbolProtections, Trader
from trading.models.protections import BNB
from trading.models.totals import Span
from trading.risk import balances
from trading.risk.exposure import bound, of_live_traders

log = logging.getLogger(__name__)

# A change is heeded within this time; until then no order asks the database for it.
KEPT_S = 1.0
# How long a denied trader rests: denied by what only time or a person changes; by what a cycle's end changes; by
# prices that do not come.
LONG, SHORT, FEED = timedelta(seconds=60), timedelta(seconds=10), timedelta(seconds=3)
# A denied trader has tried again so long after its rest, where its symbol is traded at all.
ASKED_AGAIN_WITHIN = timedelta(seconds=10)
MAX_DENIAL = LONG + ASKED_AGAIN_WITHIN
MINUTE = timedelta(seconds=60)

Row = TypeVar("Row", AccountProtections, SymbolProtections)


@dataclass(frozen=True)
class _Buy:
    """The order that wants to pass."""

    trader: Trader
    cost: Decimal  # in quote
    now: datetime

    @property
    def venue(self) -> Venue:
        return Venue(self.trader.venue)

    @property
    def symbol(self) -> str:
        return self.trader.symbol.name

    @property
    def quote(self) -> str:
        return self.trader.symbol.quote_asset

    @property
    def midnight(self) -> datetime:
        return begin_of(Span.DAY, self.now)


def denial(trader: Trader, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
    """What denies an order; None where it may be placed. To be called in the transaction that saves it."""
    if side == Side.SELL:
        return None
    buy = _Buy(trader, quote_of(price, quantity), timezone.now())
    denial = _found(buy)
    if denial is not None:
        _note(buy, denial)
    return denial


def would_deny(trader: Trader, price: Decimal, quantity: Decimal) -> Denial | None:
    """As denial, of a buy that nobody places yet: nothing is noted. To be called in a transaction."""
    return _found(_Buy(trader, quote_of(price, quantity), timezone.now()))


def _found(buy: _Buy) -> Denial | None:
    of_symbol, of_account = _of_symbol(buy.trader.symbol_id), _of_account(buy.trader.venue)
    if of_symbol is None and of_account is None:
        return None
    return (of_symbol and _by_symbol(buy, of_symbol)) or (of_account and _by_account(buy, of_account)) or None


# --- the rules of a symbol ------------------------------------------------------------------------
def _by_symbol(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    return (
        _feed(buy, limits)
        or _consecutive_losses(buy, limits)
        or _day_loss(buy, limits)
        or _locked(limits, _of_symbol_together, buy)
    )


def _of_symbol_together(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    return _open_orders(buy, limits) or _bound(buy, limits)


def _feed(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    max_s = limits.max_price_age_s
    if max_s is None and not limits.deny_in_gaps:
        return None
    name, market = buy.symbol, market_of(buy.venue)
    try:
        client = _reader(settings.REDIS_URL)
        if limits.deny_in_gaps and topics.has_gap(client, market, name):
            text = f"data gap: missing trades of {name} are being fetched"
            return Denial(text, FEED, text, Rule.DATA_GAP)
        trade = topics.last_trade(client, market, name) if max_s is not None else None
    except redis.RedisError:
        text = f"prices of {name} are unknown: Redis does not answer"
        return Denial(text, FEED, text, Rule.DATA_GAP if max_s is None else Rule.STALE_PRICE)
    if max_s is None:
        return None
    topic = f"stale price: no trade of {name} for {max_s} s"
    if trade is None:
        return Denial(f"no trade of {name} yet", FEED, topic, Rule.STALE_PRICE)
    age_s = trade.age_s
    if age_s <= max_s:
        return None
    reason = f"stale price: the last trade of {name} is {age_s:.0f} s old, max {max_s} s"
    return Denial(reason, FEED, topic, Rule.STALE_PRICE)


def _consecutive_losses(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    wanted = limits.max_consecutive_losses
    if wanted is None:
        return None
    # Only a cycle that gave up its price ends at a loss: after a stop.
    cycles = Trader.objects.filter(
        finished_at__isnull=False, venue=buy.venue, symbol=buy.trader.symbol_id, state=TraderState.FINISHED
    )
    last = cycles.order_by("-finished_at").values_list("finished_at", "profit")[:wanted]
    lost_at = [at for at, profit in last if at is not None and profit is not None and profit < 0]
    if len(lost_at) < wanted:
        return None
    until = lost_at[0] + timedelta(minutes=limits.cooldown_minutes)
    if until <= buy.now:
        return None
    what = "the last cycle" if wanted == 1 else f"the last {wanted} cycles"
    text = f"{what} of {buy.symbol} ended at a loss: buys paused until {until:%d %b %H:%M:%S} UTC"
    return Denial(text, min(LONG, until - buy.now), text, Rule.CONSECUTIVE_LOSSES)


def _day_loss(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    maximum = limits.max_daily_loss
    if maximum is None:
        return None
    today = of_symbol(buy.trader.symbol_id, buy.venue, buy.midnight)
    lost = -today.profit
    if lost < maximum:
        return None
    topic = f"max daily loss of {buy.symbol} reached, {plain(maximum)} {buy.quote}"
    more = " and commissions of unknown value" if today.unvalued else ""
    reason = f"{topic}: {plain(lost)}{more} since midnight UTC"
    return Denial(reason, min(LONG, buy.midnight + timedelta(days=1) - buy.now), topic, Rule.DAILY_LOSS)


def _open_orders(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    maximum = limits.max_open_orders
    if maximum is None:
        return None
    count = of_live_traders(buy.venue, buy.trader.symbol_id).filter(status__is_open=True).count()
    if count < maximum:
        return None
    topic = f"max open orders of {buy.symbol}, {maximum}, reached"
    return Denial(f"{topic}: {count} open", SHORT, topic, Rule.OPEN_ORDERS)


def _bound(buy: _Buy, limits: SymbolProtections) -> Denial | None:
    maximum = limits.max_exposure
    if maximum is None:
        return None
    now_bound = bound(buy.venue, symbol_id=buy.trader.symbol_id)
    if now_bound + buy.cost <= maximum:
        return None
    topic = f"max exposure of {buy.symbol}, {plain(maximum)} {buy.quote}"
    return Denial(f"{topic}: {_needs(now_bound, buy)}", SHORT, topic, Rule.SYMBOL_EXPOSURE)


# --- the rules of an account ----------------------------------------------------------------------
def _by_account(buy: _Buy, limits: AccountProtections) -> Denial | None:
    return _locked(limits, _of_account_together, buy)


def _of_account_together(buy: _Buy, limits: AccountProtections) -> Denial | None:
    return _order_rate(buy, limits) or _exposure(buy, limits) or _reserves(buy, limits)


def _order_rate(buy: _Buy, limits: AccountProtections) -> Denial | None:
    maximum = limits.max_orders_per_minute
    if maximum is None:
        return None
    # The rest is kept for exits, as with the exchange's own limits.
    for_buys = max(1, maximum * 4 // 5)
    sent = Order.objects.filter(venue=buy.venue, submitted_at__gt=buy.now - MINUTE).order_by("-submitted_at")
    nth = sent.values_list("submitted_at", flat=True)[for_buys - 1 : for_buys]
    if not nth:
        return None
    topic = f"max {maximum} orders per minute at {buy.venue}"
    reason = f"{topic}, one fifth reserved for exits: {sent.count()} sent in the last minute"
    return Denial(reason, max(timedelta(seconds=1), nth[0] + MINUTE - buy.now), topic, Rule.ORDER_RATE)


def _exposure(buy: _Buy, limits: AccountProtections) -> Denial | None:
    maximum = limits.max_exposure
    if maximum is None or buy.quote != limits.quote_asset:
        return None
    now_bound = bound(buy.venue, quote_asset=limits.quote_asset)
    if now_bound + buy.cost <= maximum:
        return None
    topic = f"max account exposure at {buy.venue}, {plain(maximum)} {buy.quote}"
    return Denial(f"{topic}: {_needs(now_bound, buy)}", SHORT, topic, Rule.ACCOUNT_EXPOSURE)


def _reserves(buy: _Buy, limits: AccountProtections) -> Denial | None:
    reserves = {buy.quote: limits.reserve_of(buy.quote)}
    reserves.setdefault(BNB, limits.bnb_reserve or ZERO)
    denials = (_reserve(buy, asset, minimum) for asset, minimum in reserves.items() if minimum)
    return next((denial for denial in denials if denial), None)


def _reserve(buy: _Buy, asset: str, minimum: Decimal) -> Denial | None:
    free = balances.free_of(buy.venue, asset, buy.now)
    cost = buy.cost if buy.quote == asset else ZERO
    if free.amount is not None and free.amount - cost >= minimum:
        return None
    # It may have become more since; the answer is there when the trader looks again.
    balances.ask_again(buy.venue)
    topic = f"reserve of {plain(minimum)} {asset} at {buy.venue}"
    if free.amount is None:
        return Denial(f"{topic}; the free balance is not known yet", SHORT, topic, Rule.RESERVE)
    needs = f", this buy needs {plain(cost)}" if cost else ""
    return Denial(f"{topic}: {plain(free.amount)} free{needs}", SHORT, topic, Rule.RESERVE)


def _needs(now_bound: Decimal, buy: _Buy) -> str:
    return f"{plain(now_bound)} in use, this buy needs {plain(buy.cost)}"


# --- what is set ----------------------------------------------------------------------------------
_kept: dict[tuple[type, int | str], tuple[float, AccountProtections | SymbolProtections | None]] = {}


def _of_symbol(symbol_id: int) -> SymbolProtections | None:
    return _keep(SymbolProtections, symbol_id, lambda: SymbolProtections.objects.filter(symbol=symbol_id).first())


def _of_account(venue: str) -> AccountProtections | None:
    return _keep(AccountProtections, str(venue), lambda: AccountProtections.objects.filter(venue=venue).first())


def _keep(model: type[Row], key: int | str, read: Callable[[], Row | None]) -> Row | None:
    """The row where any limit of it is set, up to KEPT_S old."""
    until, row = _kept.get((model, key), (0.0, None))
    if time.monotonic() < until:
        return row  # type: ignore[return-value]
    found = read()
    found = found if found is not None and found.is_any_set else None
    _kept[model, key] = (time.monotonic() + KEPT_S, found)
    return found


def forget() -> None:
    """The next order asks the database for what is set."""
    _kept.clear()


def _locked(limits: Row, rule: Callable[[_Buy, Row], Denial | None], buy: _Buy) -> Denial | None:
    """Asks with the row locked, and read anew: what others have saved until then is seen, and nobody else asks."""
    # SQLite knows no row locks; there the transaction itself is the lock (IMMEDIATE).
    row = type(limits)._default_manager.select_for_update().filter(pk=limits.pk).first()
    return rule(buy, row) if row is not None else None


def has_changed(venue: Venue | str | None = None, symbol_ids: Collection[int] | None = None) -> None:
    """To be called when protections were edited, once that is committed: whoever they deny tries again soon."""
    forget()
    wanted = {"venue": venue, "symbol__in": symbol_ids}
    mine = Q(**{name: value for name, value in wanted.items() if value is not None})
    now = timezone.now()
    DeniedOrder.objects.filter(mine, denies_until__gt=now).update(denies_until=now)
    # The leader nudges whoever is due, within a second.
    Trader.objects.filter(mine, finished_at__isnull=True, retry_at__gt=now, error="").update(retry_at=now)


@cache
def _reader(url: str) -> "redis.Redis":
    # A buy waits with its rows locked: for a frozen Redis not for long.
    return hurried_client()


# --- denied orders --------------------------------------------------------------------------------
def _note(buy: _Buy, denial: Denial) -> None:
    """Counts it, a trader that waits for one rule once; its line of the journal is written by retries.py."""
    last = JournalEntry.objects.filter(trader=buy.trader).order_by("-id").values_list("kind", "denied_by").first()
    is_new = last != (Kind.DENIED, denial.by)
    values = {
        "count": F("count") + int(is_new),
        "reason": denial.reason[:300],
        "last_at": buy.now,
        "denies_until": buy.now + denial.wait + ASKED_AGAIN_WITHIN,
    }
    key = {"venue": buy.venue, "symbol_id": buy.trader.symbol_id, "rule": denial.by, "day": buy.midnight.date()}
    if not DeniedOrder.objects.filter(**key).update(**values):
        DeniedOrder.objects.get_or_create(**key, defaults={**values, "count": 0})
        DeniedOrder.objects.filter(**key).update(count=F("count") + 1)


def active_denials(venue: Venue | None = None) -> QuerySet[DeniedOrder]:
    """What denies buys now, the last one first."""
    rows = DeniedOrder.objects.filter(denies_until__gt=timezone.now()).select_related("symbol").order_by("-last_at")
    return rows if venue is None else rows.filter(venue=venue)


def rows_of_day(venue: Venue | str, day: date | None = None) -> QuerySet[DeniedOrder]:
    """What denied buys on a day (UTC; today by default), the largest count first."""
    rows = DeniedOrder.objects.filter(venue=venue, day=day or timezone.now().astimezone(UTC).date())
    return rows.select_related("symbol").order_by("-count", "symbol__name")


def of_day(venue: Venue | str, day: date | None = None) -> dict[str, int]:
    """How many orders each rule has denied on a day (UTC; today by default), for rules that denied any."""
    rows = rows_of_day(venue, day).order_by()
    return {rule: total for rule, total in rows.values_list("rule").annotate(total=Sum("count")) if total}
