"""What the states of traders and orders mean, in words for people: for pages, commands and docs/states.md."""

from trading.core.orders import OrderStatus
from trading.core.strategy import TraderState
from trading.models import Order

STATE_MEANS = {
    TraderState.WAITING: "It has placed no buy yet; the next trade event wakes it.",
    TraderState.BUYING: "Its buy rests on the book, or is on its way.",
    TraderState.HOLDING: "It has bought, and its sale is not placed: not yet, or the exchange takes none so small.",
    TraderState.SELLING: "Its sale rests on the book, or is on its way.",
    TraderState.FINISHED: "It has sold, and its profit is booked. What is too little to sell alone is left over.",
    TraderState.DUST: (
        "It ended without a sale: what it held is less than one step, or than the minimum quantity. A later sale of "
        "the symbol takes it along."
    ),
    TraderState.MISSING: (
        "It ended because nothing of what it bought is on the account any more: sold by hand, spent, or taken as a "
        "commission. What that had cost is neither profit nor loss."
    ),
    TraderState.RETIRED: "It ended before it bought anything: its slot is no longer wanted.",
    TraderState.ABANDONED: "A person gave it up: what it held is theirs to sell, and no later sale takes it along.",
}

STATUS_MEANS = {
    OrderStatus.SUBMITTING: (
        "Saved, and perhaps sent: the exchange has not answered yet. Nothing else is placed for its trader until it "
        "is clear whether the exchange has it."
    ),
    OrderStatus.NOT_PLACED: (
        "It never got on the book: it was not sent, or the exchange denied it twice, and its cancel by its own id, "
        "the open orders, all orders and the trades showed nothing."
    ),
    OrderStatus.NOT_FOUND: (
        "The exchange had accepted it, and for a minute has said that it knows no such order, as after testnet's "
        "monthly reset."
    ),
    OrderStatus.LET_GO: "Another installation has it now; nobody here asks about it.",
    OrderStatus.PENDING_NEW: "Accepted; it waits for another order of its list.",
    OrderStatus.NEW: "It rests on the book.",
    OrderStatus.PARTIALLY_FILLED: "A part has traded, and the rest rests on the book.",
    OrderStatus.FILLED: "All of it has traded.",
    OrderStatus.CANCELED: "Cancelled; a part may have traded before.",
    OrderStatus.REJECTED: "The exchange rejected it; nothing has traded.",
    OrderStatus.EXPIRED: "Ended by the exchange's rules; a part may have traded before.",
    OrderStatus.EXPIRED_IN_MATCH: "Ended by self-trade prevention; a part may have traded before.",
}


def notes(order: Order) -> list[str]:
    """What an order's status does not tell of it."""
    found = []
    is_open = OrderStatus(order.status).is_open
    if order.is_late:
        end = "is" if is_open else "was"
        found.append(f"late: it showed after it had been taken for never placed, and {end} cancelled by itself")
    elif order.cancel_reason:
        found.append(f"{'being cancelled' if is_open else 'cancel asked for'}: {order.cancel_reason}")
    if order.not_found_at and is_open:
        since = f"{order.not_found_at:%H:%M:%S} UTC"
        found.append(
            f"denied: since {since} the exchange says that it has no such order; before another is placed, this one "
            "is made impossible"
        )
    if order.is_claimed:
        found.append("found on the exchange: this database had not sent it")
    return found
