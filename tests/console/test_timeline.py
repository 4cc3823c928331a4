"""A trader's page: its journal as a timeline, and how its profit comes about."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from console.admin import show
from console.admin.timeline import steps, timeline_of
from tests.console.test_overview import publish
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from trading.core.journal import Cause, Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Order, Symbol, Trader
from trading.models.journal import write

pytestmark = pytest.mark.django_db


@pytest.fixture
def cycle(symbol: Symbol) -> Trader:
    """Bought at once, sold in two parts, the second told together with the end."""
    trader = make_trader(symbol, state=TraderState.FINISHED, finished_at=timezone.now(), profit=D("0.1"))
    buy = make_order(trader, price=D(3000), quantity=D("0.1"))
    make_fill(buy)
    sell = make_order(
        trader, Side.SELL, OrderStatus.FILLED, price=D(3010), quantity=D("0.0999"), executed=D("0.0999")
    )
    for number, (quantity, fee) in enumerate((("0.04", "0.1204"), ("0.0599", "0.180299")), 1):
        Fill.objects.create(
            order=sell,
            trade_id=number,
            price=D(3010),
            quantity=D(quantity),
            quote=D(3010) * D(quantity),
            commission=D(fee),
            commission_asset="USDT",
            traded_at=timezone.now(),
        )
    write(trader, Cause(Source.LEADER), Kind.BEGAN, "started", "slot 1 is free")
    trade = Cause(Source.TRADE, "trade 7 at 3001", "task-1")
    write(trader, trade, Kind.ORDERED, f"places {buy}", "0.05 % under 3001", buy)
    books(buy, OrderStatus.NEW, Cause(Source.ANSWER, "buy new", "task-1"))
    bought = Cause(Source.REPORT, "buy filled, 0.1 of 0.1", "task-2")
    books(buy, OrderStatus.FILLED, bought, *buy.fills.all())
    write(trader, bought, Kind.ORDERED, f"places {sell}", "0.1 % over 3000", sell)
    part, rest = sell.fills.order_by("trade_id")
    some = Cause(Source.REPORT, "sell partially filled, 0.04 of 0.0999", "task-3")
    books(sell, OrderStatus.PARTIALLY_FILLED, some, part)
    sold = Cause(Source.REPORT, "sell filled, 0.0999 of 0.0999", "task-4")
    books(sell, OrderStatus.FILLED, sold, rest)
    write(trader, sold, Kind.ENDED, "ends: finished", "sold 0.0999")
    return trader


def books(order: Order, status: OrderStatus, cause: Cause, *fills: Fill) -> None:
    order.status = status
    entry = write(order.trader, cause, Kind.BOOKED, f"{order.side} {status}", order=order)
    Fill.objects.filter(pk__in=[fill.pk for fill in fills]).update(entry=entry)


def told(trader: Trader) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = timeline_of(trader)["steps"]
    return found


def test_each_look_is_a_scene_with_what_woke_it_and_all_that_it_did(cycle: Trader) -> None:
    assert [(step["woken_by"], [line["text"] for line in step["lines"]]) for step in told(cycle)] == [
        ("Leader", ["Started"]),
        ("Trade 7 at 3001 USDT", ["Places a buy of 0.1 ETH at 3000 USDT, 300 USDT in total"]),
        ("Exchange response: buy new", ["The buy is open"]),
        (
            "Execution report: buy filled, 0.1 of 0.1",
            ["The buy is filled", "Places a sell of 0.0999 ETH at 3010 USDT, 300.699 USDT in total"],
        ),
        ("Execution report: sell partially filled, 0.04 of 0.0999", ["The sell is partially filled"]),
        ("Execution report: sell filled, 0.0999 of 0.0999", ["The sell is filled", "Ends: finished"]),
    ]


def test_what_the_leader_did_at_two_times_is_two_scenes(symbol: Symbol) -> None:
    trader = make_trader(symbol, state=TraderState.RETIRED, finished_at=timezone.now(), profit=D(0))
    write(trader, Cause(Source.LEADER), Kind.BEGAN, "started", "slot 1 is free")
    write(trader, Cause(Source.LEADER), Kind.RETIRED, "retired", "ETHUSDT is off")
    assert [step["lines"][0]["text"] for step in told(trader)] == ["Started", "Retired"]


def test_names_of_people_stay_as_they_are(symbol: Symbol) -> None:
    trader = make_trader(symbol, state=TraderState.HOLDING)
    write(trader, Cause(Source.PERSON, "ann_B asked it to look again", "task-1"), Kind.WAITED, "waiting")
    assert told(trader)[0]["woken_by"] == "Ann_B asked it to look again"


def test_fills_stand_where_they_were_booked_each_once(cycle: Trader) -> None:
    quantities = [[str(fill["quantity"]) for fill in step["fills"]] for step in told(cycle)]
    amount = '<span class="hh-number">{} ETH</span>'.format
    assert quantities == [[], [], [], [amount("0.1")], [amount("0.04")], [amount("0.0599")]]


def test_times_are_told_since_the_begin(cycle: Trader) -> None:
    first, second, *_ = JournalEntry.objects.order_by("pk")
    JournalEntry.objects.filter(pk=first.pk).update(at=cycle.created_at)
    JournalEntry.objects.filter(pk=second.pk).update(at=cycle.created_at + timedelta(seconds=6.04))
    JournalEntry.objects.filter(pk__gt=second.pk).update(at=cycle.created_at + timedelta(minutes=12))
    assert [step["after"] for step in told(cycle)[:3]] == ["start", "+6.0 s", "+12 min"]


def test_each_scene_leads_to_its_task_in_flower(cycle: Trader) -> None:
    assert [("/task/task-" in step["task"]) for step in told(cycle)] == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("kind", "profit", "tone"),
    [
        (Kind.ENDED, "1", "good"),
        (Kind.ENDED, "-1", "bad"),
        (Kind.REJECTED, "0", "bad"),
        (Kind.DENIED, "0", "wait"),
        (Kind.CANCELLED, "0", "act"),
        (Kind.BEGAN, "0", ""),
    ],
)
def test_tone_says_how_it_went(symbol: Symbol, kind: Kind, profit: str, tone: str) -> None:
    trader = make_cycle(symbol, profit)
    write(trader, Cause(Source.LEADER), kind, "said")
    [step] = steps(list(trader.journal.all()), [], trader)
    assert step.tone == tone


def test_an_average_price_stands_on_a_tick(symbol: Symbol) -> None:
    trader = make_trader(symbol, state=TraderState.HOLDING, holds=True)
    for trade_id, (price, quantity) in enumerate((("2990.01", "0.01"), ("2990.02", "0.02"))):
        make_fill(make_order(trader, price=D(price), quantity=D(quantity)), trade_id)
    label, *_ = timeline_of(trader)["sum"]["position"][0]
    assert label == "Bought 0.03 ETH at 2990.02"


def test_terms_add_up_to_the_profit_and_its_shares(cycle: Trader) -> None:
    shown = timeline_of(cycle)["sum"]
    assert [label for label, *_ in shown["position"]] == ["Bought 0.1 ETH at 3000", "Commission in ETH"]
    assert [label for label, *_ in shown["rows"]] == [
        "Sold 0.0999 ETH for",
        "Cost of the quantity sold",
        "Commissions in USDT",
    ]
    amounts = [str(amount) for _, amount, _ in (*shown["position"], *shown["rows"])]
    assert [amount.split(">")[1].split(" ")[0] for amount in amounts] == [
        "300",
        "0.0001",
        "300.699",
        "−300",
        "−0.300699",
    ]
    # 300.699 - 300 - 0.300699
    assert "0.398301" in shown["net"]
    assert shown["of_budget"] == "0.1992 % of the budget"
    assert shown["held"] == ""


def test_live_cycle_says_what_it_would_bring_now(symbol: Symbol) -> None:
    publish("ETHUSDT", "3100")
    trader = make_trader(symbol, state=TraderState.HOLDING)
    make_fill(make_order(trader, price=D(3000), quantity=D("0.1")))
    assert timeline_of(trader)["sum"]["held"] == (
        "0.0999 ETH held, cost 300 USDT. At the last price, 3100, it is worth 309.38031 USDT after commission; the "
        "cycle's total is +9.38031 USDT."
    )


def test_trader_that_never_bought_has_no_sum(symbol: Symbol) -> None:
    assert timeline_of(make_trader(symbol))["sum"] is None


def test_commissions_in_a_third_asset_count_at_their_worth(cycle: Trader) -> None:
    Fill.objects.filter(order__in=Order.objects.filter(side="SELL")).update(
        commission=D("0.0001"), commission_asset="BNB", commission_quote=D("0.06")
    )
    rows = timeline_of(cycle)["sum"]["rows"]
    assert [(label, "−0.12" in amount) for label, amount, _ in rows][-1] == (
        "Commissions of 0.0002 BNB, valued at",
        True,
    )


def test_late_fill_of_a_filled_order_is_told_as_one(symbol: Symbol) -> None:
    sell = make_order(make_trader(symbol), Side.SELL, OrderStatus.FILLED)
    books(sell, OrderStatus.FILLED, Cause(Source.REPORT, "sell filled, 0.1 of 0.1", "task-1"))
    books(sell, OrderStatus.FILLED, Cause(Source.REPORT, "sell partially filled, 0.04 of 0.1", "task-2"))
    texts = [line["text"] for step in told(sell.trader) for line in step["lines"]]
    assert texts == ["The sell is filled", "The sell is filled already, a late fill is added"]


def test_without_flower_a_scene_names_its_task_and_leads_nowhere(settings: Settings) -> None:
    settings.FLOWER = False
    assert show.task("a-task-of-celery") == '<span title="a-task-of-celery">a-task-o…</span>'
