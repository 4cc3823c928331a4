"""What risk limits look at, in SQL: of a trader's symbol and account, in the transaction that saves its order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import TypeVar

import redis
from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, QuerySet, Value

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.redis import hurried_client
from hedgehog_project.venues import Venue, market_of
from streamer import topics
from trading.books.totals import of_symbol
from trading.core.orders import Side
from trading.core.position import TraderState
from trading.models import AccountProtections, Order, Symbol, SymbolProtections, Trader
from trading.models.fields import to_units
from trading.models.times import at_of, ms_of, now_ms
from trading.risk import balances, rules
from trading.risk.exposure import bound, of_live_traders
from trading.risk.rules import AccountLimits, Gain, SymbolLimits

Answer = TypeVar("Answer")
Row = TypeVar("Row", AccountProtections, SymbolProtections)

_SYMBOL_LOCKED = Compiled(lambda pk: Symbol.objects.select_for_update(no_key=True).filter(pk=pk), int)


def _to_meet(theirs: Side) -> "Compiled[Order]":
    """Open orders of that side at a venue, of a symbol, that one at a price in units would meet; the best first."""
    price, order = ("price__lte", "price") if theirs == Side.SELL else ("price__gte", "-price")

    def build(venue: str, symbol_id: int, units: int) -> "QuerySet[Order]":
        rows = Order.objects.filter(venue=venue, symbol=symbol_id, status__is_open=True, side=theirs)
        return rows.filter(**{price: Value(units, BigIntegerField())}).select_related("trader").order_by(order)

    return Compiled(build, str, int, int)


# By the side of the order that would meet them.
_TO_MEET = {Side.BUY: _to_meet(Side.SELL), Side.SELL: _to_meet(Side.BUY)}


@dataclass(frozen=True)
class Queries(rules.Figures):
    """Of a trader's symbol and account, in the transaction that saves its order."""

    trader: Trader
    now_ms: int = field(default_factory=now_ms)
    of_symbol: SymbolProtections | None = None
    of_account: AccountProtections | None = None

    def symbol_limits(self) -> SymbolLimits | None:
        return None if self.of_symbol is None else symbol_limits(_locked(self.of_symbol))

    def account_limits(self) -> AccountLimits | None:
        return None if self.of_account is None else account_limits(_locked(self.of_account))

    def has_gap(self) -> bool:
        return self._ask(lambda client, market: topics.has_gap(client, market, self.trader.symbol.name))

    def price_age_s(self) -> float | None:
        trade = self._ask(lambda client, market: topics.last_trade(client, market, self.trader.symbol.name))
        return None if trade is None else trade.age_s

    def _ask(self, question: Callable[["redis.Redis", str], Answer]) -> Answer:
        try:
            return question(_reader(settings.REDIS_URL), market_of(Venue(self.trader.venue)))
        except redis.RedisError:
            raise rules.PricesUnknown(
                f"prices of {self.trader.symbol.name} are unknown: Redis does not answer"
            ) from None

    def last_results(self, count: int) -> list[tuple[int, Decimal]]:
        cycles = Trader.objects.filter(
            finished_at__isnull=False,
            venue=self.trader.venue,
            symbol=self.trader.symbol_id,
            state=TraderState.FINISHED,
        )
        last = cycles.order_by("-finished_at").values_list("finished_at", "profit")[:count]
        return [(ms_of(at), profit) for at, profit in last if at is not None and profit is not None]

    def gain_since(self, since_ms: int) -> Gain:
        total = of_symbol(self.trader.symbol_id, Venue(self.trader.venue), at_of(since_ms))
        return Gain(total.profit, bool(total.unvalued))

    def open_orders(self) -> int:
        return of_live_traders(self.trader.venue, self.trader.symbol_id).filter(status__is_open=True).count()

    def bound(self, quote_asset: str = "") -> Decimal:
        if quote_asset:
            return bound(self.trader.venue, quote_asset=quote_asset)
        return bound(self.trader.venue, symbol_id=self.trader.symbol_id)

    def nth_last_sent_ms(self, nth: int, since_ms: int) -> int | None:
        found = self._sent(since_ms).order_by("-submitted_at").values_list("submitted_at", flat=True)[nth - 1 : nth]
        return next((ms_of(at) for at in found), None)

    def sent_since(self, since_ms: int) -> int:
        return self._sent(since_ms).count()

    def _sent(self, since_ms: int) -> QuerySet[Order]:
        return Order.objects.filter(venue=self.trader.venue, submitted_at__gt=at_of(since_ms))

    def free(self, asset: str) -> Decimal | None:
        return balances.free_of(self.trader.venue, asset, at_of(self.now_ms)).amount

    def resting(self) -> int:
        return Order.objects.filter(
            venue=self.trader.venue, symbol=self.trader.symbol_id, status__is_open=True
        ).count()

    def met_by(self, side: Side, price: Decimal) -> Sequence[rules.Met]:
        lock_symbol(self.trader)
        rows = _TO_MEET[side](self.trader.venue, self.trader.symbol_id, to_units(price))
        return [rules.Met(row.pk, row.trader.slot, Side(row.side), row.price) for row in rows]


def symbol_limits(row: SymbolProtections | None) -> SymbolLimits | None:
    if row is None:
        return None
    return SymbolLimits(
        row.max_exposure,
        row.max_open_orders,
        row.max_daily_loss,
        row.max_consecutive_losses,
        row.cooldown_minutes,
        row.max_price_age_s,
        row.deny_in_gaps,
    )


def account_limits(row: AccountProtections | None) -> AccountLimits | None:
    if row is None:
        return None
    return AccountLimits(
        row.quote_asset, row.max_exposure, row.quote_reserve, row.bnb_reserve, row.max_orders_per_minute
    )


def lock_symbol(trader: Trader) -> None:
    """One order at a time for each symbol: two that look side by side would not see each other. On SQLite the
    transaction is that lock.
    """
    if connection.features.has_select_for_update:
        _SYMBOL_LOCKED.first(trader.symbol_id)


def _locked(limits: Row) -> Row | None:
    """The row, locked and read anew: what others have saved until then is seen, and nobody else asks."""
    # SQLite knows no row locks; there the transaction itself is the lock (IMMEDIATE).
    return type(limits)._default_manager.select_for_update().filter(pk=limits.pk).first()


@cache
def _reader(url: str) -> "redis.Redis":
    # A buy waits with its rows locked: for a frozen Redis not for long.
    return hurried_client()
