"""One symbol on the exchange: the account's resting orders in price-time order, and what has traded lately."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from binance_mock.engine.amounts import ZERO, quotient
from binance_mock.engine.orders import Order, PublicTrade, Side
from binance_mock.engine.rules import SymbolRules

# Binance's avgPriceMins: how far back the average price looks. A filter may look less far back, here never further.
AVERAGE_MINUTES = 5


class RecentAverage:
    """The volume-weighted average price of the last minutes, kept in buckets of one second."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, Decimal, Decimal]] = deque()
        self._quote = ZERO
        self._base = ZERO

    def add(self, price: Decimal, quantity: Decimal, time_ms: int) -> None:
        second = time_ms // 1000
        quote = price * quantity
        buckets = self._buckets
        if buckets and buckets[-1][0] >= second:
            at, quote_before, base_before = buckets[-1]
            buckets[-1] = (at, quote_before + quote, base_before + quantity)
        else:
            self._drop_before(second - AVERAGE_MINUTES * 60)
            buckets.append((second, quote, quantity))
        self._quote += quote
        self._base += quantity

    def _drop_before(self, second: int) -> None:
        buckets = self._buckets
        while buckets and buckets[0][0] < second:
            _, quote, base = buckets.popleft()
            self._quote -= quote
            self._base -= base

    def price(self, now_ms: int, minutes: int = AVERAGE_MINUTES) -> Decimal | None:
        """None where nothing traded in the last minutes."""
        self._drop_before(now_ms // 1000 - AVERAGE_MINUTES * 60)
        quote, base = self._quote, self._base
        if minutes < AVERAGE_MINUTES:
            since = now_ms // 1000 - minutes * 60
            recent = [bucket for bucket in self._buckets if bucket[0] >= since]
            quote, base = sum((each[1] for each in recent), ZERO), sum((each[2] for each in recent), ZERO)
        return quotient(quote, base) if base > 0 else None


class SymbolBook:
    """Resting orders, best price first, then oldest. Own orders of both sides never overlap."""

    def __init__(self, rules: SymbolRules) -> None:
        self.rules = rules
        # What the symbol was listed with: rules can change, the made-up part of the book stays as it is.
        self.listed = rules
        self.last: PublicTrade | None = None
        # The id of the last trade before the first one that this exchange saw.
        self.past_trades = 0
        # Rises with each trade and each change of an own order, over restarts as well (Engine.restore).
        self.update_id = 0
        self.average = RecentAverage()
        self.orders: dict[int, Order] = {}
        self.by_client_id: dict[str, int] = {}
        # (price with the best first, order id): order ids rise with time.
        self._buys: list[tuple[Decimal, int]] = []
        self._sells: list[tuple[Decimal, int]] = []

    @property
    def last_price(self) -> Decimal | None:
        return self.last.price if self.last else None

    def traded(self, trade: PublicTrade) -> None:
        self.last = trade
        self.update_id = max(self.update_id + 1, trade.trade_id)
        self.average.add(trade.price, trade.quantity, trade.time_ms)

    def average_price(self, now_ms: int, minutes: int = AVERAGE_MINUTES) -> Decimal | None:
        """The recent average; the last price where nothing traded lately; None where nothing ever did.

        The average over 0 minutes is the last price (filters.md).
        """
        average = self.average.price(now_ms, minutes) if minutes else None
        return self.last_price if average is None else average

    def rest(self, order: Order) -> None:
        """Puts an open order on the book, or replaces it there by what it has become."""
        if order.order_id not in self.orders:
            queue, key = self._place_of(order)
            insort(queue, key)
            self.by_client_id[order.client_order_id] = order.order_id
        self.orders[order.order_id] = order
        self.update_id += 1

    def remove(self, order: Order) -> None:
        queue, key = self._place_of(order)
        del queue[bisect_left(queue, key)]
        del self.orders[order.order_id]
        del self.by_client_id[order.client_order_id]
        self.update_id += 1

    def _place_of(self, order: Order) -> tuple[list[tuple[Decimal, int]], tuple[Decimal, int]]:
        if order.side is Side.BUY:
            return self._buys, (-order.price, order.order_id)
        return self._sells, (order.price, order.order_id)

    def best(self, side: Side) -> Order | None:
        queue = self._buys if side is Side.BUY else self._sells
        return self.orders[queue[0][1]] if queue else None

    def side(self, side: Side) -> Iterator[Order]:
        """The best first."""
        queue = self._buys if side is Side.BUY else self._sells
        return (self.orders[order_id] for _, order_id in queue)
