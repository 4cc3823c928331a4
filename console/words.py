"""What the states of traders and orders mean, in words for people: for pages, commands and docs/states.md."""

from decimal import Decimal

from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.core.strategy import TraderState
from trading.models import Order

STATE_MEANS = {
    TraderState.WAITING: "No buy placed yet; it runs at the next trade.",
    TraderState.BUYING: "Its buy is open or in flight.",
    TraderState.HOLDING: "It has a position and no sell yet, or the position is below the minimum to sell.",
    TraderState.SELLING: "Its sell is open or in flight.",
    TraderState.FINISHED: "It has sold and its profit is realised. A rest below the minimum to sell is a leftover.",
    TraderState.DUST: (
        "It ended without a sell: its position was below one step or the minimum quantity. A later sell of the "
        "symbol includes it."
    ),
    TraderState.MISSING: (
        "It ended because its position is no longer in the account: sold by hand, spent, or paid as a commission. "
        "Its cost is neither profit nor loss."
    ),
    TraderState.RETIRED: "It ended before it bought anything: its slot is no longer needed.",
    TraderState.ABANDONED: "A person abandoned it: its position is theirs to sell, and no later sell includes it.",
}

STATUS_MEANS = {
    OrderStatus.SUBMITTING: (
        "In flight: saved, perhaps sent, no response yet. Its trader places nothing else until a query has proven "
        "whether it exists."
    ),
    OrderStatus.NOT_PLACED: (
        "It never reached the exchange: it was not sent, or the exchange did not find it twice, and its cancel by "
        "client order id, the open orders, all orders and the trades showed nothing."
    ),
    OrderStatus.NOT_FOUND: (
        "The exchange had accepted it, and for a minute has not found it, for example after testnet's monthly reset."
    ),
    OrderStatus.LET_GO: "It belongs to another installation now; it is not queried here.",
    OrderStatus.PENDING_NEW: "Accepted; pending on another order of its list.",
    OrderStatus.NEW: "Open, not filled yet.",
    OrderStatus.PARTIALLY_FILLED: "Partially filled; the rest is open.",
    OrderStatus.FILLED: "Completely filled.",
    OrderStatus.CANCELED: "Cancelled; it may be partially filled.",
    OrderStatus.REJECTED: "Rejected by the exchange; nothing was filled.",
    OrderStatus.EXPIRED: "Expired by the exchange's rules; it may be partially filled.",
    OrderStatus.EXPIRED_IN_MATCH: "Expired by self-trade prevention; it may be partially filled.",
}


def notes(order: Order) -> list[str]:
    """What an order's status does not tell of it."""
    found = []
    is_open = OrderStatus(order.status).is_open
    if order.is_late:
        end = "is" if is_open else "was"
        found.append(f"late: it appeared after it counted as not placed, and {end} cancelled automatically")
    elif order.cancel_reason:
        found.append(f"{'being cancelled' if is_open else 'cancel requested'}: {order.cancel_reason}")
    if order.not_found_at and is_open:
        since = f"{order.not_found_at:%H:%M:%S} UTC"
        found.append(
            f"not found: since {since} the exchange says that it has no such order; no other is placed until this "
            "one is proven not to exist"
        )
    if order.is_claimed:
        found.append("found on the exchange: it was not in this database")
    return found


def percent(fraction: Decimal) -> str:
    """0.0005 -> 0.05 %."""
    # What rounds to nothing may be Decimal("-0").
    return f"{plain(fraction.scaleb(2)) if fraction else 0} %"
