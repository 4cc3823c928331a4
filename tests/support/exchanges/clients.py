"""Our own client of an exchange, as the tests use it."""

from decimal import Decimal

from hedgehog_project.venues.keys import hmac_key
from hedgehog_project.venues.rate_limits import rate_limits_at
from tests.support.exchanges.market import KEY, SECRET
from trading.core.orders import Side
from trading.exchange.binance import BinanceExchange
from trading.exchange.clock import clock_at
from trading.exchange.protocol import NewOrder

# Far enough in the future for an order that may be sent whenever its test comes to it.
NEVER_LATE_MS = 4_000_000_000_000

# What the exchange says of `limit_order()`, as far as our client reads it.
ORDER_REPLY = {
    "symbol": "ETHUSDT",
    "clientOrderId": "hh-1-b-1",
    "orderId": 7,
    "side": "BUY",
    "status": "NEW",
    "price": "2990.00",
    "origQty": "0.1",
    "executedQty": "0",
    "time": 1_800_000_000_000,
    "updateTime": 1_800_000_000_000,
}


def client_of(url: str) -> BinanceExchange:
    return BinanceExchange(url, hmac_key(KEY, SECRET))


def limit_order(side: Side = Side.BUY) -> NewOrder:
    return NewOrder("ETHUSDT", side, Decimal(2990), Decimal("0.1"), "hh-1-b-1", NEVER_LATE_MS)


def forget_exchanges() -> None:
    """As in a new process: no budget and no clock is known of any address."""
    rate_limits_at.cache_clear()
    clock_at.cache_clear()
