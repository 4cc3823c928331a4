"""The books: what a report of the exchange changes in the rows of an order and its fills."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.db.models import Prefetch, QuerySet

from hedgehog_project.database.writing import insert, update
from trading.core import orders as core
from trading.core.journal import Cause, Kind
from trading.core.orders import OrderReport, OrderStatus, fold
from trading.core.position import Position
from trading.models import Fill, Order, Trader
from trading.models.journal import write, write_further
from trading.models.orders import COULD_TRADE

# The columns that a report may change.
_BOOKED = ("status", "executed", "exchange_order_id", "reason", "not_found_at", "updated_at")


def position_of(trader: Trader) -> Position:
    """How the trader stands: its orders that could have traded, oldest first, with their fills."""
    rows = trader.orders.filter(COULD_TRADE).order_by("id")
    return position_with(trader, (as_core(row) for row in rows))


def position_with(trader: Trader, orders: Iterable[core.Order]) -> Position:
    """How the trader stands with these orders. It may do what it may while its symbol is on."""
    return Position(
        tuple(orders),
        budget=trader.budget,
        has_requested_slot=trader.slot_requested_at is not None,
        memory=trader.memory,
        carried=trader.carried,
        carried_cost=trader.carried_cost,
        missing=trader.missing,
        hand=trader.hand,
    )


def positions_of(traders: QuerySet[Trader]) -> Iterator[tuple[Trader, Position]]:
    """Each trader, with its symbol, and what position_of tells of it, in three queries for all."""
    rows = Order.objects.filter(COULD_TRADE).order_by("id").prefetch_related("fills")
    for trader in traders.select_related("symbol").prefetch_related(Prefetch("orders", rows, to_attr="traded")):
        yield trader, position_with(trader, (as_core(row) for row in trader.traded))


def as_core(row: Order) -> core.Order:
    """The order with its fills, frozen, for the core to decide on."""
    # Orders that are looked at have usually not traded: they need no second query.
    fills = sorted(row.booked_fills(), key=lambda fill: fill.trade_id) if row.executed else ()
    return core.Order(
        client_order_id=row.client_order_id,
        side=core.Side(row.side),
        price=row.price,
        quantity=row.quantity,
        status=core.OrderStatus(row.status),
        executed=row.executed,
        fills=tuple(fill.as_core() for fill in fills),
        exchange_order_id=row.exchange_order_id,
        reason=row.reason,
        cancel_reason=row.cancel_reason,
    )


def is_news(row: Order, report: OrderReport) -> bool:
    """Whether the report says anything that this order does not know. Needs no lock: what is known stays known."""
    order = as_core(row)
    return fold(order, report) != order


def book(
    trader: Trader, row: Order, report: OrderReport, cause: Cause, kind: Kind = Kind.BOOKED, reason: str = ""
) -> bool:
    """Writes what the report says of this order, and a line of the journal to which its new fills belong.

    Returns whether the report said anything new; where it did not, nothing is written. To be called with the trader's
    row locked: two reports booked side by side could undo each other.
    """
    before = as_core(row)
    after = fold(before, report)
    if after == before or before.status == OrderStatus.LET_GO:
        return False
    row.status = after.status
    row.executed = after.executed
    row.exchange_order_id = after.exchange_order_id
    row.reason = after.reason[:300]
    row.not_found_at = None
    update(row, _BOOKED)
    words = _words(kind, row)
    if kind == Kind.BOOKED and not before.status.is_open and after.status == before.status:
        # A report that was overtaken: what it says of the order is old, and its fill is new.
        words = f"adds a late fill, {words} before"
    why = reason or report.reason or row.reason
    # Only where the status stays can the last line say the same: no question for all the others.
    entry = write_further(trader, cause, kind, words, why, row) if after.status == before.status else None
    entry = entry or write(trader, cause, kind, words, why, row)
    known = {fill.trade_id for fill in before.fills}
    new = [
        Fill(
            order=row,
            entry=entry,
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
    ]
    for each in new:
        insert(each)
    if row.known_fills is not None:
        row.known_fills += new
    return True


def _words(kind: Kind, row: Order) -> str:
    match kind:
        case Kind.ADOPTED:
            return f"adopts {row}"
        case Kind.BOOKED:
            return f"{row.side} {row.status}".replace("_", " ").lower()
    return kind.replace("_", " ").lower()
