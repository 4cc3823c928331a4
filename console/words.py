"""What the states of traders and orders mean, in words for people: for pages, commands and docs/states.md."""

from trading.core.orders import OrderStatus
from trading.core.strategy import TraderState
from trading.models import Order

STATE_MEANS = {
    TraderState.WAITING: "No buy placed yet; the next trade starts it.",
    TraderState.BUYING: "Its buy is open or in flight.",
    TraderState.HOLDING: "It holds a position without an open sell: not placed yet, or below the minimum to sell.",
    TraderState.SELLING: "Its sell is open or in flight.",
    TraderState.FINISHED: "It has sold and its profit is final. A rest below the minimum to sell is a leftover.",
    TraderState.DUST: (
        "It finished without a sell: its position is below one step or the minimum quantity (dust). A later sell of "
        "the symbol includes it."
    ),
    TraderState.MISSING: (
        "It finished because its position is no longer in the account: sold by hand, spent, or paid as "
        "commission. Its cost counts as neither profit nor loss."
    ),
    TraderState.RETIRED: "It finished before it bought anything: its slot was closed.",
    TraderState.ABANDONED: "A person abandoned it: its position is theirs to sell, and no later sell includes it.",
}

STATUS_MEANS = {
    OrderStatus.SUBMITTING: (
        "In flight: saved and perhaps sent, no response yet. No other order is placed for its trader until it "
        "is clear whether the exchange has it."
    ),
    OrderStatus.NOT_PLACED: (
        "Not placed: it was not sent, or the exchange did not find it twice, and its cancel by its own id, "
        "the open orders, all orders and the trades showed nothing."
    ),
    OrderStatus.NOT_FOUND: (
        "The exchange had accepted it and for a minute has answered that it has no such order, as after testnet's "
        "monthly reset."
    ),
    OrderStatus.LET_GO: "Another installation owns it now; it is not queried here.",
    OrderStatus.PENDING_NEW: "Accepted; it waits for another order of its list.",
    OrderStatus.NEW: "It is open, nothing filled.",
    OrderStatus.PARTIALLY_FILLED: "Partially filled, the rest is open.",
    OrderStatus.FILLED: "Completely filled.",
    OrderStatus.CANCELED: "Cancelled; a part may have filled before.",
    OrderStatus.REJECTED: "The exchange rejected it; nothing filled.",
    OrderStatus.EXPIRED: "Expired by the exchange's rules; a part may have filled before.",
    OrderStatus.EXPIRED_IN_MATCH: "Expired by self-trade prevention; a part may have filled before.",
}


def notes(order: Order) -> list[str]:
    """What an order's status does not tell of it."""
    found = []
    is_open = OrderStatus(order.status).is_open
    if order.is_late:
        end = "is" if is_open else "was"
        found.append(f"late: it appeared after it was recorded as not placed, and {end} cancelled automatically")
    elif order.cancel_reason:
        found.append(f"{'being cancelled' if is_open else 'cancel requested'}: {order.cancel_reason}")
    if order.not_found_at and is_open:
        since = f"{order.not_found_at:%H:%M:%S} UTC"
        found.append(
            f"not found: since {since} the exchange answers that it has no such order; before another is placed, "
            "this one is made impossible"
        )
    if order.is_claimed:
        found.append("orphan: found on the exchange, not sent by this database")
    return found
