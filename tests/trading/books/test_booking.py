"""What the journal says of a report that changes the books."""

from decimal import Decimal as D

import pytest

from tests.support.rows import make_order
from trading.books.booking import book
from trading.core.journal import Cause, Kind, Source
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.models import Order, Trader
from trading.models.journal import write, write_once

pytestmark = pytest.mark.django_db


def report(row: Order, status: OrderStatus, executed: str, trade_id: int, quantity: str) -> OrderReport:
    fill = Fill(trade_id, row.price, D(quantity), row.price * D(quantity), D(0), "USDT", True, 0)
    return OrderReport(
        row.client_order_id, 1, "ETHUSDT", Side(row.side), status, row.price, row.quantity, D(executed), (fill,)
    )


@pytest.mark.parametrize("side", Side)
def test_report_that_was_overtaken_adds_a_fill_to_a_filled_order(trader: Trader, side: Side) -> None:
    row = make_order(trader, side, price=D(3000), quantity=D("0.1"))
    for told in (
        report(row, OrderStatus.FILLED, "0.1", 2, "0.06"),
        report(row, OrderStatus.PARTIALLY_FILLED, "0.04", 1, "0.04"),
    ):
        book(trader, row, told, Cause(Source.REPORT))
    of = side.lower()
    assert [line.decision for line in trader.journal.order_by("id")] == [
        f"{of} filled",
        f"adds a late fill, {of} filled before",
    ]
    assert row.fills.count() == 2


def test_reports_in_order_are_named_by_what_they_leave(trader: Trader) -> None:
    row = make_order(trader, Side.SELL, price=D(3000), quantity=D("0.1"))
    for told in (
        report(row, OrderStatus.PARTIALLY_FILLED, "0.04", 1, "0.04"),
        report(row, OrderStatus.FILLED, "0.1", 3, "0.06"),
    ):
        book(trader, row, told, Cause(Source.REPORT))
    assert [line.decision for line in trader.journal.order_by("id")] == ["sell partially filled", "sell filled"]


def test_fills_one_after_the_other_share_a_line(trader: Trader) -> None:
    row = make_order(trader, Side.SELL, price=D(3000), quantity=D("0.1"))
    for number, executed in enumerate(("0.04", "0.05", "0.07"), 1):
        told = report(row, OrderStatus.PARTIALLY_FILLED, executed, number, {1: "0.04", 2: "0.01", 3: "0.02"}[number])
        book(trader, row, told, Cause(Source.REPORT, f"sell partially filled, {executed} of 0.1"))
    line = trader.journal.get()
    assert line.event == "sell partially filled, 0.07 of 0.1"
    assert list(line.fills.order_by("trade_id").values_list("trade_id", flat=True)) == [1, 2, 3]


def test_late_fills_share_a_line_beside_that_of_the_end(trader: Trader) -> None:
    row = make_order(trader, price=D(3000), quantity=D("0.1"))
    book(trader, row, report(row, OrderStatus.FILLED, "0.1", 3, "0.06"), Cause(Source.REPORT))
    for number, executed in ((1, "0.03"), (2, "0.04")):
        told = report(row, OrderStatus.PARTIALLY_FILLED, executed, number, {1: "0.03", 2: "0.01"}[number])
        book(trader, row, told, Cause(Source.REPORT))
    assert [(line.decision, line.fills.count()) for line in trader.journal.order_by("id")] == [
        ("buy filled", 1),
        ("adds a late fill, buy filled before", 2),
    ]


def test_a_fill_after_another_line_has_a_line_of_its_own(trader: Trader) -> None:
    row = make_order(trader, Side.SELL, price=D(3000), quantity=D("0.1"))
    book(trader, row, report(row, OrderStatus.PARTIALLY_FILLED, "0.04", 1, "0.04"), Cause(Source.REPORT))
    write(trader, Cause(Source.TRADE), Kind.CANCELLED, f"cancels {row}", order=row)
    book(trader, row, report(row, OrderStatus.PARTIALLY_FILLED, "0.05", 2, "0.01"), Cause(Source.REPORT))
    book(trader, row, report(row, OrderStatus.PARTIALLY_FILLED, "0.06", 3, "0.01"), Cause(Source.QUERY))
    assert [(line.kind, line.source, line.fills.count()) for line in trader.journal.order_by("id")] == [
        (Kind.BOOKED, Source.REPORT, 1),
        (Kind.CANCELLED, Source.TRADE, 0),
        (Kind.BOOKED, Source.REPORT, 1),
        (Kind.BOOKED, Source.QUERY, 1),
    ]


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        ("Throttled: wait 3.2 s", "Throttled: wait 12 s", 1),
        ("order 5f3a91 at 13:05:07, 1,000.5", "order b2c4 at 13:06:10, 999", 1),
        ("Throttled: wait 3.2 s", "Refused: wait 3.2 s", 2),
        ("the filters of ETHUSDT are not known yet", "the filters of BTCUSDT are not known yet", 2),
    ],
)
def test_the_same_reason_with_other_figures_is_written_once(
    trader: Trader, first: str, second: str, lines: int
) -> None:
    for reason in (first, second):
        write_once(trader, Cause(Source.TASK), Kind.FAILED, "failed", reason)
    assert trader.journal.count() == lines
