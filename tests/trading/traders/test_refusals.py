"""What a trader does when the exchange says no, says nothing clear, or tells of another order."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
import redis
from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.venues import Venue
from streamer.topics import report_topic
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost, raises
from tests.support.rows import make_trader
from tests.support.settings import give
from tests.trading.traders.test_traders import RECHECK, TRADE, fresh, later, look_again, only_order
from trading import tasks
from trading.core.journal import Kind, Source
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.dispatch import GROUP, acknowledge, deliveries
from trading.exchange.errors import NotSent, OutcomeUnknown, Refused, Throttled, Why
from trading.exchange.protocol import NewOrder
from trading.models import Fill as FillRow
from trading.models import JournalEntry, Listing, Order, Trader
from trading.models.symbols import Slots, bounds_of, forget_filters
from trading.risk import gate
from trading.symbols import listings, refreshing
from trading.traders import acting, calls
from trading.traders.rejections import not_taken

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


@pytest.fixture(autouse=True)
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    queued: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: queued.append((task, kwargs)))
    return queued


def wait_s(trader: Trader) -> float:
    retry_at = fresh(trader).retry_at
    assert retry_at is not None
    return (retry_at - timezone.now()).total_seconds()


# --- refusals ---------------------------------------------------------------------------------------------
def test_missing_balance_says_what_is_missing_and_has_the_books_compared(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    text = "The free balance is less than the order needs (-2010)"
    exchange.before += [raises(Refused(text, -2010, Why.BALANCE))] * 2
    acting.wake(trader.pk, TRADE, exchange)
    assert fresh(trader).error == (
        "The buy needs 199.8999 USDT, more than the free balance: "
        "add funds, lower the budget or cancel other orders (-2010)"
    )
    assert only_order(trader).status == OrderStatus.REJECTED
    assert wake_ups == [("trading.tasks.reconcile", {"venue": "mock", "entry": None})]
    assert 0 < wait_s(trader) <= 1
    look_again(trader, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    assert 1 < wait_s(trader) <= 2


@pytest.mark.parametrize(
    ("venue", "reset"),
    [
        (Venue.MOCK, ", locked by other orders or gone with a reset of the mock account (-2010)"),
        (Venue.TESTNET, ", locked by other orders or gone with testnet's monthly reset (-2010)"),
        (Venue.LIVE, " or locked by other orders (-2010)"),
    ],
)
def test_sale_of_what_the_account_has_no_more_asks_for_no_funds(venue: Venue, reset: str, trader: Trader) -> None:
    row = Order(venue=venue, symbol=trader.symbol, side=Side.SELL, price=D(3000), quantity=D("0.0665"))
    told = not_taken(row, Refused("The free balance is less than the order needs (-2010)", -2010, Why.BALANCE)).text
    assert told == f"The sell needs 0.0665 ETH, more than the free balance: it may be sold by hand{reset}"


def test_closed_market_has_its_listing_asked_at_once_which_holds_orders_back_from_then_on(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    exchange.before.append(raises(Refused("Market is closed. (-2010)", -2010, Why.MARKET_CLOSED)))
    acting.wake(trader.pk, TRADE, exchange)
    assert fresh(trader).error == "ETHUSDT cannot be traded now: Market is closed. (-2010)"
    assert wait_s(trader) <= 1
    assert wake_ups == [("trading.tasks.refresh_listing", {"symbol": "ETHUSDT", "venue": "mock"})]


def test_filter_that_refuses_has_the_symbols_filters_asked_at_once(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    exchange.before.append(raises(Refused("Filter failure: LOT_SIZE (-1013)", -1013, Why.FILTER)))
    acting.wake(trader.pk, TRADE, exchange)
    assert wake_ups == [("trading.tasks.refresh_listing", {"symbol": "ETHUSDT", "venue": "mock"})]
    assert wait_s(trader) <= 1


def test_refusal_is_booked_also_where_nothing_can_be_queued(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **options: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(current_app, "send_task", away)
    exchange.before.append(raises(Refused("Filter failure: LOT_SIZE (-1013)", -1013, Why.FILTER)))
    acting.wake(trader.pk, TRADE, exchange)
    assert only_order(trader).status == OrderStatus.REJECTED


def test_listing_is_asked_once_for_many_refusals(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(listings, "refresh", lambda symbol, venue, at: asked.append(symbol.name))
    refreshing.refresh_listing("ETHUSDT", gate.Venue.MOCK, exchange)
    assert asked == []  # It is as fresh as can be.
    Listing.objects.update(refreshed_at=timezone.now() - refreshing.JUST_NOW)
    refreshing.refresh_listing("ETHUSDT", gate.Venue.MOCK, exchange)
    assert asked == ["ETHUSDT"]


# --- the gate ---------------------------------------------------------------------------------------------
def test_full_budget_holds_a_trader_back_without_a_row_or_an_error(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Side]] = []

    def full(venue: str, side: Side) -> tuple[str, float] | None:
        told.append((venue, side))
        return ("49 of 50 unfilled orders in 10 s: waits 4 s", 4.0) if side == Side.BUY else None

    monkeypatch.setattr(gate, "why_wait", full)
    acting.wake(trader.pk, TRADE, exchange)
    denied = fresh(trader)
    assert (Order.objects.count(), denied.waits_for, denied.error, denied.failures) == (
        0,
        "49 of 50 unfilled orders in 10 s: waits 4 s",
        "",
        0,
    )
    assert 3 < wait_s(trader) < 5
    assert JournalEntry.objects.get().reason == "rate limit: no capacity for a buy"
    monkeypatch.setattr(gate, "why_wait", lambda venue, side: None)
    look_again(trader, exchange)
    acting.wake(trader.pk, TRADE, exchange)
    monkeypatch.setattr(gate, "why_wait", full)
    # The way out is asked for by its own name.
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    assert only_order(trader, Side.SELL).status == OrderStatus.NEW
    assert told[-1] == ("mock", Side.SELL)


def test_book_that_is_full_of_our_orders_takes_no_more_buys(trader: Trader, exchange: ScriptedExchange) -> None:
    Listing.objects.update(filters=[{"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 1}])
    forget_filters()
    give(slots=Slots.TOGETHER)
    acting.wake(trader.pk, TRADE, exchange)
    other = make_trader(trader.symbol, 2)
    acting.wake(other.pk, TRADE, exchange)
    assert len(exchange.placed) == 1
    assert fresh(other).waits_for == "max open orders of ETHUSDT at mock reached: 1 of 1"
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    assert only_order(trader, Side.SELL).status == OrderStatus.NEW


def test_bounds_are_read_from_the_filters_of_exchange_info() -> None:
    by_side = {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "5",
        "bidMultiplierDown": "0.2",
        "askMultiplierUp": "4",
        "askMultiplierDown": "0.3",
        "avgPriceMins": 5,
    }
    found = bounds_of([by_side, {"filterType": "MAX_POSITION", "maxPosition": "10.5"}])
    assert found == {
        "buy_factor_min": D("0.2"),
        "buy_factor_max": D(5),
        "sell_factor_min": D("0.3"),
        "sell_factor_max": D(4),
        "max_market_quantity": 0,
        "market_step": 0,
        "max_position": D("10.5"),
        "max_orders": 0,
    }
    both = bounds_of([{"filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7"}])
    assert (both["buy_factor_min"], both["sell_factor_max"]) == (D("0.7"), D("1.3"))
    assert set(bounds_of([]).values()) == {0}


# --- unclear outcomes -------------------------------------------------------------------------------------
def test_old_order_of_the_same_id_is_not_taken_for_ours(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.before.append(raises(OutcomeUnknown("connection reset")))
    acting.wake(trader.pk, TRADE, exchange)
    ours = only_order(trader)
    long_ago = ours.submitted_at - timedelta(days=2)
    namesake = OrderReport(
        ours.client_order_id, 7, "ETHUSDT", Side.BUY, OrderStatus.FILLED, D(2000), D(1), D(1),
        placed_ms=round(long_ago.timestamp() * 1000),
    )  # fmt: skip
    monkeypatch.setattr(exchange, "order", lambda symbol, client_order_id: namesake)
    acting.ask(ours.pk, exchange, now=later(ours))
    assert only_order(trader).status == OrderStatus.SUBMITTING
    acting.ask(ours.pk, exchange, now=later(ours) + calls.NOT_FOUND_FOR)
    assert (only_order(trader).status, only_order(trader).executed) == (OrderStatus.NOT_PLACED, D(0))


def test_clock_in_a_wrong_time_zone_makes_no_order_of_ours_a_stranger(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    ours = only_order(trader)
    placed = round((ours.submitted_at - timedelta(hours=14)).timestamp() * 1000)
    there = exchange.kept[ours.client_order_id]
    exchange.kept[ours.client_order_id] = OrderReport(**{**vars(there), "placed_ms": placed})
    acting.ask(ours.pk, exchange, now=later(ours))
    assert only_order(trader).status == OrderStatus.NEW


def test_report_that_is_quicker_than_the_lost_answer_is_not_unsaid(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    def reported_then_lost(order: Any) -> None:
        acting.hear(exchange.kept[order.client_order_id], Source.REPORT, exchange)
        raise OutcomeUnknown("read timed out")

    exchange.after.append(reported_then_lost)
    acting.wake(trader.pk, TRADE, exchange)
    assert only_order(trader).status == OrderStatus.NEW
    assert "unconfirmed" not in fresh(trader).waits_for
    assert fresh(trader).error == ""


def test_order_that_shows_after_its_trader_ended_is_cancelled(
    trader: Trader, exchange: ScriptedExchange, wake_ups: list[tuple[str, dict[str, Any]]]
) -> None:
    exchange.after.append(answer_lost)
    acting.wake(trader.pk, TRADE, exchange)
    ours = only_order(trader)
    Order.objects.update(status=OrderStatus.NOT_PLACED)
    Trader.objects.update(state=TraderState.RETIRED, finished_at=timezone.now())
    acting.ask(ours.pk, exchange)
    assert wake_ups == [("trading.tasks.cancel", {"trader": trader.pk, "symbol": "ETHUSDT", "order": ours.pk})]
    acting.cancel(ours.pk, exchange)
    assert only_order(trader).status == OrderStatus.CANCELED


# --- ends that nobody asked for -----------------------------------------------------------------------------
def test_self_trade_prevention_makes_ever_longer_pauses(trader: Trader, exchange: ScriptedExchange) -> None:
    def meets_another_of_ours(order: NewOrder) -> None:
        exchange.end(order.client_order_id, OrderStatus.EXPIRED_IN_MATCH)

    pauses = []
    for _ in range(6):
        exchange.after.append(meets_another_of_ours)
        acting.wake(trader.pk, TRADE, exchange)
        pauses.append(round(wait_s(trader)))
        look_again(trader, exchange)
    assert pauses == [5, 10, 20, 40, 60, 60]
    assert len(exchange.placed) == 6
    assert JournalEntry.objects.filter(kind=Kind.PAUSED).count() == 6


def test_sale_that_its_owner_cancelled_is_placed_again_after_a_pause(
    trader: Trader, exchange: ScriptedExchange
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(exchange.fill_all(only_order(trader).client_order_id), Source.REPORT, exchange)
    acting.hear(
        exchange.end(only_order(trader, Side.SELL).client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange
    )
    assert (fresh(trader).state, len(exchange.placed)) == (TraderState.HOLDING, 2)
    assert fresh(trader).waits_for == "its sell was cancelled: selling again after a pause"
    look_again(trader, exchange)
    assert Order.objects.filter(side=Side.SELL, status=OrderStatus.NEW).count() == 1


# --- commissions in a third asset -----------------------------------------------------------------------------
def fill_for_bnb(exchange: ScriptedExchange, row: Order, commission: str) -> OrderReport:
    report = exchange.fill_all(row.client_order_id)
    fill = Fill(**{**vars(report.fills[0]), "commission": D(commission), "commission_asset": "BNB"})
    return OrderReport(**{**vars(report), "fills": (fill,)})


def cycle_for_bnb(trader: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(fill_for_bnb(exchange, only_order(trader), "0.0002"), Source.REPORT, exchange)
    acting.hear(fill_for_bnb(exchange, only_order(trader, Side.SELL), "0.0003"), Source.REPORT, exchange)


def test_commissions_in_bnb_are_valued_once_and_the_profit_is_net_of_them(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def price(symbol: str) -> D:
        asked.append(symbol)
        return D(600)

    monkeypatch.setattr(exchange, "price", price)
    cycle_for_bnb(trader, exchange)
    ended = fresh(trader)
    assert asked == ["BNBUSDT"] * 2
    # All that was bought is owned, and sold.
    assert (ended.state, ended.leftover, only_order(trader, Side.SELL).quantity) == (
        TraderState.FINISHED,
        D(0),
        D("0.0667"),
    )
    # 2997 and 0.12 / 0.0667 of commission, 0.1 % profit, and 0.1 % for the sale; 3005.99 by our rate.
    assert ended.profit == D("0.0667") * (D("3004.79") - D(2997)) - D("0.0005") * 600
    assert not ended.has_unvalued_fees
    worth = FillRow.objects.order_by("trade_id").values_list("commission_asset", "commission", "commission_quote")
    assert list(worth) == [("BNB", D("0.0002"), D("0.12")), ("BNB", D("0.0003"), D("0.18"))]
    lines = JournalEntry.objects.filter(kind=Kind.VALUED).order_by("pk")
    assert [(line.decision, line.reason) for line in lines] == [
        ("commissions of 0.0002 BNB valued", "BNBUSDT at 600"),
        ("commissions of 0.0003 BNB valued", "BNBUSDT at 600"),
    ]


def test_commission_that_no_pair_values_is_unknown_and_everything_says_so(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_pair(symbol: str) -> D:
        raise Refused("Invalid symbol. (-1121)", -1121)

    monkeypatch.setattr(exchange, "price", no_such_pair)
    cycle_for_bnb(trader, exchange)
    ended = fresh(trader)
    # What is known, and that it is not all. The sale was priced by our rate.
    assert (ended.profit, ended.has_unvalued_fees) == (D("0.0667") * (D("3005.99") - D(2997)), True)
    assert set(FillRow.objects.values_list("commission_quote", "is_unvaluable")) == {(None, True)}
    line = JournalEntry.objects.filter(kind=Kind.UNVALUABLE).earliest("pk")
    assert line.decision == "commissions of 0.0002 BNB cannot be valued"
    assert line.reason == "no pair of BNB and USDT is listed, nor one of each with USDT or BTC"
    end = JournalEntry.objects.get(kind=Kind.ENDED)
    assert end.reason.endswith("USDT less commissions of unknown value")


def test_cycle_waits_for_a_price_that_can_not_be_asked_now(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [Throttled("wait", 2.0), NotSent("no connection"), NotSent("no line")]

    def price(symbol: str) -> D:
        if errors:
            raise errors.pop()
        return D(600)

    monkeypatch.setattr(exchange, "price", price)
    with pytest.raises(NotSent, match="no connection"):
        cycle_for_bnb(trader, exchange)
    # The sale did not wait: it was priced by our rate.
    assert only_order(trader, Side.SELL).price == D("3005.99")
    line = JournalEntry.objects.get(kind=Kind.UNVALUED)
    assert line.reason == "no line"
    # As the task does: it is tried again later.
    assert (fresh(trader).state, fresh(trader).has_ended) == (TraderState.HOLDING, False)
    Trader.objects.update(retry_at=timezone.now())
    with pytest.raises(Throttled):
        acting.wake(trader.pk, RECHECK, exchange)
    look_again(trader, exchange)
    ended = fresh(trader)
    assert (ended.state, ended.has_unvalued_fees) == (TraderState.FINISHED, False)
    assert ended.profit == D("0.0667") * (D("3005.99") - D(2997)) - D("0.0005") * 600


# --- fills that are not listed yet -------------------------------------------------------------------------------
def test_fills_that_the_exchange_does_not_list_yet_are_asked_for_again_soon(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    buy = only_order(trader)
    exchange.fill_all(buy.client_order_id)
    acting.hear(exchange.order("ETHUSDT", buy.client_order_id), Source.REPORT, exchange)
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "fills", lambda symbol, order: ())
        look_again(trader, exchange)
    assert 0 < wait_s(trader) <= 1
    look_again(trader, exchange)
    assert only_order(trader, Side.SELL).status == OrderStatus.NEW


def test_nobody_asks_for_fills_while_they_are_being_asked_for(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    buy = only_order(trader)
    exchange.fill_all(buy.client_order_id)
    acting.hear(exchange.order("ETHUSDT", buy.client_order_id), Source.REPORT, exchange)
    waits: list[float] = []

    def slow(symbol: str, order: int) -> tuple[Fill, ...]:
        waits.append(wait_s(trader))
        acting.wake(trader.pk, RECHECK, exchange)
        return exchange.kept[buy.client_order_id].fills

    monkeypatch.setattr(exchange, "fills", slow)
    look_again(trader, exchange)
    assert len(waits) == 1
    assert waits[0] > 8
    assert only_order(trader, Side.SELL).status == OrderStatus.NEW


# --- a report that can't be booked ------------------------------------------------------------------------------
def test_report_that_never_can_be_booked_is_given_up_and_the_exchange_asked_instead(
    trader: Trader,
    exchange: ScriptedExchange,
    wake_ups: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    ours = only_order(trader)
    acknowledged: list[str] = []
    delivered = iter(range(1, 9))
    monkeypatch.setattr(tasks, "acknowledge", lambda client, venue, entry: acknowledged.append(entry))
    monkeypatch.setattr(tasks, "deliveries", lambda client, venue, entry: next(delivered))
    data = {"e": "executionReport", "c": ours.client_order_id, "X": "NEVER_HEARD_OF"}

    def deliver() -> None:
        tasks.report(trader.pk, "ETHUSDT", "mock", "1-0", data)

    for _ in range(tasks.GIVE_UP_AFTER - 1):
        with pytest.raises(KeyError):
            deliver()
    assert (acknowledged, wake_ups) == ([], [])
    deliver()
    assert acknowledged == ["1-0"]
    assert wake_ups == [("trading.tasks.ask", {"trader": trader.pk, "symbol": "ETHUSDT", "order": ours.pk})]
    assert JournalEntry.objects.filter(kind=Kind.NOT_BOOKED, order=ours).exists()


def test_deliveries_are_counted_until_the_entry_is_acknowledged(redis_client: "redis.Redis") -> None:
    topic = report_topic("mock")
    entry = str(redis_client.xadd(topic, {"kind": "event", "data": "{}"}), "utf-8")  # type: ignore[arg-type]
    redis_client.xgroup_create(topic, GROUP, id="0")
    redis_client.xreadgroup(GROUP, "one", {topic: ">"})
    assert deliveries(redis_client, "mock", entry) == 1
    redis_client.xautoclaim(topic, GROUP, "two", 0)
    assert deliveries(redis_client, "mock", entry) == 2
    acknowledge(redis_client, "mock", entry)
    assert deliveries(redis_client, "mock", entry) == 0
