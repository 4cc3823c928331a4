"""What traders ask of an exchange. All methods raise the errors of errors.py and nothing else."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from hedgehog_project.venues import Venue
from trading.core.fees import Fees
from trading.core.orders import Fill, OrderReport, OrderType, Side
from trading.exchange.errors import ExchangeError

# Milliseconds for which the exchange accepts a signed request after its timestamp (request-security.md, recvWindow).
RECV_WINDOW_MS = 3_000
# An order is signed within this time of being saved, or not sent at all.
SEND_WITHIN = timedelta(seconds=2)
# After that, and once recvWindow has passed, the exchange can't accept it any more ("Timing security").
ARRIVES_WITHIN = SEND_WITHIN + timedelta(milliseconds=RECV_WINDOW_MS)


@dataclass(frozen=True)
class NewOrder:
    """It is not sent after `not_after_ms` by this machine's clock, nor after `not_after` by time.monotonic(), which
    nobody can set. A market order's price is never sent.
    """

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    client_order_id: str
    not_after_ms: int
    type: OrderType = OrderType.LIMIT
    not_after: float = math.inf


@dataclass(frozen=True)
class Replacement:
    """What came of cancelling one order and placing another in one request; None: of that part nothing came."""

    cancelled: OrderReport | None
    placed: OrderReport | None
    problem: ExchangeError | None = None  # why nothing was placed


@dataclass(frozen=True)
class ListedSymbol:
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
    allows_replacing: bool = False  # cancelReplaceAllowed


class Exchange(Protocol):
    """One account at one venue."""

    def place(self, order: NewOrder) -> OrderReport:
        """Sends the order once. Raises OutcomeUnknown where it may or may not have been accepted."""

    def replace(self, order: NewOrder, replaces: str) -> Replacement:
        """Cancels the order of this client order id, provided that nothing of it has traded, and places another.

        Where the exchange refuses to cancel, it does not place. Raises as `place` does where neither was done.
        """

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancels a resting order. Raises NotFound where it does not rest any more."""

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order's state, without its fills. Raises NotFound."""

    def open_orders(self, symbol: str = "") -> list[OrderReport]:
        """All of the account's open orders, or those of one symbol, without their fills."""

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        """The fills of one order, oldest first."""

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        """The account's fills in a symbol from a trade id on, oldest first, each with its order's id."""

    def orders(self, symbol: str, from_id: int | None = 1) -> list[OrderReport]:
        """The account's orders in a symbol from an order id on, ended ones too, oldest first, without their fills.

        None: the newest thousand.
        """

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Free and locked amount of each asset that the account holds."""

    def listed(self, symbol: str) -> ListedSymbol:
        """The symbol's filters. Raises Refused where the exchange has no such symbol."""

    def all_listed(self) -> list[ListedSymbol]:
        """Every symbol that the exchange lists, trading or not; never none."""

    def price(self, symbol: str) -> Decimal:
        """The price of the last trade. Raises Refused where the exchange has no such symbol."""

    def prices(self, symbols: Collection[str], is_exit: bool = True) -> dict[str, Decimal]:
        """The price of the last trade of each of these that the exchange lists: one request, however many.

        `is_exit`: an exit may depend on it, and it may use the rate limits that are reserved for those.
        """

    def fees(self, symbol: str) -> Fees:
        """Our commissions in a symbol, all kinds added up."""


ExchangeAt = Callable[[Venue], Exchange]
