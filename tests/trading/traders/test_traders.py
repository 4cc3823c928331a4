"""How a trader acts: save, commit, call, record; and what it does when the answer is not what it hoped for."""

from datetime import datetime, timedelta
from decimal import Decimal as D

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from hedgehog_project.redis import connect
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost, raises
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.errors import KeyRejected, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.order_ids import Name, new_client_order_id, new_identity, read, trader_of
from trading.exchange.protocol import ARRIVES_WITHIN, ExchangeAt, NewOrder
from trading.models import Fill, JournalEntry, Order, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.traders import acting, calls, cycle_end
from trading.waking import triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
RECHECK = Recheck("test")


def fresh(trader: Trader) -> Trader:
    return Trader.objects.select_related("symbol").get(pk=trader.pk)


def only_order(trader: Trader, side: Side = Side.BUY) -> Order:
    return Order.objects.get(trader=trader, side=side)


def later(order: Order) -> datetime:
    """When an order can't arrive any more, and the exchange's "no such order" begins to count."""
    return order.submitted_at + ARRIVES_WITHIN + timedelta(milliseconds=1)


def look_again(trader: Trader, exchange: ExchangeAt) -> None:
    """Its time to try again has come, and the leader nudges it."""
    Trader.objects.filter(pk=trader.pk).update(retry_at=timezone.now())
    acting.wake(trader.pk, RECHECK, exchange)


def run_cycle(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    for side in Side:
        order = only_order(trader, side)
        acting.hear(exchange.fill_all(order.client_order_id), Source.REPORT, exchange)


def test_whole_cycle_buys_sells_what_it_owns_and_books_its_profit(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange, "task-1")
    buy = only_order(trader)
    assert (buy.status, buy.price, buy.quantity) == (OrderStatus.NEW, D("2997"), D("0.0667"))
    assert fresh(trader).state == TraderState.BUYING
    half = D("0.03")
    assert not acting.hear(exchange.fill(buy.client_order_id, half), Source.REPORT, exchange)
    assert not acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    sell = only_order(trader, Side.SELL)
    # 0.0667 less 0.1 %, in whole steps
    assert (sell.status, sell.price, sell.quantity) == (OrderStatus.NEW, D("3006"), D("0.0666"))
    assert acting.hear(exchange.fill_all(sell.client_order_id), Source.REPORT, exchange)
    ended = fresh(trader)
    assert (ended.state, ended.leftover) == (TraderState.FINISHED, D("0.0000333"))
    # 0.0666 x 3006, less 0.1 %, less 0.0666 / 0.0666333 of 0.0667 x 2997
    assert ended.profit == D("0.1994004")
    assert Fill.objects.filter(order__trader=trader).count() == 3
    story = JournalEntry.objects.filter(trader=trader).values_list("source", "kind", "order__side", "status")
    assert list(story) == [
        (Source.TRADE, Kind.ORDERED, Side.BUY, OrderStatus.SUBMITTING),
        (Source.ANSWER, Kind.BOOKED, Side.BUY, OrderStatus.NEW),
        (Source.REPORT, Kind.BOOKED, Side.BUY, OrderStatus.PARTIALLY_FILLED),
        (Source.REPORT, Kind.BOOKED, Side.BUY, OrderStatus.FILLED),
        (Source.REPORT, Kind.ORDERED, Side.SELL, OrderStatus.SUBMITTING),
        (Source.ANSWER, Kind.BOOKED, Side.SELL, OrderStatus.NEW),
        (Source.REPORT, Kind.BOOKED, Side.SELL, OrderStatus.FILLED),
        (Source.REPORT, Kind.ENDED, None, ""),
    ]
    assert JournalEntry.objects.filter(trader=trader, task_id="task-1").exists()


def test_intent_is_committed_before_the_exchange_is_called(trader: Trader, exchange: ScriptedExchange) -> None:
    seen = []

    def look(order: NewOrder) -> None:
        assert not transaction.get_connection().in_atomic_block
        seen.append(Order.objects.get(client_order_id=order.client_order_id).status)

    exchange.before.append(look)
    acting.wake(trader.pk, TRADE, exchange)
    assert seen == [OrderStatus.SUBMITTING]


def test_waking_twice_buys_once(trader: Trader, exchange: ScriptedExchange) -> None:
    for _ in range(3):
        acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


def test_lost_answer_is_asked_about_not_resent(trader: Trader, exchange: ScriptedExchange) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    assert order.status == OrderStatus.SUBMITTING
    assert "unconfirmed" in fresh(trader).waits_for
    for event in (TRADE, RECHECK):
        acting.wake(trader.pk, event, exchange)
    assert len(exchange.placed) == 1
    acting.ask(order.pk, exchange)
    assert only_order(trader).status == OrderStatus.NEW
    assert fresh(trader).error == ""


def test_lost_answer_of_an_order_that_filled_meanwhile_is_sold(trader: Trader, exchange: ScriptedExchange) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.fill_all(order.client_order_id)
    acting.ask(order.pk, exchange)
    assert only_order(trader).status == OrderStatus.FILLED
    assert only_order(trader, Side.SELL).quantity == D("0.0666")


def test_order_that_never_arrived_is_sent_again_only_once_proven_absent(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.before.append(raises(OutcomeUnknown("connection reset")))
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=2))
    acting.wake(trader.pk, TRADE, exchange)
    acting.ask(order.pk, exchange, now=later(order))
    assert only_order(trader).status == OrderStatus.SUBMITTING
    acting.ask(order.pk, exchange, now=later(order) + calls.NOT_FOUND_FOR)
    order.refresh_from_db()
    assert order.status == OrderStatus.NOT_PLACED
    assert fresh(trader).wake_below == ANY_PRICE
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    assert exchange.placed[0].client_order_id != order.client_order_id


def test_order_that_arrives_while_it_is_asked_about_is_kept(trader: Trader, exchange: ScriptedExchange) -> None:
    exchange.before.append(raises(OutcomeUnknown("timed out")))
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    acting.ask(order.pk, exchange, now=order.submitted_at + timedelta(seconds=3))
    exchange.place(NewOrder("ETHUSDT", Side.BUY, order.price, order.quantity, order.client_order_id, 0))
    acting.ask(order.pk, exchange, now=later(order))
    assert only_order(trader).status == OrderStatus.NEW


@pytest.mark.parametrize(
    ("error", "status", "wait_s"),
    [
        (Refused("Filter failure: NOTIONAL", -1013), OrderStatus.REJECTED, 1),
        (Throttled("too many orders", 10.0), OrderStatus.NOT_PLACED, 10),
        (NotSent("no connection"), OrderStatus.NOT_PLACED, 1),
        (KeyRejected("wrong key", -2015), OrderStatus.REJECTED, 60),
    ],
)
def test_order_that_was_not_taken_is_tried_again_after_a_wait(
    trader: Trader, exchange: ScriptedExchange, error: Exception, status: OrderStatus, wait_s: int
) -> None:
    exchange.before.append(raises(error))
    acting.wake(trader.pk, TRADE, exchange)
    assert only_order(trader).status == status
    waiting = fresh(trader)
    assert waiting.state == TraderState.WAITING
    assert waiting.error == str(error)
    assert waiting.retry_at is not None
    # Up to a second more, so that not all come at one moment.
    assert timedelta(seconds=wait_s - 1) < waiting.retry_at - timezone.now() <= timedelta(seconds=wait_s + 1)
    for old_wake_up in (TRADE, RECHECK):
        acting.wake(trader.pk, old_wake_up, exchange)
    assert exchange.placed == []
    # The leader's nudge arms it again, and the next trade buys.
    Trader.objects.update(retry_at=timezone.now())
    acting.wake(trader.pk, RECHECK, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    assert (fresh(trader).error, fresh(trader).failures) == ("", 0)


def test_waits_grow_up_to_a_minute(trader: Trader) -> None:
    waits = []
    for _ in range(8):
        acting.note_failure(trader.pk, ValueError("broken"))
        retry_at = fresh(trader).retry_at
        assert retry_at is not None
        waits.append(round((retry_at - timezone.now()).total_seconds()))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert fresh(trader).error == "ValueError: broken"
    assert JournalEntry.objects.filter(trader=trader, kind=Kind.FAILED).count() == 1


def test_refused_sale_keeps_what_it_holds_and_is_tried_again(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    exchange.before.append(raises(Refused("insufficient balance", -2010)))
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    assert fresh(trader).state == TraderState.HOLDING
    Trader.objects.update(retry_at=timezone.now())
    acting.wake(trader.pk, RECHECK, exchange)
    assert Order.objects.filter(trader=trader, side=Side.SELL, status=OrderStatus.NEW).count() == 1


def test_fill_without_its_details_is_fetched_before_the_sale(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    buy = only_order(trader)
    exchange.fill_all(buy.client_order_id)
    acting.hear(exchange.order("ETHUSDT", buy.client_order_id), Source.REPORT, exchange)
    assert not Order.objects.filter(side=Side.SELL).exists()
    assert fresh(trader).retry_at is not None
    Trader.objects.update(retry_at=timezone.now())
    acting.wake(trader.pk, RECHECK, exchange)
    assert only_order(trader, Side.SELL).quantity == D("0.0666")


def test_cancel_by_its_owner_buys_anew_after_a_pause(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(exchange.end(only_order(trader).client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange)
    paused = fresh(trader)
    assert (paused.state, paused.waits_for) == (
        TraderState.WAITING,
        "its buy was cancelled: buying again after a pause",
    )
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    look_again(trader, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 2


def test_order_that_the_exchange_forgot_ends(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    order = only_order(trader)
    exchange.kept.clear()
    acting.ask(order.pk, exchange)
    acting.ask(order.pk, exchange, now=later(order))
    assert only_order(trader).status == OrderStatus.NEW  # A fresh "no such order" proves nothing.
    acting.ask(order.pk, exchange, now=later(order) + calls.FORGOTTEN_AFTER)
    assert only_order(trader).status == OrderStatus.NOT_FOUND
    look_again(trader, exchange)
    assert fresh(trader).wake_below == ANY_PRICE


def test_report_of_a_stranger_changes_nothing(trader: Trader, exchange: ScriptedExchange) -> None:
    exchange.place(NewOrder("ETHUSDT", Side.BUY, D(1), D(1), "somebody-else", 0))
    assert not acting.hear(exchange.fill_all("somebody-else"), Source.REPORT, exchange)
    assert Fill.objects.count() == 0


def test_repeated_report_after_the_end_changes_nothing(trader: Trader, exchange: ScriptedExchange) -> None:
    run_cycle(trader, exchange)
    before = (fresh(trader).profit, JournalEntry.objects.count(), Fill.objects.count())
    for report in list(exchange.kept.values()):
        assert not acting.hear(report, Source.REPORT, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    assert before == (fresh(trader).profit, JournalEntry.objects.count(), Fill.objects.count())
    assert len(exchange.placed) == 2


def test_off_places_nothing_and_on_goes_on(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    TradingSettings.objects.update(status=TradingStatus.OFF)
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    assert len(exchange.placed) == 1
    assert "off" in fresh(trader).waits_for
    TradingSettings.objects.update(status=TradingStatus.ON)
    acting.wake(trader.pk, RECHECK, exchange)
    assert len(exchange.placed) == 1
    acting.wake(trader.pk, Recheck("its owner asked", is_urgent=True), exchange)
    assert len(exchange.placed) == 2


def test_buy_that_can_not_work_is_looked_at_again_later_and_written_once(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    Trader.objects.update(budget=D(1))
    for _ in range(3):
        acting.wake(trader.pk, TRADE, exchange)
        assert "min notional" in fresh(trader).waits_for
        Trader.objects.update(retry_at=timezone.now())
        acting.wake(trader.pk, RECHECK, exchange)
    assert JournalEntry.objects.filter(kind=Kind.WAITED).count() == 1


def test_trigger_in_redis_follows_the_row(trader: Trader, exchange: ScriptedExchange) -> None:
    key = triggers.key_below("mock", "ETHUSDT")
    acting.wake(trader.pk, RECHECK, exchange)
    assert connect().zscore(key, str(trader.pk)) == float(ANY_PRICE)
    acting.wake(trader.pk, TRADE, exchange)
    assert connect().zscore(key, str(trader.pk)) is None


def test_two_live_traders_in_one_slot_are_refused_by_the_database(trader: Trader) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Trader.objects.create(symbol=trader.symbol, venue=trader.venue, slot=1, budget=D(1))


def test_two_open_buys_of_one_trader_are_refused_by_the_database(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    row = only_order(trader)
    row.pk, row.client_order_id = None, "another"
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_retiring_spares_a_trader_that_has_ordered(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    assert not cycle_end.retire(trader.pk, "test")
    assert fresh(trader).finished_at is None


def test_abandoning_needs_all_orders_ended_and_keeps_the_amount(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    assert not cycle_end.abandon(trader.pk, "admin")
    TradingSettings.objects.update(status=TradingStatus.OFF)
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    assert cycle_end.abandon(trader.pk, "admin")
    assert (fresh(trader).state, fresh(trader).leftover) == (TraderState.ABANDONED, D("0.0666333"))


def test_client_order_ids_keep_to_the_alphabet_and_length_of_binance() -> None:
    longest = 10**10 - 1
    ids = {new_client_order_id(new_identity(), longest, side) for side in Side for _ in range(100)}
    assert len(ids) == 200
    assert all(len(each) <= 36 and each.replace("-", "").isalnum() for each in ids)
    assert {read(each) is not None and trader_of(each) for each in ids} == {longest}


@pytest.mark.parametrize(
    ("client_order_id", "name"),
    [
        ("hh-k7m2x9-12-b-0f", Name("k7m2x9", 12)),
        ("hh-234567-12-s-0f", Name("234567", 12)),
        ("hh-12-b-0f1e2d3c4b5a6978", Name("", 12)),
        ("hh-234567-b-0f", Name("", 234567)),
        ("hh-k7m2xo-12-b-0f", None),  # o is in no identity
        ("hh-k7m2x9-b-0f", None),
        ("hh-k7m2x9-12-x-0f", None),
        ("hh-12-b-", None),
        ("hh-x-b-0f", None),
        ("web-12-b-0f", None),
        ("hh-", None),
    ],
)
def test_client_order_id_names_its_installation_and_its_trader(client_order_id: str, name: Name | None) -> None:
    assert read(client_order_id) == name
