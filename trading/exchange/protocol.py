"""What traders ask of an exchange. All methods raise the errors of errors.py and nothing else."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from trading.core.orders import Fill, OrderReport, OrderType, Side

# Milliseconds for which the exchange accepts a signed request after its timestamp (request-security.md, recvWindow).
RECV_WINDOW_MS = 3_000
# An order is signed within this time of being saved, or not sent at all.
SEND_WITHIN = timedelta(seconds=2)
# After that, and once recvWindow has passed, the exchange can't accept it any more ("Timing security").
ARRIVES_WITHIN = SEND_WITHIN + timedelta(milliseconds=RECV_WINDOW_MS)


@dataclass(frozen=True)
class NewOrder:
    """It is not sent any more after `not_after_ms`, by this machine's clock. A market order's price never is."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    client_order_id: str
    not_after_ms: int
    type: OrderType = OrderType.LIMIT


@dataclass(frozen=True)
class Listed:
    """A symbol as the exchange lists it. A bound of 0 is none."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    step_size: Decimal
    min_price: Decimal
    max_price: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    max_notional: Decimal
    filters: list[dict[str, Any]] = field(default_factory=list)


class Exchange(Protocol):
    """One account at one venue."""

    def place(self, order: NewOrder) -> OrderReport:
        """Sends the order once. Raises OutcomeUnknown where it may or may not have been accepted."""

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Takes a resting order back. Raises NotFound where it does not rest any more."""

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order's state, without its fills. Raises NotFound."""

    def open_orders(self) -> list[OrderReport]:
        """All of the account's open orders, without their fills."""

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        """The fills of one order, oldest first."""

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        """The account's fills in a symbol from a trade id on, oldest first, each with its order's id."""

    def orders(self, symbol: str, from_id: int = 1) -> list[OrderReport]:
        """The account's orders in a symbol from an order id on, ended ones too, oldest first, without their fills."""

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Free and locked amount of each asset that the account holds."""

    def listed(self, symbol: str) -> Listed:
        """The symbol's filters. Raises Refused where the exchange has no such symbol."""

    def all_listed(self) -> list[Listed]:
        """Every symbol that the exchange lists, trading or not; never none."""

    def price(self, symbol: str) -> Decimal:
        """The price of the last trade. Raises Refused where the exchange has no such symbol."""

    def prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        """The price of the last trade of each of these that the exchange lists: one request, however many."""

    def maker_fee(self, symbol: str) -> Decimal:
        """The commission on a resting order's fills, as a fraction."""
