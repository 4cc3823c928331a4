"""The worst moment for each thing to happen: an exchange that denies what it has, a task that is lost, a kill."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import redis
from celery import current_app
from django.core.exceptions import ValidationError
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.support.rows import own_id
from tests.trading.test_leader import fired, publish_price
from tests.trading.traders.test_traders import RECHECK, TRADE, fresh, later, look_again, only_order
from trading import leader
from trading.core.journal import Source
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotFound, NotSent, OutcomeUnknown, Throttled
from trading.exchange.protocol import NewOrder
from trading.models import Order, Orphan, Reconciliation, Trader
from trading.models.orphans import Resolution
from trading.reconciliation import orphans
from trading.reconciliation import reconcile as reconcile_module
from trading.reconciliation.reconcile import reconcile
from trading.risk import kill_switch
from trading.traders import acting, calls
from trading.waking import triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

WakeUps = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "LOOK_AGAIN_S", 0)


@pytest.fixture
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> WakeUps:
    queued: WakeUps = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: queued.append((task, kwargs)))
    return queued


class Denies(ScriptedExchange):
    """One that says so many times of an order that it has: no such order."""

    denials = 0

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        if self.denials:
            self.denials -= 1
            raise NotFound("Order does not exist.")
        return super().order(symbol, client_order_id)


# --- an exchange that denies for a moment what it has ---------------------------------------------------
def test_resting_order_that_is_denied_for_a_moment_rests_on(trader: Trader) -> None:
    exchange = Denies()
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    for minutes in (1, 10):
        exchange.denials = 1
        acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=minutes))
        assert only_order(trader).status == OrderStatus.NEW
        # The answer in between says that it is there: the next denial is a first one again.
        acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=minutes, seconds=2))
    assert only_order(trader).status == OrderStatus.NEW
    assert len(exchange.placed) == 1


def test_unclear_order_that_is_denied_for_a_moment_is_not_sent_again(trader: Trader) -> None:
    """Nobody could ask before: the leader was away for a minute."""
    exchange = Denies(after=[answer_lost], before=[])
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.denials = 1
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=1))
    assert only_order(trader).status == OrderStatus.SUBMITTING
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=62))
    assert only_order(trader).status == OrderStatus.NEW
    assert len(exchange.placed) == 1


def test_clock_that_is_set_forward_while_an_order_is_on_its_way_proves_nothing(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.before.append(raises(OutcomeUnknown("timed out")))
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=40))
    exchange.place(NewOrder("ETHUSDT", Side.BUY, order.price, order.quantity, order.client_order_id, 0))
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=42))
    assert only_order(trader).status == OrderStatus.NEW


def test_order_that_stays_denied_has_ended(trader: Trader, exchange: ScriptedExchange, wake_ups: WakeUps) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.kept.clear()
    acting.ask(order.pk, exchange, now=later(order))
    # The leader asks again soon, not reconciliation after a minute.
    leader.ask_about_stuck_orders(later(order) + timedelta(seconds=3))
    assert fired(wake_ups, "ask") == [order.pk]
    acting.ask(order.pk, exchange, now=later(order) + calls.FORGOTTEN_AFTER - timedelta(seconds=1))
    assert only_order(trader).status == OrderStatus.NEW
    acting.ask(order.pk, exchange, now=later(order) + calls.FORGOTTEN_AFTER)
    assert only_order(trader).status == OrderStatus.NOT_FOUND


class DeniesAll(ScriptedExchange):
    """One that says of every order that it has, wherever it is asked: no such order. They may show later."""

    is_denying = True

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        if self.is_denying:
            raise NotFound("Order does not exist.")
        return super().order(symbol, client_order_id)

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        if self.is_denying:
            raise NotFound("Unknown order sent.")
        return super().cancel(symbol, client_order_id)

    def open_orders(self, symbol: str = "") -> list[OrderReport]:
        return [] if self.is_denying else super().open_orders(symbol)

    def orders(self, symbol: str, from_id: int | None = 1) -> list[OrderReport]:
        return [] if self.is_denying else super().orders(symbol, from_id)

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        return [] if self.is_denying else super().trades(symbol, from_id)


def not_found_for(order: Order, exchange: ScriptedExchange) -> None:
    """The exchange is asked at 5, 7, 9 and 11 seconds, as the leader does."""
    for seconds in (5.001, 7, 9, 11):
        acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=seconds))


class TestSecondOrder:
    """An answer is lost, and the exchange denies what it has accepted."""

    def test_waits_until_the_first_is_cancelled_by_its_name(self, trader: Trader) -> None:
        exchange = Denies(after=[answer_lost])
        acting.wake(trader.pk, TRADE, exchange)
        exchange.denials = 4
        not_found_for(only_order(trader), exchange)
        first = only_order(trader)
        assert (first.status, exchange.kept[first.client_order_id].status) == (OrderStatus.CANCELED,) * 2
        look_again(trader, exchange)
        acting.wake(trader.pk, TRADE, exchange)
        assert [order.status.is_open for order in exchange.kept.values()] == [False, True]

    @pytest.mark.parametrize("shown_by", ["open_orders", "orders"])
    def test_waits_where_a_list_shows_the_first(self, trader: Trader, shown_by: str) -> None:
        exchange = DeniesAll(after=[answer_lost])
        acting.wake(trader.pk, TRADE, exchange)
        shows = getattr(super(DeniesAll, exchange), shown_by)
        setattr(exchange, shown_by, lambda symbol, *_: shows(symbol))
        not_found_for(only_order(trader), exchange)
        assert only_order(trader).status == OrderStatus.NEW
        assert len(exchange.placed) == 1

    def test_waits_where_a_trade_is_of_an_order_that_no_list_shows(self, trader: Trader) -> None:
        exchange = DeniesAll(after=[answer_lost])
        acting.wake(trader.pk, TRADE, exchange)
        order = only_order(trader)
        exchange.fill(order.client_order_id, D("0.01"))
        exchange.trades = super(DeniesAll, exchange).trades  # type: ignore[method-assign]
        with pytest.raises(OutcomeUnknown, match="does not list"):
            not_found_for(order, exchange)
        assert only_order(trader).status == OrderStatus.SUBMITTING

    def test_is_not_sent_while_a_question_fails(self, trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
        exchange = DeniesAll(before=[raises(OutcomeUnknown("timed out"))])
        acting.wake(trader.pk, TRADE, exchange)
        fails = lambda symbol, *_: (_ for _ in ()).throw(OutcomeUnknown("timed out"))  # noqa: E731
        monkeypatch.setattr(exchange, "orders", fails)
        with pytest.raises(OutcomeUnknown):
            not_found_for(only_order(trader), exchange)
        assert only_order(trader).status == OrderStatus.SUBMITTING
        monkeypatch.undo()
        acting.ask(only_order(trader).pk, exchange, now=later(only_order(trader)) + calls.NOT_FOUND_FOR)
        assert only_order(trader).status == OrderStatus.NOT_PLACED

    @pytest.fixture
    def two(self, trader: Trader) -> tuple[DeniesAll, Order, Order]:
        """Everything is denied for too long: the second is sent, and the first rests all the while."""
        exchange = DeniesAll(after=[answer_lost])
        acting.wake(trader.pk, TRADE, exchange)
        not_found_for(only_order(trader), exchange)
        assert only_order(trader).status == OrderStatus.NOT_PLACED
        acting.wake(trader.pk, TRADE, exchange)
        exchange.is_denying = False
        first, second = Order.objects.filter(trader=trader).order_by("id")
        return exchange, first, second

    def test_makes_the_first_one_unwanted_where_that_shows(
        self, trader: Trader, two: tuple[DeniesAll, Order, Order]
    ) -> None:
        exchange, first, second = two
        shown = exchange.order("ETHUSDT", first.client_order_id)
        assert not acting.hear(shown, Source.REPORT, exchange)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, first.is_late, second.status) == (OrderStatus.CANCELED, True, OrderStatus.NEW)
        assert exchange.kept[first.client_order_id].status == OrderStatus.CANCELED
        # The second is its buy, as before.
        assert fresh(trader).state == TraderState.BUYING
        acting.hear(exchange.fill_all(second.client_order_id), Source.REPORT, exchange)
        assert only_order(trader, Side.SELL).quantity == D("0.0666")

    def test_fills_of_the_first_are_booked_and_sold(
        self, trader: Trader, two: tuple[DeniesAll, Order, Order]
    ) -> None:
        exchange, first, second = two
        acting.hear(exchange.fill_all(first.client_order_id), Source.REPORT, exchange)
        acting.hear(exchange.fill_all(second.client_order_id), Source.REPORT, exchange)
        assert only_order(trader, Side.SELL).quantity == D("0.1332")

    def test_halt_sees_the_first_and_cancels_it(
        self, trader: Trader, two: tuple[DeniesAll, Order, Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange, first, second = two
        fails = lambda symbol, name: (_ for _ in ()).throw(Throttled("wait", 3))  # noqa: E731
        monkeypatch.setattr(exchange, "cancel", fails)
        with pytest.raises(Throttled):
            acting.hear(exchange.order("ETHUSDT", first.client_order_id), Source.REPORT, exchange)
        assert {order.pk for order in kill_switch.resting_buys()} == {first.pk, second.pk}
        # Whether trading is halted or not, the leader has the late one cancelled.
        assert [order.pk for order in kill_switch.unwanted()] == [first.pk]

    def test_comparison_of_the_books_finds_the_first(
        self, trader: Trader, two: tuple[DeniesAll, Order, Order]
    ) -> None:
        exchange, first, second = two
        found = reconcile(Venue.MOCK, exchange)
        assert (found.repaired, found.left) == (1, 0)
        first.refresh_from_db()
        assert first.status == OrderStatus.CANCELED
        assert [order.client_order_id for order in exchange.open_orders()] == [second.client_order_id]


def test_order_that_the_exchange_knows_again_is_open_again(trader: Trader) -> None:
    """It was acknowledged, and denied for a while."""
    exchange = DeniesAll()
    acting.wake(trader.pk, TRADE, exchange)
    not_found_for(only_order(trader), exchange)
    assert only_order(trader).status == OrderStatus.NEW
    acting.ask(only_order(trader).pk, exchange, now=later(only_order(trader)) + calls.FORGOTTEN_AFTER)
    assert only_order(trader).status == OrderStatus.NOT_FOUND
    exchange.is_denying = False
    reconcile(Venue.MOCK, exchange)
    assert (only_order(trader).status, only_order(trader).is_late) == (OrderStatus.NEW, False)
    assert fresh(trader).state == TraderState.BUYING


def test_orphan_that_is_denied_for_a_moment_is_not_forgotten(trader: Trader) -> None:
    exchange = Denies()
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.05"), "hh-77-b-1", 0))
    reconcile(Venue.MOCK, exchange)
    open_orders, exchange.denials = exchange.open_orders, 1
    exchange.open_orders = lambda symbol="": []  # type: ignore[method-assign]
    reconcile(Venue.MOCK, exchange)
    exchange.open_orders = open_orders  # type: ignore[method-assign]
    assert reconcile(Venue.MOCK, exchange).left == 1
    assert Orphan.objects.get().resolution == Resolution.UNRESOLVED


def test_orphan_whose_cancel_is_denied_while_it_rests_is_not_taken_for_cancelled(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.05"), "hh-77-b-1", 0))
    reconcile(Venue.MOCK, exchange)

    def denies(symbol: str, client_order_id: str) -> OrderReport:
        raise NotFound("Unknown order sent.")

    exchange.cancel = denies  # type: ignore[method-assign]
    with pytest.raises(ValidationError, match="The order is still open"):
        orphans.cancel(Orphan.objects.get(), "admin", exchange)
    assert Orphan.objects.get().resolution == Resolution.UNRESOLVED


# --- an order that was proven absent and shows after all -----------------------------------------------
def test_late_order_beside_another_one_is_cancelled_by_the_comparison(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    late = only_order(trader)
    Order.objects.update(status=OrderStatus.NOT_PLACED)
    Trader.objects.update(state=TraderState.WAITING)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 2
    row = reconcile(Venue.MOCK, exchange)
    assert (row.stopped, row.repaired, row.left) == ("", 1, 0)
    assert late.client_order_id in row.text
    assert [order.status.is_open for order in exchange.kept.values()] == [False, True]
    assert Reconciliation.objects.count() == 1


def test_late_order_of_an_ended_trader_is_cancelled_though_its_task_is_lost(
    trader: Trader, exchange: ScriptedExchange, wake_ups: WakeUps
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    late = only_order(trader)
    Order.objects.update(status=OrderStatus.NOT_PLACED)
    Trader.objects.update(state=TraderState.RETIRED, finished_at=timezone.now())
    acting.ask(late.pk, exchange)
    wake_ups.clear()
    leader.cancel_unwanted(timezone.now() + timedelta(minutes=1))
    assert fired(wake_ups, "cancel") == [late.pk]


# --- a kill between two steps ----------------------------------------------------------------------------
def test_trader_that_got_an_order_back_is_woken_also_after_a_kill(
    trader: Trader, exchange: ScriptedExchange, wake_ups: WakeUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would arm its rebuy and its stops while the order rests."""
    Trader.objects.update(created_at=timezone.now() - timedelta(hours=1))
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.05"), own_id(trader), 0))

    def killed(*args: object, **options: object) -> None:
        raise SystemExit

    monkeypatch.setattr(orphans, "_wake", killed)
    with pytest.raises(SystemExit):
        reconcile(Venue.MOCK, exchange)
    assert fresh(trader).state == TraderState.BUYING
    leader.recheck_due(timezone.now() + timedelta(seconds=1))
    assert fired(wake_ups, "nudge") == [trader.pk]


def test_stop_whose_cancel_fails_for_minutes_is_tried_until_it_succeeds(
    trader: Trader, exchange: ScriptedExchange, wake_ups: WakeUps
) -> None:
    Trader.objects.update(strategy_settings={**fresh(trader).strategy_settings, "stop_loss_interval": "0.05"})
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    sale = only_order(trader, Side.SELL)
    cancel = exchange.cancel

    def fails(symbol: str, client_order_id: str) -> OrderReport:
        raise NotSent("no connection")

    exchange.cancel = fails  # type: ignore[method-assign]
    deep = type(TRADE)("ETHUSDT", 2, D(2800), 0)
    with pytest.raises(NotSent):
        acting.wake(trader.pk, deep, exchange)
    now = timezone.now()
    for seconds in range(10, 180, 10):
        wake_ups.clear()
        leader.cancel_unwanted(now + timedelta(seconds=seconds))
        assert fired(wake_ups, "cancel") == [sale.pk]
        with pytest.raises(NotSent):
            acting.cancel(sale.pk, exchange, now=now + timedelta(seconds=seconds))
        acting.note_failure(trader.pk, NotSent("no connection"))
        look_again(trader, exchange)
        acting.wake(trader.pk, deep, exchange)
    assert len(exchange.placed) == 2
    exchange.cancel = cancel  # type: ignore[method-assign]
    acting.cancel(sale.pk, exchange, now=now + timedelta(minutes=5))
    assert [order.type for order in exchange.placed] == ["LIMIT", "LIMIT", "MARKET"]


# --- Redis that is older or newer than the database -------------------------------------------------------
@pytest.mark.parametrize("is_ended", [False, True])
def test_trader_of_a_database_that_began_anew_is_armed_though_redis_remembers_a_later_version(
    trader: Trader, redis_client: "redis.Redis", is_ended: bool
) -> None:
    """Redis keeps its file where the database was restored or made anew: its versions are those of another trader."""
    if is_ended:
        redis_client.zadd(triggers.ENDED, {str(trader.pk): 1})
    else:
        redis_client.hset(triggers.VERSIONS, str(trader.pk), 50)
    publish_price(redis_client, "3000")
    Trader.objects.update(wake_below=D(3000))
    leader.rearm_sleepers(timezone.now())
    assert redis_client.zscore(triggers.key_below("mock", "ETHUSDT"), str(trader.pk)) == 3000.0
    # What it saves from now on is copied.
    acting.wake(trader.pk, RECHECK, ScriptedExchange())
    assert int(redis_client.hget(triggers.VERSIONS, str(trader.pk)) or 0) == fresh(trader).version


def test_order_of_two_kinds_of_doubt_stays_one(trader: Trader, exchange: ScriptedExchange) -> None:
    """A denied order whose report comes in between is known again."""
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    kept = dict(exchange.kept)
    exchange.kept.clear()
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=3))
    acting.hear(kept[order.client_order_id], Source.REPORT, exchange)
    acting.ask(order.pk, exchange, now=later(order) + timedelta(seconds=10))
    assert only_order(trader).status == OrderStatus.NEW
