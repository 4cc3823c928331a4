"""The market streams of an order book: its changes, its best levels, its best bid and ask."""

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from binance_mock.engine.amounts import ZERO
from binance_mock.engine.book import SymbolBook
from binance_mock.engine.orders import Changes, Order, OrderType, Report, Side
from binance_mock.protocol import market_events as events
from binance_mock.protocol.depth import Level, MarketDepth, best_first, best_of, own_sizes
from binance_mock.state.context import Context

_DEPTH = re.compile(r"depth(5|10|20)?(?:@100ms)?")
# After a trade so many levels of each side are sent, changed or not: a snapshot of a few levels does not have those
# that come near as the price moves.
BEST_LEVELS = 100


class BookChanges:
    """The levels of a book that were touched since its last event.

    Whoever follows a book reads a snapshot by REST at any moment in between. So a level that is again as it was is
    sent as well: web-socket-streams.md, "How to manage a local order book correctly".
    """

    def __init__(self, book: SymbolBook) -> None:
        self._book = book
        self._market = MarketDepth(book.listed)
        self._begin()

    def _begin(self) -> None:
        self._told_id = self._book.update_id
        self._last_prices = {self._book.last_price}
        self._has_traded = False
        self._own: set[tuple[Side, Decimal]] = set()

    def traded(self, price: Decimal) -> None:
        self._last_prices.add(price)
        self._has_traded = True

    def changed(self, order: Order) -> None:
        if order.type is not OrderType.MARKET:
            self._own.add((order.side, order.price))

    def event(self, now_ms: int) -> dict[str, Any] | None:
        """What each touched level has now; None where nothing has changed."""
        book = self._book
        if book.update_id == self._told_id:
            return None
        event = {
            "e": "depthUpdate",
            "E": now_ms,
            "s": book.rules.symbol,
            "U": self._told_id + 1,
            "u": book.update_id,
            "b": self._side(Side.BUY),
            "a": self._side(Side.SELL),
        }
        self._begin()
        return event

    def _side(self, side: Side) -> list[Level]:
        market, own = self._market, own_sizes(self._book, side)
        now = market.levels(side, self._book.last_price)
        prices = {level * market.tick for level in self._moved(side, now)}
        prices.update(price for on, price in self._own if on is side)
        return best_first({price: own.get(price, ZERO) + market.size(price, now) for price in prices}, side)

    def _moved(self, side: Side, now: range) -> set[int]:
        """The market's levels that came or went in between, with the last price; and the best ones after a trade."""
        moved = set(best_of(now, side, BEST_LEVELS)) if self._has_traded else set()
        shown = [self._market.levels(side, price) for price in self._last_prices]
        # What is in some of them and not in all is in one of two neighbours only.
        for lower, upper in pairwise(sorted(shown, key=lambda levels: (levels.start, levels.stop))):
            moved.update(range(lower.start, min(lower.stop, upper.start)))
            moved.update(range(max(lower.stop, upper.start), upper.stop))
        return moved


class BookStreams:
    """Knows what each stream has shown last. The streams that it has are those that `in` finds."""

    def __init__(self, context: Context) -> None:
        self._books = context.exchange.engine.books
        self._changes: dict[str, BookChanges] = {}
        # Of each stream of best levels: how many they are, and the update id that it has shown.
        self._partial: dict[str, tuple[int, int]] = {}
        # Of each stream of the best bid and ask: those that it has shown.
        self._best: dict[str, dict[str, Any]] = {}

    def __contains__(self, stream: str) -> bool:
        return stream in self._changes or stream in self._partial

    def begin(self, stream: str) -> None:
        """Somebody follows the stream: changes are told from here on."""
        book, kind = self._books.get(_symbol(stream)), stream.partition("@")[2]
        if book is None:
            return
        if kind == "bookTicker":
            self._best[stream] = events.book_ticker(book)
        elif found := _DEPTH.fullmatch(kind):
            if found[1]:
                self._partial[stream] = int(found[1]), 0
            else:
                self._changes[stream] = BookChanges(book)

    def forget(self, stream: str) -> None:
        """Nobody follows the stream any more."""
        for known in (self._changes, self._partial, self._best):
            known.pop(stream, None)

    def changed(self, changes: Changes) -> Iterator[tuple[str, dict[str, Any]]]:
        """Takes note of what was touched; the streams whose best bid or ask is another now, with their payloads."""
        if not self._changes and not self._best:
            return
        orders = [event.order for event in changes.events if isinstance(event, Report)]
        for stream, following in self._changes.items():
            symbol = _symbol(stream)
            for trade in changes.trades:
                if trade.symbol == symbol:
                    following.traded(trade.price)
            for order in orders:
                if order.symbol == symbol:
                    following.changed(order)
        touched = {trade.symbol for trade in changes.trades} | {order.symbol for order in orders}
        for stream, shown in self._best.items():
            if (symbol := _symbol(stream)) in touched:
                best = events.book_ticker(self._books[symbol])
                if best != shown | {"u": best["u"]}:
                    self._best[stream] = best
                    yield stream, best

    def payload(self, stream: str, now_ms: int) -> dict[str, Any] | None:
        """What the stream shows now, of those that go by the clock; None where nothing has changed."""
        if stream in self._changes:
            return self._changes[stream].event(now_ms)
        book, (levels, shown) = self._books[_symbol(stream)], self._partial[stream]
        self._partial[stream] = levels, book.update_id
        return events.partial_depth(book, levels) if book.update_id != shown else None


def _symbol(stream: str) -> str:
    return stream.partition("@")[0].upper()
