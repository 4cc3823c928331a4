"""Request weight and order counts: counted in Binance's fixed windows, shown in headers, and enforced.

Weight counts for everybody at the exchange's address, orders for the account. An order counts until its first fill;
a cancel gives nothing back (faqs/order_count_decrement.md). Who goes on after being told to stop is banned for a
while, longer each time (rest-api.md, "IP Limits"). The counts begin anew with the process.
"""

from dataclasses import dataclass
from typing import Any

from binance_mock.engine.errors import Refused, banned, too_many_connections, too_many_orders, too_much_weight

WEIGHT_PER_MINUTE = 6_000
ORDERS_PER_10S = 50
ORDERS_PER_DAY = 160_000
RAW_REQUESTS_PER_5M = 300_000
CONNECTIONS_PER_5M = 300
# How many requests beyond the limit are answered with 429 before the next is banned. Binance tells no number.
PATIENCE = 10
SHORTEST_BAN_MS = 120_000
LONGEST_BAN_MS = 3 * 86_400_000

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(slots=True)
class Window:
    """A count that begins at 0 in each window of time."""

    length_ms: int
    limit: int
    _number: int = -1
    _count: int = 0

    def count(self, now_ms: int) -> int:
        if now_ms // self.length_ms != self._number:
            self._number = now_ms // self.length_ms
            self._count = 0
        return self._count

    def add(self, amount: int, now_ms: int) -> None:
        self._count = max(0, self.count(now_ms) + amount)

    def ends_in_s(self, now_ms: int) -> int:
        """Whole seconds until the window ends, rounded up."""
        return -(-(self.length_ms - now_ms % self.length_ms) // 1000)


class Limits:
    def __init__(
        self,
        weight_per_minute: int = WEIGHT_PER_MINUTE,
        orders_per_10s: int = ORDERS_PER_10S,
        orders_per_day: int = ORDERS_PER_DAY,
        connections_per_5m: int = CONNECTIONS_PER_5M,
    ) -> None:
        self.weight = Window(_MINUTE_MS, weight_per_minute)
        self.orders_10s = Window(10_000, orders_per_10s)
        self.orders_1d = Window(_DAY_MS, orders_per_day)
        self.raw = Window(5 * _MINUTE_MS, RAW_REQUESTS_PER_5M)
        self.connections = Window(5 * _MINUTE_MS, connections_per_5m)
        # Requests in spite of a 429, in the minute that they were to wait for.
        self._ignored = Window(_MINUTE_MS, PATIENCE)
        self._bans = 0
        self._banned_until_ms = 0

    def spend(self, weight: int, now_ms: int) -> None:
        """Raises Refused: 429 (-1003) once a window is used up, 418 for who is banned."""
        if now_ms < self._banned_until_ms:
            raise banned(self._banned_until_ms, now_ms)
        self.raw.add(1, now_ms)
        self.weight.add(weight, now_ms)
        for window, unit in ((self.weight, "request weight per 1 MINUTE"), (self.raw, "requests per 5 MINUTE")):
            if window.count(now_ms) > window.limit:
                raise self._too_much(window, unit, now_ms)

    def _too_much(self, window: Window, unit: str, now_ms: int) -> Refused:
        self._ignored.add(1, now_ms)
        if self._ignored.count(now_ms) <= self._ignored.limit:
            wait_s = window.ends_in_s(now_ms)
            return too_much_weight(f"{window.limit} {unit}", wait_s, now_ms)
        self._banned_until_ms = now_ms + min(SHORTEST_BAN_MS * 2**self._bans, LONGEST_BAN_MS)
        self._bans += 1
        return banned(self._banned_until_ms, now_ms)

    def connect(self, now_ms: int) -> None:
        """Counts a WebSocket connection. Raises Refused (429) once there were too many."""
        self.connections.add(1, now_ms)
        if self.connections.count(now_ms) > self.connections.limit:
            raise too_many_connections(self.connections.limit, "5 MINUTE", self.connections.ends_in_s(now_ms))

    def give_back(self, weight: int, now_ms: int) -> None:
        """Placing and cancelling weigh nothing where they succeed."""
        self.weight.add(-weight, now_ms)

    def check_order(self, now_ms: int) -> None:
        """Raises Refused (429, -1015) where one more order is too many."""
        for window, interval in ((self.orders_10s, "10 SECOND"), (self.orders_1d, "1 DAY")):
            if window.count(now_ms) >= window.limit:
                raise too_many_orders(window.limit, interval)

    def order_placed(self, now_ms: int) -> None:
        self.orders_10s.add(1, now_ms)
        self.orders_1d.add(1, now_ms)

    def give_order_back(self, now_ms: int) -> None:
        self.orders_10s.add(-1, now_ms)
        self.orders_1d.add(-1, now_ms)

    # --- as Binance shows them -------------------------------------------------------------------

    def order_counts(self, now_ms: int) -> list[dict[str, Any]]:
        return [
            _entry("ORDERS", "SECOND", 10, self.orders_10s, now_ms),
            _entry("ORDERS", "DAY", 1, self.orders_1d, now_ms),
        ]

    def weight_count(self, now_ms: int) -> dict[str, Any]:
        return _entry("REQUEST_WEIGHT", "MINUTE", 1, self.weight, now_ms)

    def rules(self) -> list[dict[str, Any]]:
        """exchangeInfo's `rateLimits`."""
        return [
            _entry("REQUEST_WEIGHT", "MINUTE", 1, self.weight),
            _entry("ORDERS", "SECOND", 10, self.orders_10s),
            _entry("ORDERS", "DAY", 1, self.orders_1d),
            _entry("RAW_REQUESTS", "MINUTE", 5, self.raw),
        ]

    def headers(self, now_ms: int, *, with_orders: bool) -> dict[str, str]:
        headers = {
            "X-MBX-USED-WEIGHT": str(self.weight.count(now_ms)),
            "X-MBX-USED-WEIGHT-1M": str(self.weight.count(now_ms)),
        }
        if with_orders:
            headers["X-MBX-ORDER-COUNT-10S"] = str(self.orders_10s.count(now_ms))
            headers["X-MBX-ORDER-COUNT-1D"] = str(self.orders_1d.count(now_ms))
        return headers


def _entry(kind: str, interval: str, number: int, window: Window, now_ms: int | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": window.limit,
    }
    if now_ms is not None:
        entry["count"] = window.count(now_ms)
    return entry
