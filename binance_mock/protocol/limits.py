"""Request weight and order counts: counted in Binance's fixed windows, shown in headers, and enforced.

Weight counts for everybody at the exchange's address, orders for the account. An order counts until its first fill;
a cancel gives nothing back (faqs/order_count_decrement.md). The counts begin anew with the process.
"""

from dataclasses import dataclass
from typing import Any

from binance_mock.errors import too_many_orders, too_much_weight

WEIGHT_PER_MINUTE = 6_000
ORDERS_PER_10S = 50
ORDERS_PER_DAY = 160_000

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
    ) -> None:
        self.weight = Window(_MINUTE_MS, weight_per_minute)
        self.orders_10s = Window(10_000, orders_per_10s)
        self.orders_1d = Window(_DAY_MS, orders_per_day)

    def spend(self, weight: int, now_ms: int) -> None:
        """Raises Refused (429, -1003) once the window's weight is used up."""
        self.weight.add(weight, now_ms)
        if self.weight.count(now_ms) > self.weight.limit:
            wait_s = self.weight.ends_in_s(now_ms)
            raise too_much_weight(self.weight.limit, wait_s, now_ms + wait_s * 1000)

    def give_back(self, weight: int, now_ms: int) -> None:
        """Placing and cancelling weigh nothing where they succeed."""
        self.weight.add(-weight, now_ms)

    def check_order(self, now_ms: int) -> None:
        """Raises Refused (429, -1015) where one more order is too many."""
        for window, interval in ((self.orders_10s, "10 SECOND"), (self.orders_1d, "1 DAY")):
            if window.count(now_ms) >= window.limit:
                raise too_many_orders(window.limit, interval, window.ends_in_s(now_ms))

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
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
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
