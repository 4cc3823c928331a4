"""The standby: exits, unclear orders and cancels go on without Redis, by the functions that the tasks call."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
import redis
from django.utils import timezone

from hedgehog_project import progress
from hedgehog_project.venues import Venue
from hedgehog_project.watchdog import Watchdog
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost
from tests.support.refusing import full
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading import leader, standby, tasks
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotSent
from trading.models import Order, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch
from trading.standby import Standby
from trading.traders import acting as traders
from trading.waking import enqueue, triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
WakeUp = tuple[str, Any]


class InTurn:
    """In the place of the standby's threads: its jobs one after the other, when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[None], Callable[..., None], tuple[Any, ...]]] = []
        self.done: list[WakeUp] = []

    def submit(self, do: Callable[..., None], *args: Any) -> Future[None]:
        future: Future[None] = Future()
        self.jobs.append((future, do, args))
        return future

    def run(self) -> None:
        while self.jobs:
            future, do, args = self.jobs.pop(0)
            self.done.append(args[0])
            do(*args)
            future.set_result(None)

    def shutdown(self, **options: Any) -> None:
        self.jobs.clear()


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was queued at the broker. Afterwards tasks go there again, whatever the test has done."""
    queued: list[str] = []
    monkeypatch.setattr(enqueue.current_app, "send_task", lambda task, **options: queued.append(task))
    yield queued
    enqueue.answer_here(None)


@pytest.fixture
def at(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> ScriptedExchange:
    monkeypatch.setattr(tasks, "exchange_at", exchange)
    return exchange


@pytest.fixture
def acting(redis_client: "redis.Redis", at: ScriptedExchange) -> tuple[Standby, InTurn]:
    found, turns = Standby(redis_client, at), InTurn()
    found._pool = turns  # type: ignore[assignment]
    return found, turns


@pytest.fixture
def holder(symbol: Symbol, at: ScriptedExchange) -> Trader:
    """Has bought at 2997, sells above, and gets out 1 % under its buy."""
    give(stop_loss_interval=D("0.01"))
    trader = Trader.born(TradingSettings.objects.get(), Venue.MOCK, 1, armed_at=timezone.now())
    traders.wake(trader.pk, TRADE, at)
    traders.hear(at.fill_all(Order.objects.get().client_order_id), Source.REPORT, at)
    trader.refresh_from_db()
    assert trader.state == TraderState.SELLING
    return trader


def step(acting: tuple[Standby, InTurn]) -> list[WakeUp]:
    """One look, with all that it leads to; the tasks that were run."""
    found, turns = acting
    turns.done.clear()
    found.step()
    turns.run()
    return [(task.removeprefix("trading.tasks."), whom) for task, whom in turns.done if task != "beat"]


def test_stop_gets_out_while_redis_is_full(
    holder: Trader,
    at: ScriptedExchange,
    acting: tuple[Standby, InTurn],
    redis_client: "redis.Redis",
    broker: list[str],
) -> None:
    with full(redis_client):
        assert step(acting) == []
        at.last_price = D(2900)
        acting[0]._prices._told.clear()
        assert step(acting) == [("wake", holder.pk)]
    sale = Order.objects.get(type=OrderType.MARKET)
    assert (sale.side, sale.quantity) == (Side.SELL, D("0.0666"))
    assert broker == []


def test_nobody_buys_meanwhile(
    trader: Trader, at: ScriptedExchange, acting: tuple[Standby, InTurn], redis_client: "redis.Redis"
) -> None:
    Trader.objects.update(wake_below=D(99_999), armed_at=timezone.now(), retry_at=timezone.now())
    with full(redis_client):
        assert step(acting) == []
    assert at.placed == []


def test_symbol_that_is_turned_off_meanwhile_ends(
    trader: Trader, acting: tuple[Standby, InTurn], redis_client: "redis.Redis"
) -> None:
    with full(redis_client):
        TradingSettings.objects.update(status=TradingStatus.SHUTDOWN)
        step(acting)
    trader.refresh_from_db()
    assert (trader.state, TradingSettings.objects.get().status) == (TraderState.RETIRED, TradingStatus.OFF)


def test_unclear_order_is_asked_about_and_an_unwanted_one_cancelled(
    trader: Trader, at: ScriptedExchange, acting: tuple[Standby, InTurn], redis_client: "redis.Redis"
) -> None:
    at.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, at)
    Order.objects.update(submitted_at=timezone.now() - timedelta(seconds=3))
    with full(redis_client):
        assert step(acting) == [("ask", Order.objects.get().pk)]
        assert Order.objects.get().status == OrderStatus.NEW
        kill_switch.halt("anna", cancel_buys=True)
        Order.objects.update(asked_at=None)
        assert step(acting) == [("cancel", Order.objects.get().pk)]
    assert Order.objects.get().status == OrderStatus.CANCELED


def test_fill_that_no_report_tells_of_is_found_by_the_price(
    trader: Trader, at: ScriptedExchange, acting: tuple[Standby, InTurn], redis_client: "redis.Redis"
) -> None:
    traders.wake(trader.pk, TRADE, at)
    buy = Order.objects.get()
    at.fill_all(buy.client_order_id)
    Order.objects.update(submitted_at=timezone.now() - timedelta(seconds=5))
    at.last_price = D(2990)
    with full(redis_client):
        assert ("ask", buy.pk) in step(acting)
    assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW


def test_exchange_that_tells_no_price_keeps_nobody_from_being_cancelled(
    holder: Trader,
    at: ScriptedExchange,
    acting: tuple[Standby, InTurn],
    redis_client: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(symbols: object) -> dict[str, D]:
        raise NotSent("no connection")

    monkeypatch.setattr(at, "prices", away)
    sale = Order.objects.get(side=Side.SELL)
    Order.objects.filter(pk=sale.pk).update(cancel_reason="its trader wants it back")
    with full(redis_client):
        assert step(acting) == [("cancel", sale.pk)]


def test_what_is_under_way_is_not_queued_again_and_others_go_first_in(
    holder: Trader, at: ScriptedExchange, acting: tuple[Standby, InTurn], redis_client: "redis.Redis"
) -> None:
    found, turns = acting
    with full(redis_client):
        found.step()
        for _ in range(3):
            found._answer("trading.tasks.cancel", {"trader": holder.pk, "symbol": "ETHUSDT", "order": 7})
        found.step()
    assert [args[0] for _, _, args in turns.jobs] == [("beat", None), ("trading.tasks.cancel", 7)]


def test_what_does_not_end_in_the_standby_is_known_to_its_watchdog(
    acting: tuple[Standby, InTurn], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, turns = acting
    monkeypatch.setattr(enqueue.current_app.tasks["trading.tasks.cancel"], "takes_s", -1.0)
    seen: list[str] = []
    hung = Watchdog("standby", tmp_path, threads=2)
    monkeypatch.setattr(tasks.acting, "cancel", lambda *_: seen.append(hung.why()))
    found._answer("trading.tasks.cancel", {"trader": 1, "symbol": "ETHUSDT", "order": 7})
    turns.run()
    assert seen == ["1 of 2 threads taken by tasks that do not end (cancel for 0 s)"]
    assert hung.why() == ""


def test_one_price_is_asked_for_all_symbols_of_a_venue_and_kept_for_a_moment(at: ScriptedExchange) -> None:
    asked: list[set[str]] = []

    class Asked(ScriptedExchange):
        def prices(self, symbols: Any, is_exit: bool = True) -> dict[str, D]:
            asked.append(set(symbols))
            return {"ETHUSDT": D(3000)}  # The other one is not listed any more.

    prices = standby._Prices(lambda venue: Asked())
    pairs = [("mock", "ETHUSDT"), ("mock", "GONEUSDT")]
    for _ in range(2):
        ((venues, name, trade),) = prices.last_trades(pairs)
        assert (venues, name, trade.trade_id, trade.price) == ([Venue.MOCK], "ETHUSDT", 0, "3000")
    ((_, name, _),) = prices.last_trades(pairs[:1])
    assert asked[0] == {"ETHUSDT", "GONEUSDT"}


def test_standby_acts_for_a_redis_that_is_away_only_when_it_is_so_twice(
    symbol: Symbol, at: ScriptedExchange, acting: tuple[Standby, InTurn]
) -> None:
    found, _ = acting
    found._client = redis.Redis.from_url("redis://127.0.0.1:1/0")
    step(acting)
    assert not found.is_acting
    step(acting)
    assert found.is_acting


def test_workers_go_on_once_somebody_leads_and_triggers_are_copied_anew(
    holder: Trader,
    at: ScriptedExchange,
    acting: tuple[Standby, InTurn],
    redis_client: "redis.Redis",
    broker: list[str],
) -> None:
    found, _ = acting
    progress.note(redis_client, progress.LED)
    with full(redis_client):
        step(acting)
        # A copy that Redis does not take.
        Trader.objects.update(wake_below=D(2500))
    step(acting)
    assert found.is_acting, "that somebody led before it was well says nothing"
    leader.lead()
    step(acting)
    assert not found.is_acting
    assert redis_client.zscore(triggers.key_below("mock", "ETHUSDT"), str(holder.pk)) == 2500.0
    assert "trading.tasks.reconcile" in broker
    enqueue.nudge(holder.pk, "ETHUSDT", "test")
    assert broker[-1] == "trading.tasks.nudge"


def test_standby_that_nobody_needs_does_nothing(
    holder: Trader, at: ScriptedExchange, acting: tuple[Standby, InTurn], broker: list[str]
) -> None:
    at.last_price = D(1)
    for _ in range(3):
        assert step(acting) == []
    assert broker == []


def test_books_are_compared_once_for_many_where_redis_keeps_no_count(
    symbol: Symbol, redis_client: "redis.Redis", broker: list[str]
) -> None:
    enqueue._enqueued_until.clear()
    with full(redis_client):
        for _ in range(3):
            enqueue.reconcile_once("mock")
            enqueue.refresh_balances_once("mock")
    assert broker == ["trading.tasks.reconcile", "trading.tasks.refresh_balances"]


def test_other_slots_get_their_traders_though_redis_takes_no_trigger(
    symbol: Symbol, redis_client: "redis.Redis"
) -> None:
    make_symbol("BTCUSDT")
    with full(redis_client):
        assert leader.fill_slots() == 2
