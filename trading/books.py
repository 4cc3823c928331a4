"""The books: what a report of the exchange changes in the rows of an order and its fills."""

from datetime import UTC, datetime

from trading.core.orders import OrderReport, fold
from trading.core.strategy import Position
from trading.models import Fill, Order, Trader


def position_of(trader: Trader) -> Position:
    """The trader's orders that could have traded, oldest first, with their fills."""
    rows = trader.orders.prefetch_related("fills").order_by("id")
    orders = (row.as_core() for row in rows)
    return Position(tuple(order for order in orders if order.status.is_open or order.executed))


def book(row: Order, report: OrderReport) -> bool:
    """Writes what the report says of this order; whether it said anything new.

    To be called with the trader's row locked: two reports booked side by side could undo each other.
    """
    before = row.as_core()
    after = fold(before, report)
    if after == before:
        return False
    row.status = after.status
    row.executed = after.executed
    row.exchange_order_id = after.exchange_order_id
    row.reason = after.reason[:300]
    row.save(update_fields=["status", "executed", "exchange_order_id", "reason", "updated_at"])
    known = {fill.trade_id for fill in before.fills}
    Fill.objects.bulk_create(
        Fill(
            order=row,
            trade_id=fill.trade_id,
            price=fill.price,
            quantity=fill.quantity,
            quote=fill.quote,
            commission=fill.commission,
            commission_asset=fill.commission_asset,
            is_maker=fill.is_maker,
            traded_at=datetime.fromtimestamp(fill.at_ms / 1000, UTC),
        )
        for fill in after.fills
        if fill.trade_id not in known
    )
    return True
