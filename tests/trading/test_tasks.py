"""The tasks in a real worker on a real broker, with a real exchange behind a proxy that can lose things."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal as D
from itertools import pairwise
from typing import Any

import pytest
import redis
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from hedgehog_project.redis import connect
from streamer.topics import report_topic
from tests.support.exchanges.proxy import Proxy, own_trades, placing
from tests.support.machine.stack import Stack
from tests.trading.conftest import make_symbol
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.dispatch import GROUP
from trading.exchange.protocol import NewOrder
from trading.models import Fill, JournalEntry, Listing, Order, Symbol, Trader
from trading.risk import kill_switch
from trading.waking import enqueue

SYMBOL = "ETHUSDT"


@dataclass
class World:
    """A trader in the worker's database, an exchange with 10,000 USDT and a last price of 3000, the way there."""

    stack: Stack
    proxy: Proxy
    trader_id: int

    @property
    def trader(self) -> Trader:
        return Trader.objects.get(pk=self.trader_id)

    def order(self, side: Side = Side.BUY) -> Order | None:
        return Order.objects.filter(trader=self.trader_id, side=side).first()

    def wake(self, trade_id: int = 1) -> None:
        enqueue.wake(self.trader_id, SYMBOL, TradeSeen(SYMBOL, trade_id, D(3000), round(time.time() * 1000)))

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = 15) -> Any:
        return self.stack.wait_for(condition, timeout_s, what)

    def lead_until(self, condition: Callable[[], Any], what: str, timeout_s: float = 15) -> Any:
        """As `wait_for`, with beat's part done here."""

        def look() -> Any:
            leader.lead()
            return condition()

        return self.wait_for(look, what, timeout_s)

    def on_the_exchange(self) -> list[str]:
        """The client order ids of all orders that rest there."""
        return [each["clientOrderId"] for each in self.stack.mock.state()["openOrders"]]

    def orders_ever_placed(self) -> int:
        count: int = self.stack.mock.state()["counters"]["orders"]
        return count


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Stack, Proxy]]:
    """A mock exchange, a worker that reaches it through a proxy, and their database."""
    stack = Stack(
        tmp_path_factory.mktemp("stack"),
        REDIS_URL=os.environ["REDIS_URL"],
        MARKET="manual",
        MOCK_BALANCES="USDT:10000",
        HEDGEHOG_SYMBOLS=SYMBOL,
    )
    try:
        stack.prepare()
        with Proxy(stack.mock.port) as proxy, django_db_blocker.unblock(), stack.looked_into():
            stack.start("mock_exchange")
            stack.start("worker", "worker_exits", MOCK_PORT=proxy.port)
            stack.wait_until_up()
            yield stack, proxy
    finally:
        stack.stop()


@pytest.fixture
def world(running: tuple[Stack, Proxy], redis_client: "redis.Redis") -> World:
    stack, proxy = running
    for model in (JournalEntry, Fill, Order, Trader, Listing):
        model.objects.all().delete()
    symbol: Symbol = make_symbol(SYMBOL)
    stack.mock.reset()
    stack.mock.trade(SYMBOL, "3000")
    proxy.heal()
    trader = Trader.objects.create(
        symbol=symbol,
        venue="mock",
        slot=1,
        budget=D(200),
        strategy_settings={"buy_down_interval": "0.001", "profit_interval": "0.001"},
        wake_below=ANY_PRICE,
        armed_at=timezone.now(),
    )
    return World(stack, proxy, trader.pk)


def execution_report(order: Order, **changes: Any) -> dict[str, Any]:
    """What the user data stream says of all of a buy being filled in one trade."""
    return {
        "e": "executionReport", "s": SYMBOL, "c": order.client_order_id, "C": "", "S": "BUY", "x": "TRADE",
        "X": "FILLED", "r": "NONE", "i": order.exchange_order_id, "p": str(order.price), "q": str(order.quantity),
        "z": str(order.quantity), "l": str(order.quantity), "L": str(order.price), "t": 77, "m": True,
        "n": str(order.quantity / 1000), "N": "ETH", "T": round(time.time() * 1000), **changes,
    }  # fmt: skip


def test_wake_places_the_buy_and_writes_which_task_did(world: World) -> None:
    world.wake()
    order = world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).first(), "the buy")
    assert (order.side, order.price, order.quantity) == (Side.BUY, D(2997), D("0.0667"))
    assert world.on_the_exchange() == [order.client_order_id]
    entry = JournalEntry.objects.get(order=order, kind=Kind.ORDERED)
    assert (entry.source, entry.event, len(entry.task_id)) == (Source.TRADE, "trade 1 at 3000", 36)
    assert world.trader.state == TraderState.BUYING


def test_wake_queued_many_times_buys_once(world: World) -> None:
    before = world.orders_ever_placed()
    for trade_id in range(1, 21):
        world.wake(trade_id)
    world.wait_for(lambda: connect().llen("celery") == 0 and world.order(), "all tasks to be processed")
    world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).exists(), "the buy")
    time.sleep(0.3)  # for those that were taken last
    assert world.orders_ever_placed() == before + 1
    assert Order.objects.count() == 1


def test_wake_that_comes_too_late_is_not_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "STALE_S", -1)
    world.wake()
    monkeypatch.undo()
    enqueue.nudge(world.trader_id, SYMBOL, "test")
    world.wait_for(lambda: world.trader.waits_for, "the nudge, which was queued later")
    assert world.order() is None


def test_nudge_lets_a_trader_look_again(world: World) -> None:
    Trader.objects.update(wake_below=None, armed_at=None, retry_at=timezone.now() - timedelta(seconds=1))
    leader.recheck_due(timezone.now())
    world.wait_for(lambda: world.trader.wake_below, "the trader to wait for a price again")
    assert (world.trader.wake_below, world.trader.retry_at) == (ANY_PRICE, None)


def test_report_is_booked_sold_and_acknowledged(world: World) -> None:
    world.wake()
    buy = world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).first(), "the buy")
    world.stack.mock.trade(SYMBOL, "2996")
    client, topic = connect(), report_topic("mock")
    client.xgroup_create(topic, GROUP, id="0", mkstream=True)
    entry = client.xadd(topic, {"kind": "event", "data": "{}"})
    client.xreadgroup(GROUP, "test", {topic: ">"})
    assert client.xpending(topic, GROUP)["pending"] == 1
    enqueue.report("mock", str(entry, "utf-8"), execution_report(buy))  # type: ignore[arg-type]
    sell = world.wait_for(lambda: Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).first(), "the sell")
    assert (sell.price, sell.quantity) == (D("3006"), D("0.0666"))
    assert world.on_the_exchange() == [sell.client_order_id]
    world.wait_for(lambda: client.xpending(topic, GROUP)["pending"] == 0, "the entry to be acknowledged")


def test_ask_books_what_the_exchange_knows(world: World) -> None:
    world.wake()
    buy = world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).first(), "the buy")
    world.stack.mock.trade(SYMBOL, "2996")  # No streamer runs: nobody hears of it.
    enqueue.ask(buy.pk, buy.trader_id, SYMBOL)
    world.wait_for(lambda: Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).exists(), "the sell")
    buy.refresh_from_db()
    assert (buy.status, buy.executed) == (OrderStatus.FILLED, buy.quantity)
    assert [fill.commission for fill in Fill.objects.filter(order=buy)] == [D("0.0000667")]


def test_halt_cancels_the_buy_and_resume_lets_the_trader_buy_again(world: World) -> None:
    world.wake()
    world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).exists(), "the buy")
    kill_switch.halt("anna", "test", cancel_buys=True)
    world.lead_until(lambda: Order.objects.filter(status=OrderStatus.CANCELED).exists(), "the buy to be cancelled")
    assert world.on_the_exchange() == []
    before = world.orders_ever_placed()
    Trader.objects.update(retry_at=timezone.now())  # Its pause is over.
    world.lead_until(lambda: world.trader.wake_below, "the trader to wait for a trade")
    world.wake(2)
    world.lead_until(lambda: "trading is halted" in world.trader.waits_for, "the trader to be denied")
    assert world.orders_ever_placed() == before
    resumed_at = time.monotonic()
    kill_switch.resume("anna")
    world.lead_until(lambda: world.trader.wake_below, "the trader to wait for a trade")
    world.wake(3)
    world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).exists(), "the buy")
    assert time.monotonic() - resumed_at < 5
    assert len(world.on_the_exchange()) == 1


def test_reconcile_finds_what_no_report_told(world: World) -> None:
    world.wake()
    world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).exists(), "the buy")
    world.stack.mock.trade(SYMBOL, "2996", "0.01")
    enqueue.reconcile("mock")
    world.wait_for(lambda: Order.objects.filter(status=OrderStatus.PARTIALLY_FILLED).exists(), "the part")
    assert Fill.objects.get().quantity == D("0.01")


def test_trader_whose_task_raises_keeps_what_it_holds_and_is_tried_again_ever_later(world: World) -> None:
    """A buy is filled, but the exchange can't tell the fills, without which nothing may be sold."""
    row = Order.objects.create(
        trader=world.trader, symbol=world.trader.symbol, venue="mock", side=Side.BUY, price=D(3001),
        quantity=D("0.06"), client_order_id="hh-1-b-filled",
    )  # fmt: skip
    placed = world.stack.mock.client().place(
        NewOrder(SYMBOL, Side.BUY, row.price, row.quantity, row.client_order_id, round(time.time() * 1000) + 2000)
    )
    Order.objects.update(status=OrderStatus.FILLED, executed=row.quantity, exchange_order_id=placed.exchange_order_id)
    Trader.objects.update(wake_below=None, armed_at=None, state=TraderState.HOLDING)
    world.proxy.break_down = own_trades
    tries = [timezone.now()]
    while len(tries) < 4:
        trader = world.lead_until(lambda: Trader.objects.filter(failures=len(tries)).first(), "the next failure")
        assert trader.state == TraderState.HOLDING
        assert trader.error.startswith("OutcomeUnknown: ")
        tries.append(trader.retry_at)
    # Each comes after the one before, plus its wait.
    waits = [(later - before).total_seconds() for before, later in pairwise(tries)]
    assert [wait >= minimum for wait, minimum in zip(waits, (1, 2, 4), strict=True)] == [True, True, True], waits
    assert Order.objects.count() == 1
    world.proxy.heal()
    world.lead_until(lambda: Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).exists(), "the sell")
    assert (world.trader.error, world.trader.failures) == ("", 0)


def test_worker_killed_while_the_exchange_answers_leaves_one_order_that_is_asked_about(world: World) -> None:
    before = world.orders_ever_placed()
    world.proxy.withhold = placing
    world.wake()
    assert world.proxy.caught.wait(15), "no order has been sent"
    order = world.order()
    assert order is not None
    assert order.status == OrderStatus.SUBMITTING
    assert world.on_the_exchange() == [order.client_order_id]
    world.stack.kill("worker")
    world.proxy.heal()
    for trade_id in range(2, 6):
        world.wake(trade_id)  # The market goes on meanwhile.
    world.lead_until(lambda: Order.objects.filter(status=OrderStatus.NEW).exists(), "the order to be asked about", 30)
    world.wake(7)
    time.sleep(0.5)
    assert world.orders_ever_placed() == before + 1
    assert Order.objects.get() == order
    assert JournalEntry.objects.filter(order=order, source=Source.QUERY).exists()


def test_worker_killed_before_the_exchange_hears_of_it_sends_another_only_once_that_is_proven(world: World) -> None:
    before = world.orders_ever_placed()
    world.proxy.swallow = placing
    world.wake()
    assert world.proxy.caught.wait(15), "no order has been sent"
    lost = world.order()
    assert lost is not None
    world.stack.kill("worker")
    world.proxy.heal()

    def is_proven() -> bool:
        leader.lead()
        world.wake(int(time.time()))
        lost.refresh_from_db()
        return lost.status == OrderStatus.NOT_PLACED

    world.wait_for(is_proven, "the proof that it was never placed", 40)
    world.wake(9)
    another = world.wait_for(lambda: Order.objects.filter(status=OrderStatus.NEW).first(), "another order")
    # It might have been signed for two seconds, and accepted for three more.
    assert another.submitted_at - lost.submitted_at > timedelta(seconds=5)
    assert world.orders_ever_placed() == before + 1
    assert world.on_the_exchange() == [another.client_order_id]
    assert Order.objects.count() == 2
