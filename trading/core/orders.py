"""An order's life: its states, the moves between them, and what a report of the exchange makes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from trading.core.money import ZERO

# What is said beside a sum that commissions of unknown value should have entered.
UNVALUED = "less commissions of unknown value"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Those of Binance's that traders use."""

    LIMIT = "LIMIT"  # Good till cancelled.
    MARKET = "MARKET"  # Takes what the market gives, and never rests.
    IOC = "IOC"  # A limit order that takes what it can get at once; the rest expires.
    TAKEOVER = "TAKEOVER"  # No order: what a person gave to a trader. It stands in the books as a filled buy.


class OrderStatus(StrEnum):
    """Binance's order states (enums.md, "Order status"), and four that are ours."""

    SUBMITTING = "SUBMITTING"  # Ours: saved, perhaps sent. It may be live on the exchange.
    NOT_PLACED = "NOT_PLACED"  # Ours: proven never to have reached the exchange's book.
    NOT_FOUND = "NOT_FOUND"  # Ours: it was accepted once, and the exchange says that it has no such order.
    LET_GO = "LET_GO"  # Ours: another installation has it now, and nobody here asks about it.
    PENDING_NEW = "PENDING_NEW"  # Accepted; its order list waits for another order.
    NEW = "NEW"  # Rests on the book.
    PARTIALLY_FILLED = "PARTIALLY_FILLED"  # A part has traded, the rest rests on the book.
    FILLED = "FILLED"  # All of it has traded.
    CANCELED = "CANCELED"  # Cancelled by its owner; a part may have filled.
    REJECTED = "REJECTED"  # Refused by the exchange; nothing traded.
    EXPIRED = "EXPIRED"  # Ended by the exchange's rules (IOC, FOK, maintenance); a part may have traded.
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # Ended by self-trade prevention; a part may have traded.

    @property
    def is_open(self) -> bool:
        """Whether more can still trade."""
        return self in OPEN


# Ends that nobody here asked for.
UNASKED_ENDS = {
    OrderStatus.CANCELED: "was cancelled",
    OrderStatus.REJECTED: "was rejected",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.EXPIRED_IN_MATCH: "expired by self-trade prevention",
    OrderStatus.NOT_FOUND: "was not found by the exchange",
}
OPEN = frozenset({OrderStatus.SUBMITTING, OrderStatus.PENDING_NEW, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})

# What we concluded ourselves. The exchange's word weighs more, should it show the order after all.
PROVEN_BY_US = frozenset({OrderStatus.NOT_PLACED, OrderStatus.NOT_FOUND})

_ENDS = frozenset(OrderStatus) - OPEN - {OrderStatus.NOT_PLACED, OrderStatus.LET_GO}
_REPORTED = frozenset(OrderStatus) - {OrderStatus.SUBMITTING, OrderStatus.LET_GO}
# From each state, the states that a report may move an order to. What is not here is a late or repeated report.
MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.SUBMITTING: _REPORTED,
    OrderStatus.PENDING_NEW: _ENDS | {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED},
    OrderStatus.NEW: _ENDS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.PARTIALLY_FILLED: _ENDS - {OrderStatus.REJECTED},
    # An exchange that calls an ended order filled after all has changed its mind: nothing older says that.
    **{end: frozenset({OrderStatus.FILLED}) - {end} for end in _ENDS},
    OrderStatus.LET_GO: frozenset(),
    **dict.fromkeys(PROVEN_BY_US, _REPORTED - PROVEN_BY_US),
}


@dataclass(frozen=True)
class Fill:
    """One trade of an order of ours, as the exchange booked it."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    at_ms: int
    # What a commission in a third asset (BNB) was worth, in quote; None until somebody has asked for its price, and
    # where no price tells: then it is unvaluable.
    commission_quote: Decimal | None = None
    is_unvaluable: bool = False


@dataclass(frozen=True)
class OrderReport:
    """What the exchange says of an order: an execution report, an answer to a placing, or a query's result.

    `executed` is the cumulative quantity; `fills` are those that the message carries, often none or one. `at_ms` is
    when this became so, `placed_ms` when the exchange accepted the order; 0 where the message does not tell.
    """

    client_order_id: str
    exchange_order_id: int
    symbol: str
    side: Side
    status: OrderStatus
    price: Decimal
    quantity: Decimal
    executed: Decimal
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    at_ms: int = 0
    placed_ms: int = 0


@dataclass(frozen=True)
class Order:
    """An order of ours as the database knows it.

    `price` of a market order is what it was expected to bring. `cancel_reason`: why its trader cancels it; empty
    where it does not.
    """

    client_order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    status: OrderStatus
    executed: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    exchange_order_id: int | None = None
    reason: str = ""
    cancel_reason: str = ""

    @property
    def booked(self) -> Decimal:
        """The quantity whose fills, and so whose commissions, are known."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def is_whole(self) -> bool:
        """Whether the order has ended and every fill of it is known."""
        return not self.status.is_open and self.booked == self.executed


def fold(order: Order, report: OrderReport) -> Order:
    """The order as this report leaves it. Late and repeated reports change nothing.

    Reports may come in any order: the status only moves forward, the executed quantity only grows, and each fill
    counts once, by its trade id.
    """
    status = report.status if report.status in MOVES[order.status] else order.status
    known = {fill.trade_id for fill in order.fills}
    new = {fill.trade_id: fill for fill in report.fills if fill.trade_id not in known}
    fills = tuple(sorted((*order.fills, *new.values()), key=lambda fill: fill.trade_id))
    executed = max(order.executed, report.executed, sum((fill.quantity for fill in fills), ZERO))
    if status in (OrderStatus.NEW, OrderStatus.PENDING_NEW) and executed > 0:
        # An answer that says NEW can come after the report of a first fill.
        status = OrderStatus.PARTIALLY_FILLED
    return replace(
        order,
        status=status,
        executed=executed,
        fills=fills,
        exchange_order_id=order.exchange_order_id or report.exchange_order_id or None,
        reason=report.reason or order.reason,
    )


def total_quote(orders: Iterable[Order]) -> Decimal:
    """The quote amount of all known fills, before commissions."""
    return sum((fill.quote for order in orders for fill in order.fills), ZERO)


def commissions(orders: Iterable[Order]) -> dict[str, Decimal]:
    """What the fills cost, by asset."""
    total: dict[str, Decimal] = {}
    for order in orders:
        for fill in order.fills:
            if fill.commission:
                total[fill.commission_asset] = total.get(fill.commission_asset, ZERO) + fill.commission
    return total


def third_asset_fills(orders: Iterable[Order], assets: tuple[str, str]) -> list[Fill]:
    """Those whose commission was paid in neither of these assets, base and quote, but in a third one (BNB)."""
    fills = (fill for order in orders for fill in order.fills)
    return [fill for fill in fills if fill.commission and fill.commission_asset not in assets]


def third_asset_value(orders: Iterable[Order], assets: tuple[str, str]) -> Decimal:
    """What the commissions in third assets were worth in quote, as far as it is known."""
    return sum((fill.commission_quote or ZERO for fill in third_asset_fills(orders, assets)), ZERO)


def unvalued(orders: Iterable[Order], assets: tuple[str, str]) -> tuple[str, ...]:
    """The third assets in which commissions were paid whose value nobody knows, in order of their names."""
    fills = third_asset_fills(orders, assets)
    return tuple(sorted({fill.commission_asset for fill in fills if fill.commission_quote is None}))


def to_be_valued(orders: Iterable[Order], assets: tuple[str, str]) -> tuple[str, ...]:
    """Those of them whose price nobody has asked for yet."""
    fills = third_asset_fills(orders, assets)
    unasked = {fill.commission_asset for fill in fills if fill.commission_quote is None and not fill.is_unvaluable}
    return tuple(sorted(unasked))
