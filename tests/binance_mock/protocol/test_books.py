"""Order books: what REST shows, and what whoever follows the streams makes of it."""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import Changes, MarketTrade
from binance_mock.market.manual import ManualMarket
from binance_mock.protocol import book_streams
from binance_mock.protocol import depth as depths
from binance_mock.protocol.book_streams import BookStreams
from binance_mock.protocol.market_requests import depth
from binance_mock.protocol.params import Params
from binance_mock.state.context import Context, open_context
from binance_mock.state.exchange import open_exchange
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from tests.binance_mock.protocol.follower import Follower
from tests.binance_mock.running import Mock
from tests.binance_mock.support import INFO, NOW, amounts, limit, market

SYMBOL = "ETHUSDT"
FAST, SLOW = "ethusdt@depth@100ms", "ethusdt@depth"
ALL = 5000
# A book of fewer levels than the real one has is looked at ten times as fast.
MAX_LEVELS, BEST_LEVELS = 60, 20


class Exchange:
    """An exchange in a file, and those who follow its book; `rest` is what REST has shown at each update id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rest: dict[int, dict[str, Any]] = {}
        self._open()
        self.trade("3000")

    def _open(self) -> None:
        store = Store(self._path)
        exchange = open_exchange(store, INFO, amounts(USDT="1000000", ETH="1000"), NOW)
        self.context: Context = open_context(exchange, ManualMarket(), Account("key", "secret"), now_ms=lambda: NOW)
        self.streams = BookStreams(self.context)
        self.followers: dict[str, list[tuple[int, Follower]]] = {FAST: [], SLOW: []}
        for stream in self.followers:
            self.streams.begin(stream)
        exchange.listeners.append(self._note)

    def _note(self, changes: Changes) -> None:
        assert list(self.streams.changed(changes)) == [], "nobody follows the best bid and ask"

    def restart(self) -> None:
        before = self.book.update_id
        self.context.exchange.store.close()
        self._open()
        assert self.book.update_id >= before

    @property
    def book(self) -> Any:
        return self.context.exchange.engine.books[SYMBOL]

    def trade(self, *prices: str, quantity: str = "1") -> None:
        trades = [MarketTrade(SYMBOL, Decimal(price), Decimal(quantity), False) for price in prices]
        self.context.exchange.trade(trades, NOW)

    def depth(self, levels: int = ALL) -> dict[str, Any]:
        return depth(self.context, Params({"symbol": SYMBOL, "limit": str(levels)}), NOW)

    def look(self) -> dict[str, Any]:
        """What REST shows; the same at the same update id."""
        shown = self.depth()
        assert self.rest.setdefault(shown["lastUpdateId"], shown) == shown
        return shown

    def follow(self, stream: str, levels: int) -> Follower:
        self.followers[stream].append((levels, Follower()))
        return self.followers[stream][-1][1]

    def snapshot(self) -> None:
        """Everybody who has no book yet reads one."""
        self.look()
        for levels, follower in [each for of in self.followers.values() for each in of]:
            if follower.update_id is None:
                follower.snapshot(self.depth(levels))

    def tick(self, stream: str) -> None:
        """Sends the stream's event, and compares whoever follows it with REST."""
        shown, event = self.look(), self.streams.payload(stream, NOW)
        for levels, follower in self.followers[stream]:
            if event is not None:
                follower.event(event)
            if follower.update_id is None:
                continue
            assert follower.update_id == shown["lastUpdateId"] or event is None
            compare(follower, self.rest[follower.update_id], levels)


def compare(follower: Follower, shown: dict[str, Any], levels: int) -> None:
    """A follower who began with all levels has the book; one who began with a few has those right that it has."""
    bids, asks = dict(shown["bids"]), dict(shown["asks"])
    if levels == ALL:
        assert (follower.bids, follower.asks) == (bids, asks)
    assert follower.bids.items() <= bids.items()
    assert follower.asks.items() <= asks.items()
    assert follower.best == (max(map(Decimal, bids)), min(map(Decimal, asks)))
    assert follower.best[0] < follower.best[1]


# Ticks of 0.01 from 3000: near, as far as the book reaches, and far away.
ticks = st.one_of(st.integers(-10, 10), st.integers(-90, 90), st.integers(-20_000, 20_000))
quantities = st.sampled_from(["0.01", "0.3", "5"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.lists(ticks, min_size=1, max_size=4), quantities),
        st.tuples(st.just("order"), st.sampled_from(["BUY", "SELL"]), ticks, quantities),
        st.tuples(st.just("market"), st.sampled_from(["BUY", "SELL"]), quantities),
        st.tuples(st.just("cancel"), st.integers(0, 100)),
        st.tuples(st.just("follow"), st.sampled_from([FAST, SLOW]), st.sampled_from([5, BEST_LEVELS, 1000, ALL])),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("tick"), st.sampled_from([FAST, SLOW])),
        st.tuples(st.sampled_from(["reset", "coarser", "restart"])),
    ),
    min_size=20,
    max_size=80,
)


def price_at(offset: int) -> str:
    return f"{Decimal(3000) + Decimal(offset) / 100:.2f}"


def do(exchange: Exchange, step: tuple[Any, ...]) -> None:
    inner = exchange.context.exchange
    match step:
        case ("trade", offsets, quantity):
            exchange.trade(*map(price_at, offsets), quantity=quantity)
        case ("order", side, offset, quantity):
            inner.place(limit(side, price_at(offset), quantity), NOW)
        case ("market", side, quantity):
            inner.place(market(side, quantity), NOW)
        case ("cancel", number):
            if orders := inner.engine.open_orders(SYMBOL):
                inner.cancel(SYMBOL, orders[number % len(orders)].order_id, None, NOW)
        case ("follow", stream, levels):
            exchange.follow(stream, levels)
        case ("snapshot",):
            exchange.snapshot()
        case ("tick", stream):
            exchange.tick(stream)
        case ("reset",):
            inner.reset(NOW)
        case ("coarser",):
            inner.change_filters(SYMBOL, [{"filterType": "PRICE_FILTER", "tickSize": "0.10000000"}])
        case ("restart",):
            exchange.restart()


@contextmanager
def opened() -> Iterator[Exchange]:
    fewer = patch.object(depths, "MAX_LEVELS", MAX_LEVELS)
    with tempfile.TemporaryDirectory() as folder, fewer, patch.object(book_streams, "BEST_LEVELS", BEST_LEVELS):
        exchange = Exchange(Path(folder) / "mock.sqlite3")
        yield exchange
        exchange.context.exchange.store.close()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_whoever_follows_the_changes_has_the_book_at_every_update_id(steps: list[tuple[Any, ...]]) -> None:
    with opened() as exchange:
        for stream in (FAST, SLOW):
            exchange.follow(stream, ALL)
            exchange.follow(stream, BEST_LEVELS)
        exchange.snapshot()
        for step in steps:
            try:
                do(exchange, step)
            except Refused:
                continue
        for stream in (FAST, SLOW):
            exchange.tick(stream)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with opened() as exchange:
        yield exchange


def test_a_price_that_has_come_back_is_sent_to_whoever_read_the_book_in_between(exchange: Exchange) -> None:
    follower = exchange.follow(FAST, ALL)
    exchange.trade("3001")
    exchange.snapshot()
    exchange.trade("3000")
    exchange.tick(FAST)
    assert follower.best == (Decimal("2999.99"), Decimal("3000.01"))


def test_events_follow_each_other_and_none_is_empty(exchange: Exchange) -> None:
    exchange.tick(FAST)
    exchange.trade("3000")
    first = exchange.streams.payload(FAST, NOW)
    assert exchange.streams.payload(FAST, NOW) is None
    exchange.context.exchange.place(limit("BUY", "2000", "1"), NOW)
    second = exchange.streams.payload(FAST, NOW)
    assert first is not None and first["b"] and first["a"]
    assert second is not None and second["U"] == first["u"] + 1
    # Far from the market's part of the book, which does not change by it.
    assert (second["b"], second["a"]) == ([["2000.00000000", "1.00000000"]], [])


def test_own_orders_are_in_the_book(exchange: Exchange) -> None:
    exchange.context.exchange.place(limit("BUY", "2990", "7"), NOW)
    bids = dict(exchange.depth()["bids"])
    # The market's part ends before.
    assert bids["2990.00000000"] == "7.00000000"
    assert len(bids) == MAX_LEVELS + 1


def test_levels_are_whole_ticks_around_a_price_that_is_none(exchange: Exchange) -> None:
    exchange.trade("3000.005")
    shown = exchange.depth(1)
    assert (shown["bids"][0][0], shown["asks"][0][0]) == ("3000.00000000", "3000.01000000")


def test_a_book_ends_at_the_lowest_price(exchange: Exchange) -> None:
    exchange.trade("0.03")
    assert [price for price, _ in exchange.depth()["bids"]] == ["0.02000000", "0.01000000"]


def test_the_best_levels_are_sent_where_the_book_has_changed(exchange: Exchange) -> None:
    exchange.streams.begin("ethusdt@depth5@100ms")
    shown = exchange.streams.payload("ethusdt@depth5@100ms", NOW)
    assert shown == exchange.depth(5)
    assert exchange.streams.payload("ethusdt@depth5@100ms", NOW) is None


def received(socket: Any, count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv()) for _ in range(count)]


def place(mock: Mock, price: str) -> dict[str, Any]:
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": price}
    placed: dict[str, Any] = mock.signed("POST", "order", **order).json()
    return placed


def test_each_change_of_the_best_bid_and_ask_is_sent_and_nothing_else(mock: Mock) -> None:
    with closing(mock.socket("/ws/ethusdt@bookTicker")) as socket:
        place(mock, "2990")
        mock.trade("3000")
        best = place(mock, "2999.99")
        mock.signed("DELETE", "order", symbol=SYMBOL, orderId=best["orderId"])
        mock.trade("3001")
        more, less, moved = received(socket, 3)
    assert (more["b"], less["b"], moved["b"]) == ("2999.99000000", "2999.99000000", "3000.99000000")
    assert Decimal(more["B"]) - Decimal(less["B"]) == 1
    assert more["u"] < less["u"] < moved["u"]


@pytest.mark.parametrize(("stream", "interval_ms"), [(FAST, 100), ("ethusdt@depth5@100ms", 100), (SLOW, 1000)])
def test_a_stream_comes_as_often_as_its_name_says(mock: Mock, stream: str, interval_ms: int) -> None:
    with closing(mock.socket(f"/ws/{stream}")) as socket:
        socket.settimeout(0.01)
        came: list[float] = []
        while len(came) < 2000 // interval_ms + 1:
            mock.trade(f"{3000 + time.monotonic() % 1:.2f}")
            try:
                socket.recv()
                came.append(time.monotonic())
            except websocket.WebSocketTimeoutException:
                continue
    between = [after - before for before, after in pairwise(came)]
    assert statistics.median(between) * 1000 == pytest.approx(interval_ms, rel=0.3)
