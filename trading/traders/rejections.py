"""What becomes of an order that the exchange did not take: its state, the words for people, and the wait."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

import redis
from kombu.exceptions import OperationalError

from hedgehog_project.venues import Venue
from trading.core.money import plain, quote_of
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.exchange.errors import KeyRejected, NotSent, Refused, Throttled, Why
from trading.models import Order
from trading.symbols import said
from trading.traders.cycles import MAX_WAIT
from trading.waking import enqueue

log = logging.getLogger(__name__)

# Where an account begins anew, without its orders.
RESETS: dict[str, str] = {
    Venue.MOCK: "gone with a reset of the mock account",
    Venue.TESTNET: "gone with testnet's monthly reset",
}

# The order's time is the exchange's, the row's is ours. A clock in a wrong time zone must not make an order of ours a
# stranger, for another one would be sent; a day is more than any zone is off.
NAMESAKE_OLDER_BY = timedelta(days=1)


@dataclass(frozen=True)
class NotTaken:
    """Nothing rests on the exchange. `wait` None: the usual one, which grows."""

    status: OrderStatus
    text: str
    wait: timedelta | None = None


def not_taken(row: Order, error: Refused | Throttled | NotSent) -> NotTaken:
    match error:
        case KeyRejected():
            return NotTaken(OrderStatus.REJECTED, str(error), MAX_WAIT)
        case Refused(why=Why.BALANCE):
            return NotTaken(OrderStatus.REJECTED, f"{_needed(row)} ({error.code})")
        case Refused(why=Why.MARKET_CLOSED):
            # Soon again: the listing that is asked for now denies orders for as long as the symbol is halted.
            return NotTaken(OrderStatus.REJECTED, f"{row.symbol.name} cannot be traded now: {error}")
        case Refused():
            return NotTaken(OrderStatus.REJECTED, str(error))
        case Throttled():
            return NotTaken(OrderStatus.NOT_PLACED, str(error), timedelta(seconds=error.wait_s))
    return NotTaken(OrderStatus.NOT_PLACED, str(error))


def see_to(row: Order, error: Exception) -> None:
    """Queues the task that can fix the cause of a rejection. Nothing depends on it: the schedule queues both too."""
    try:
        match error:
            case Refused(why=Why.BALANCE):
                enqueue.reconcile_once(row.venue)
            case Refused(why=Why.FILTER | Why.MARKET_CLOSED):
                enqueue.refresh_listing(row.symbol.name, row.venue)
            case Refused(why=Why.NOT_PERMITTED):
                said.not_permitted(row.symbol, Venue(row.venue), str(error))
    except (OperationalError, redis.RedisError) as away:
        log.warning("follow-up of a rejection not queued: order=%s error=%s", row.client_order_id, away)


def is_namesake(row: Order, report: OrderReport) -> bool:
    """Whether what the exchange knows by this order's id is another order, placed long before it."""
    if row.status != OrderStatus.SUBMITTING or not report.placed_ms:
        return False
    return report.placed_ms < (row.submitted_at - NAMESAKE_OLDER_BY).timestamp() * 1000


def report_of(row: Order, status: OrderStatus, reason: str) -> OrderReport:
    """What we know of an order, in the form of a report."""
    return OrderReport(
        client_order_id=row.client_order_id,
        exchange_order_id=row.exchange_order_id or 0,
        symbol=row.symbol.name,
        side=Side(row.side),
        status=status,
        price=row.price,
        quantity=row.quantity,
        executed=row.executed,
        reason=reason,
        at_ms=round(time.time() * 1000),
    )


def _needed(row: Order) -> str:
    """What of the balance is not enough, and what a person can do about it."""
    if row.side == Side.BUY:
        needs = f"The buy needs {plain(quote_of(row.price, row.quantity))} {row.symbol.quote_asset}"
        return f"{needs}, more than the free balance: add funds, lower the budget or cancel other orders"
    needs = f"The sell needs {plain(row.quantity)} {row.symbol.base_asset}"
    ways = ["sold by hand", "locked by other orders"]
    if row.venue in RESETS:
        ways.append(RESETS[row.venue])
    return f"{needs}, more than the free balance: it may be {', '.join(ways[:-1])} or {ways[-1]}"
