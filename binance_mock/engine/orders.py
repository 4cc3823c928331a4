"""What the exchange deals in: orders, fills, public trades, and what one operation changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from binance_mock.engine.amounts import ZERO, times


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"


class TimeInForce(StrEnum):
    GTC = "GTC"  # Rests until it is filled or cancelled.
    IOC = "IOC"  # What cannot be filled at once expires.
    FOK = "FOK"  # Is filled at once and whole, or expires.


class OrderStatus(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"  # The exchange took it off: IOC or FOK that could not fill, no market.
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"  # Self-trade prevention took it off.


OPEN = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class Execution(StrEnum):
    """Why an order's report is sent: `x` of Binance's executionReport."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    TRADE = "TRADE"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


class SelfTrade(StrEnum):
    """Which order expires when an arriving order would meet a resting one of the same account."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it was asked for. `quantity` is 0 where `quote_quantity` says how much quote to trade."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    quote_quantity: Decimal = ZERO
    client_order_id: str = ""
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    strategy_id: int | None = None
    strategy_type: int | None = None

    def accepted(self, order_id: int, quantity: Decimal, now_ms: int) -> "Order":
        """The order that the exchange makes of it."""
        return Order(
            symbol=self.symbol,
            order_id=order_id,
            client_order_id=self.client_order_id or f"mock-{order_id}",
            side=self.side,
            type=self.type,
            time_in_force=self.time_in_force,
            price=self.price,
            quantity=quantity,
            quote_quantity=self.quote_quantity,
            executed=ZERO,
            quote_executed=ZERO,
            status=OrderStatus.NEW,
            created_ms=now_ms,
            updated_ms=now_ms,
            self_trade=self.self_trade,
            strategy_id=self.strategy_id,
            strategy_type=self.strategy_type,
        )


_EXPIRY_REASONS = {
    TimeInForce.IOC: "UNFILLED_IOC_QUANTITY_EXPIRED",
    TimeInForce.FOK: "UNFILLED_FOK_ORDER_EXPIRED",
}


@dataclass(frozen=True, slots=True)
class Order:
    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    executed: Decimal
    quote_executed: Decimal
    status: OrderStatus
    created_ms: int
    updated_ms: int
    self_trade: SelfTrade
    strategy_id: int | None = None
    strategy_type: int | None = None
    prevented_match_id: int | None = None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def prevented(self) -> Decimal:
        """What self-trade prevention took off: all that was left."""
        return self.remaining if self.status is OrderStatus.EXPIRED_IN_MATCH else ZERO

    @property
    def expiry_reason(self) -> str | None:
        """Why an order is EXPIRED: user-data-stream.md, "Order Expiry Reason"."""
        if self.status is not OrderStatus.EXPIRED:
            return None
        if self.type is OrderType.MARKET:
            return "INSUFFICIENT_LIQUIDITY"
        return _EXPIRY_REASONS.get(self.time_in_force, "EXCHANGE_CANCELED")

    def after(self, quantity: Decimal, quote: Decimal, now_ms: int) -> "Order":
        """The order after a trade of so much."""
        executed = self.executed + quantity
        return replace(
            self,
            executed=executed,
            quote_executed=self.quote_executed + quote,
            status=OrderStatus.FILLED if executed == self.quantity else OrderStatus.PARTIALLY_FILLED,
            updated_ms=now_ms,
        )

    @property
    def locks(self) -> Decimal:
        """What an open order keeps locked: quote for a buy, base for a sell."""
        return times(self.price, self.remaining) if self.side is Side.BUY else self.remaining


class Fill(NamedTuple):
    """One trade of one of the account's orders. `trade_id` is that of the public trade which shows it."""

    symbol: str
    trade_id: int
    order_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool


class PreventedMatch(NamedTuple):
    """Two orders of the account that would have traded with each other (stp_faq.md). Ids rise over all symbols.

    The quantities are what each order had left where it expired; 0 where it stayed.
    """

    symbol: str
    match_id: int
    taker_order_id: int
    maker_order_id: int
    mode: SelfTrade
    price: Decimal
    quantity: Decimal  # What would have traded.
    taker_prevented: Decimal
    maker_prevented: Decimal
    time_ms: int


class MarketTrade(NamedTuple):
    """A trade of the rest of the market, before the exchange gives it an id."""

    symbol: str
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


class PublicTrade(NamedTuple):
    """A trade that everybody sees. Ids rise by one within a symbol, over restarts as well."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_is_maker: bool


class Balance(NamedTuple):
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """One step of an order's life; `order` is the order as this step left it."""

    execution: Execution
    execution_id: int
    order: Order
    time_ms: int
    fill: Fill | None = None
    cancel_client_id: str = ""  # The cancel request's own client order id.
    match: PreventedMatch | None = None  # What self-trade prevention took the order off for.


@dataclass(frozen=True, slots=True)
class Position:
    """Balances that changed, as they are now."""

    balances: Mapping[str, Balance]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money that came or went without a trade; `delta` is negative where it went."""

    asset: str
    delta: Decimal
    time_ms: int


@dataclass(slots=True)
class Changes:
    """All that one operation, or one batch of market trades, changed; in the order in which it happened.

    `events` is what the account is told, `trades` what everybody is told. Whoever keeps state must have saved the
    whole of it before anything of it is answered or published.
    """

    trades: list[PublicTrade] = field(default_factory=list)
    events: list[Report | Position | Deposit] = field(default_factory=list)
    matches: list[PreventedMatch] = field(default_factory=list)
    # Facts to be kept with the rest, such as how far a followed market was read.
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def reports(self) -> list[Report]:
        return [event for event in self.events if isinstance(event, Report)]

    @property
    def fills(self) -> list[Fill]:
        return [event.fill for event in self.events if isinstance(event, Report) and event.fill is not None]

    def order(self, order_id: int) -> Order:
        """The order as the whole of it left it. Raises KeyError where it was not touched."""
        for event in reversed(self.events):
            if isinstance(event, Report) and event.order.order_id == order_id:
                return event.order
        raise KeyError(order_id)
