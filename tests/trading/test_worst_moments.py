"""The worst moment for each thing to happen: an exchange that denies what it has, a bell that is lost, a kill."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import redis
from celery import current_app
from django.core.exceptions import ValidationError
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.trading.test_leader import publish_price, rung
from tests.trading.test_traders import NUDGE, TRADE, fresh, later, look_again, only_order
from trading import leader, traders, triggers
from trading.books import orphans
from trading.books import reconcile as reconcile_module
from trading.books.reconcile import reconcile
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import NotFound, NotSent, OutcomeUnknown
from trading.exchange.protocol import NewOrder
from trading.models import Order, Orphan, Reconciliation, Trader
from trading.models.orphans import Resolution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

Bells = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "LOOK_AGAIN_S", 0)


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> Bells:
    rung: Bells = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: rung.append((task, kwargs)))
    return rung


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
    traders.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    for minutes in (1, 10):
        exchange.denials = 1
        traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=minutes))
        assert only_order(trader).status == OrderStatus.NEW
        # The answer in between says that it is there: the next denial is a first one again.
        traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=minutes, seconds=2))
    assert only_order(trader).status == OrderStatus.NEW
    assert len(exchange.placed) == 1


def test_unclear_order_that_is_denied_for_a_moment_is_not_sent_again(trader: Trader) -> None:
    """Nobody could ask before: the leader was away for a minute."""
    exchange = Denies(after=[answer_lost], before=[])
    traders.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.denials = 1
    traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(minutes=1))
    assert only_order(trader).status == OrderStatus.SUBMITTING
    traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=62))
    assert only_order(trader).status == OrderStatus.NEW
    assert len(exchange.placed) == 1


def test_clock_that_is_set_forward_while_an_order_is_on_its_way_proves_nothing(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.before.append(raises(OutcomeUnknown("timed out")))
    traders.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=40))
    exchange.place(NewOrder("ETHUSDT", Side.BUY, order.price, order.quantity, order.client_order_id, 0))
    traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=42))
    assert only_order(trader).status == OrderStatus.NEW


def test_order_that_stays_denied_has_ended(trader: Trader, exchange: ScriptedExchange, bells: Bells) -> None:
    traders.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.kept.clear()
    traders.ask(order.pk, exchange, now=later(order))
    # The leader asks again soon, not reconciliation after a minute.
    leader.ask_about_stuck_orders(later(order) + timedelta(seconds=3))
    assert rung(bells, "ask") == [order.pk]
    traders.ask(order.pk, exchange, now=later(order) + traders.DENIED_FOR - timedelta(seconds=1))
    assert only_order(trader).status == OrderStatus.NEW
    traders.ask(order.pk, exchange, now=later(order) + traders.DENIED_FOR)
    assert only_order(trader).status == OrderStatus.CANCELED


def test_orphan_that_is_denied_for_a_moment_is_not_forgotten(trader: Trader) -> None:
    exchange = Denies()
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.05"), "hh-77-b-1", 0))
    reconcile(Venue.MOCK, exchange)
    open_orders, exchange.denials = exchange.open_orders, 1
    exchange.open_orders = list  # type: ignore[method-assign]
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
    with pytest.raises(ValidationError, match="It still rests"):
        orphans.cancel(Orphan.objects.get(), "admin", exchange)
    assert Orphan.objects.get().resolution == Resolution.UNRESOLVED


# --- an order that was proven absent and shows after all -----------------------------------------------
def test_late_order_beside_another_one_does_not_end_the_comparison(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, exchange)
    late = only_order(trader)
    Order.objects.update(status=OrderStatus.NOT_PLACED)
    Trader.objects.update(state=TraderState.WAITING)
    traders.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 2
    row = reconcile(Venue.MOCK, exchange)
    assert (row.stopped, row.left) == ("", 1)
    assert late.client_order_id in row.text
    assert Reconciliation.objects.count() == 1


def test_late_order_of_an_ended_trader_is_taken_back_though_its_bell_is_lost(
    trader: Trader, exchange: ScriptedExchange, bells: Bells
) -> None:
    exchange.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, exchange)
    late = only_order(trader)
    Order.objects.update(status=OrderStatus.NOT_PLACED)
    Trader.objects.update(state=TraderState.RETIRED, finished_at=timezone.now())
    traders.ask(late.pk, exchange)
    bells.clear()
    leader.take_back_unwanted(timezone.now() + timedelta(minutes=1))
    assert rung(bells, "cancel") == [late.pk]


# --- a kill between two steps ----------------------------------------------------------------------------
def test_trader_that_got_an_order_back_is_woken_also_after_a_kill(
    trader: Trader, exchange: ScriptedExchange, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nothing would arm its rebuy and its stops while the order rests."""
    Trader.objects.update(created_at=timezone.now() - timedelta(hours=1))
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(2900), D("0.05"), f"hh-{trader.pk}-b-1", 0))

    def killed(*args: object, **options: object) -> None:
        raise SystemExit

    monkeypatch.setattr(orphans, "_wake", killed)
    with pytest.raises(SystemExit):
        reconcile(Venue.MOCK, exchange)
    assert fresh(trader).state == TraderState.BUYING
    leader.nudge_whoever_is_due(timezone.now() + timedelta(seconds=1))
    assert rung(bells, "nudge") == [trader.pk]


def test_stop_whose_cancel_fails_for_minutes_is_tried_until_it_succeeds(
    trader: Trader, exchange: ScriptedExchange, bells: Bells
) -> None:
    Trader.objects.update(strategy_settings={**fresh(trader).strategy_settings, "stop_loss_interval": "0.05"})
    traders.wake(trader.pk, TRADE, exchange)
    traders.hear(exchange.fill_all(only_order(trader).client_order_id), "report", exchange)
    sale = only_order(trader, Side.SELL)
    cancel = exchange.cancel

    def fails(symbol: str, client_order_id: str) -> OrderReport:
        raise NotSent("no connection")

    exchange.cancel = fails  # type: ignore[method-assign]
    deep = type(TRADE)("ETHUSDT", 2, D(2800), 0)
    with pytest.raises(NotSent):
        traders.wake(trader.pk, deep, exchange)
    now = timezone.now()
    for seconds in range(10, 180, 10):
        bells.clear()
        leader.take_back_unwanted(now + timedelta(seconds=seconds))
        assert rung(bells, "cancel") == [sale.pk]
        with pytest.raises(NotSent):
            traders.cancel(sale.pk, exchange, now=now + timedelta(seconds=seconds))
        traders.note_failure(trader.pk, NotSent("no connection"))
        look_again(trader, exchange)
        traders.wake(trader.pk, deep, exchange)
    assert len(exchange.placed) == 2
    exchange.cancel = cancel  # type: ignore[method-assign]
    traders.cancel(sale.pk, exchange, now=now + timedelta(minutes=5))
    assert [order.type for order in exchange.placed] == ["LIMIT", "LIMIT", "MARKET"]


# --- Redis that is older or newer than the database -------------------------------------------------------
@pytest.mark.parametrize("is_ended", [False, True])
def test_trader_of_a_database_that_began_anew_is_armed_though_redis_remembers_a_later_turn(
    trader: Trader, redis_client: "redis.Redis", is_ended: bool
) -> None:
    """Redis keeps its file where the database was restored or made anew: its turns are those of another trader."""
    if is_ended:
        redis_client.zadd(triggers.ENDED, {str(trader.pk): 1})
    else:
        redis_client.hset(triggers.TURNS, str(trader.pk), 50)
    publish_price(redis_client, "3000")
    Trader.objects.update(wake_below=D(3000))
    leader.rearm_sleepers(timezone.now())
    assert redis_client.zscore(triggers.key_below("mock", "ETHUSDT"), str(trader.pk)) == 3000.0
    # What it saves from now on is copied.
    traders.wake(trader.pk, NUDGE, ScriptedExchange())
    assert int(redis_client.hget(triggers.TURNS, str(trader.pk)) or 0) == fresh(trader).turn


def test_order_of_two_kinds_of_doubt_stays_one(trader: Trader, exchange: ScriptedExchange) -> None:
    """A denied order whose report comes in between is known again."""
    exchange.after.append(answer_lost)
    traders.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    kept = dict(exchange.kept)
    exchange.kept.clear()
    traders.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=3))
    traders.hear(kept[order.client_order_id], "report", exchange)
    traders.ask(order.pk, exchange, now=later(order) + timedelta(seconds=10))
    assert only_order(trader).status == OrderStatus.NEW
