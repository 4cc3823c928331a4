"""Fills as marks, orders and prices in mind as lines, slots as rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.chart import own
from console.chart.cycle import cycle, interval_of
from console.chart.standing import Slot, Standing, standing
from console.why import SlotLine
from hedgehog_project.venues import Venue
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from tests.support.settings import give
from trading.core.decisions import ANY_PRICE, Level
from trading.core.orders import OrderStatus, Side
from trading.core.position import TraderState
from trading.models import Fill, Order, Symbol, Trader, TradingSettings

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fill_at(order: Order, second: int, trade_id: int, quantity: str, price: str) -> Fill:
    amounts = {"quantity": D(quantity), "price": D(price), "quote": D(quantity) * D(price)}
    return Fill.objects.create(
        order=order, trade_id=trade_id, traded_at=NOON + timedelta(seconds=second), commission=D(0), **amounts
    )


def sold(trader: Trader, quantity: str = "2") -> Order:
    amounts = {"quantity": D(quantity), "executed": D(quantity), "price": D(110)}
    return make_order(trader, Side.SELL, OrderStatus.FILLED, **amounts)


def test_fills_of_one_candle_and_side_are_one_mark(symbol: Symbol) -> None:
    first, second = make_cycle(symbol, "6", NOON + timedelta(hours=1)), make_trader(symbol)
    for trader, trade_id in ((first, 1), (second, 2)):
        fill_at(make_order(trader, status=OrderStatus.FILLED), 10 + trade_id, trade_id, "1", f"{99 + trade_id}")
    sell = sold(first)
    fill_at(sell, 70, 3, "0.5", "110")
    fill_at(sell, 130, 4, "1.5", "110")
    found = own.marks(symbol, Venue.MOCK, NOON, 60)
    noon = int(NOON.timestamp())
    assert found == [
        [noon, "B", 2, 2.0, 100.5, None, noon + 11, noon + 12],
        # A quarter and three quarters of the cycle's profit.
        [noon + 60, "S", 1, 0.5, 110.0, 1.5, noon + 70, noon + 70],
        [noon + 120, "S", 1, 1.5, 110.0, 4.5, noon + 130, noon + 130],
    ]
    assert own.marks(symbol, Venue.MOCK, NOON + timedelta(seconds=100), 60) == found[2:]
    assert own.marks(symbol, Venue.TESTNET, NOON, 60) == []
    assert [mark[2] for mark in own.marks(symbol, Venue.MOCK, NOON, 60, only=second)] == [1]


def live(symbol: Symbol, slot: int, sells_at: str = "3005.99", **strategy: str) -> Trader:
    """Bought at 2997."""
    settings = {"buy_down_interval": "0.001", "profit_interval": "0.001", **strategy}
    trader = make_trader(symbol, slot, state=TraderState.SELLING, holds=True, strategy_settings=settings)
    make_fill(make_order(trader, exchange_order_id=1), trade_id=slot)
    make_order(trader, Side.SELL, price=D(sells_at), quantity=D("0.0666"), exchange_order_id=2)
    return trader


def texts(symbol: Symbol) -> list[tuple[str, str, str]]:
    of = standing(symbol, Venue.MOCK)
    return [(line.kind, line.text(of), of.price_text(line.price)) for line in own.merged(own.lines_by_slot(of))]


def test_lines_of_equal_prices_are_one(symbol: Symbol) -> None:
    live(symbol, 1)
    live(symbol, 2)
    live(symbol, 3, sells_at="3010")
    assert texts(symbol) == [
        ("order", "slot 3 sells 0.0666", "3,010.00"),
        ("order", "slots 1 and 2 sell 0.1332", "3,005.99"),
        ("entry", "slots 1 and 2 and 3 entries", "2,997.00"),
    ]


def test_stops_and_asked_slots_are_told_on_the_tick_at_which_they_come(symbol: Symbol) -> None:
    give(TradingSettings.objects.filter(symbol=symbol), max_slots=2, rebuy_interval=D("0.01"))
    symbol = Symbol.objects.get(pk=symbol.pk)
    trader = live(symbol, 1, rebuy_interval="0.01", stop_loss_interval="0.021")
    assert texts(symbol)[2:] == [
        ("trigger", "slot 1 asks for slot 2 here", "2,967.02"),  # under 2967.03
        ("trigger", "slot 1 stop", "2,934.06"),  # under 2934.063
    ]
    # Where no slot is left, it asks for none.
    give(TradingSettings.objects.filter(symbol=symbol), max_slots=1)
    assert [text for _, text, _ in texts(Symbol.objects.get(pk=symbol.pk))][2:] == ["slot 1 stop"]
    Trader.objects.filter(pk=trader.pk).update(strategy="gone")
    assert [text for _, text, _ in texts(symbol)] == ["slot 1 sells 0.0666", "slot 1 entry"]


def test_the_chart_asks_each_strategy_once(
    symbol: Symbol, admin_client: Client, redis_client: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in (1, 2):
        live(symbol, slot)
    asked: list[int] = []

    def counted(of: Standing, slot: Slot) -> Sequence[Level]:
        asked.append(slot.trader.slot)
        return ()

    monkeypatch.setattr(own, "levels_of", counted)
    for place in ("chart", "chart_data", "traders"):
        asked.clear()
        answer = admin_client.get(reverse(f"admin:trading_symbol_{place}", args=(symbol.pk,)))
        assert (answer.status_code, asked) == (200, [1, 2])


def test_an_order_that_was_moved_is_a_stepped_line(symbol: Symbol) -> None:
    trader = make_trader(symbol, state=TraderState.SELLING, holds=True)
    make_fill(make_order(trader, exchange_order_id=1))
    moved: dict[str, Any] = {"price": D(3020), "exchange_order_id": 2, "submitted_at": NOON}
    make_order(trader, Side.SELL, OrderStatus.CANCELED, **moved)
    rests: dict[str, Any] = {
        "price": D("3005.99"),
        "exchange_order_id": 3,
        "submitted_at": NOON + timedelta(minutes=9),
    }
    make_order(trader, Side.SELL, **rests)
    of = standing(symbol, Venue.MOCK)
    line = next(line for line in own.merged(own.lines_by_slot(of)) if line.verb == "sells")
    noon = int(NOON.timestamp())
    assert line.steps == ((noon, D(3020)), (noon + 540, D("3005.99")))


def test_slots_say_what_they_hold_and_what_comes_next(symbol: Symbol) -> None:
    held = live(symbol, 1)
    buying = make_trader(symbol, 2, state=TraderState.BUYING)
    make_order(buying, price=D(2990), quantity=D("0.05"))
    make_trader(symbol, 3, wake_below=ANY_PRICE)
    make_trader(symbol, 4, wake_below=D("2963.405"))
    of = standing(symbol, Venue.MOCK)
    told = [SlotLine(5, None, "not open yet"), SlotLine(6, None, "closed by hand", is_closed=True)]
    rows = own.slot_rows(of, own.lines_by_slot(of), told)
    assert [(row.number, row.state, row.entry, row.next_words) for row in rows] == [
        (1, "held", "0.0666333 at 2,997.00", "sells 0.0666 at 3,005.99"),
        (2, "buying", "", "buys 0.0500 at 2,990.00"),
        (3, "waits", "", "buys at the next trade"),
        (4, "waits", "", "asks for a buy at 2,963.40"),
        (5, "free", "", "not open yet"),
        (6, "closed", "", "closed by hand"),
    ]
    assert rows[0].prices == {"target": 3005.99, "entry": 2997.0}
    assert (rows[0].trader_id, rows[1].prices) == (held.pk, {"buy": 2990.0})


def test_an_ended_cycles_orders_end_with_it(symbol: Symbol) -> None:
    trader = live(symbol, 1)
    sell = Order.objects.get(trader=trader, status=OrderStatus.NEW)
    make_fill(sell, trade_id=5)
    ended = timezone.now()
    Trader.objects.filter(pk=trader.pk).update(state=TraderState.FINISHED, finished_at=ended, profit=D("0.5"))
    trader = Trader.objects.get(pk=trader.pk)
    found = cycle(trader, "1m")
    assert [(line["text"], bool(line["until"])) for line in found["lines"]] == [
        ("slot 1 sold 0.0666", True),
        ("slot 1 entry", True),
        ("slot 1 bought 0.0667", True),
    ]
    assert [mark[1] for mark in found["marks"]] == ["B", "S"]
    assert found["problem"]  # Nothing listens at the mock's port.
    assert interval_of(trader) == "1s"


def test_a_cycles_triggers_are_drawn_as_they_moved(symbol: Symbol) -> None:
    trader = live(symbol, 1, stop_loss_interval="0.021")
    # A stop that was moved up twice, and what it would have bought at before.
    trader.moves = [[100, "2980", None], [160, None, None], [200, "2900", None], [300, "2934.063", None]]
    trader.save(update_fields=["moves"])
    found = [line for line in cycle(trader, "1m")["lines"] if line["kind"] == "trigger"]
    assert [(line["text"], line["steps"], line["until"]) for line in found] == [
        ("slot 1 looks below", [[100, 2980.0]], 160),
        ("slot 1 stop", [[200, 2900.0], [300, 2934.06]], None),
    ]
    Trader.objects.filter(pk=trader.pk).update(state=TraderState.FINISHED, finished_at=timezone.now(), profit=D(1))
    found = [line for line in cycle(Trader.objects.get(pk=trader.pk), "1m")["lines"] if line["kind"] == "trigger"]
    assert [bool(line["until"]) for line in found] == [True, True]
