"""What the journal says of a report that changes the books."""

from decimal import Decimal as D

import pytest

from tests.support.rows import make_order
from trading.books.booking import book
from trading.core.journal import Cause, Source
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.models import Order, Trader

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
        report(row, OrderStatus.PARTIALLY_FILLED, "0.05", 2, "0.01"),
        report(row, OrderStatus.FILLED, "0.1", 3, "0.05"),
    ):
        book(trader, row, told, Cause(Source.REPORT))
    assert [line.decision for line in trader.journal.order_by("id")] == [
        *["sell partially filled"] * 2,
        "sell filled",
    ]
