"""An exchange that does what a test says: it keeps orders in a dictionary, and faults happen on cue."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.core.fees import Fees
from trading.core.money import quote_of
from trading.core.orders import Fill, OrderReport, OrderStatus, Side
from trading.exchange.errors import NotFound, OutcomeUnknown, Refused
from trading.exchange.protocol import ListedSymbol, NewOrder, Replacement

FEE = Decimal("0.001")

# Stands before the placing or after it, and may raise.
Fault = Callable[[NewOrder], None]


@dataclass
class ScriptedExchange:
    """Orders rest until `fill` or `end` is called. `before` and `after` hold faults, one for each placing to come."""

    kept: dict[str, OrderReport] = field(default_factory=dict)
    placed: list[NewOrder] = field(default_factory=list)
    before: list[Fault] = field(default_factory=list)
    after: list[Fault] = field(default_factory=list)
    last_id: int = 0
    money: dict[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000)})
    last_price: Decimal = Decimal(3000)

    def __call__(self, venue: Venue) -> "ScriptedExchange":
        """It is every venue's exchange: takes the place of `exchange_at`."""
        return self

    def place(self, order: NewOrder) -> OrderReport:
        if self.before:
            self.before.pop(0)(order)
        return self._accept(order)

    def _accept(self, order: NewOrder) -> OrderReport:
        self.placed.append(order)
        self.last_id += 1
        report = OrderReport(
            order.client_order_id,
            self.last_id,
            order.symbol,
            order.side,
            OrderStatus.NEW,
            order.price,
            order.quantity,
            Decimal(0),
            placed_ms=round(time.time() * 1000),
        )
        self.kept[order.client_order_id] = report
        if self.after:
            self.after.pop(0)(order)
        return self.kept[order.client_order_id]

    def fill(self, client_order_id: str, quantity: Decimal) -> OrderReport:
        """The execution report of a fill."""
        order = self.kept[client_order_id]
        self.last_id += 1
        # A buy pays its commission in the base asset, a sale in the quote asset.
        is_buy = order.side == Side.BUY
        quote = quote_of(order.price, quantity)
        fill = Fill(
            self.last_id,
            order.price,
            quantity,
            quote,
            quote_of(quantity if is_buy else quote, FEE),
            order.symbol.removesuffix("USDT") if is_buy else "USDT",
            True,
            self.last_id,
        )
        executed = order.executed + quantity
        status = OrderStatus.FILLED if executed == order.quantity else OrderStatus.PARTIALLY_FILLED
        self.kept[client_order_id] = replace(
            order, executed=executed, status=status, fills=(*order.fills, fill), at_ms=self.last_id
        )
        return replace(self.kept[client_order_id], fills=(fill,))

    def fill_all(self, client_order_id: str) -> OrderReport:
        order = self.kept[client_order_id]
        return self.fill(client_order_id, order.quantity - order.executed)

    def end(self, client_order_id: str, status: OrderStatus) -> OrderReport:
        """The report of an order's end without its being filled."""
        self.kept[client_order_id] = replace(self.kept[client_order_id], status=status)
        return replace(self.kept[client_order_id], fills=())

    def replace(self, order: NewOrder, replaces: str) -> Replacement:
        resting = self.kept[replaces]
        if resting.status != OrderStatus.NEW:
            return Replacement(None, None, NotFound("Order was not canceled due to cancel restrictions."))
        if self.before:
            self.before.pop(0)(order)
        cancelled = self.cancel(order.symbol, replaces)
        try:
            return Replacement(cancelled, self._accept(order))
        except Refused as refused:
            return Replacement(cancelled, None, refused)

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        if client_order_id not in self.kept or not self.kept[client_order_id].status.is_open:
            raise NotFound("Unknown order sent.")
        return self.end(client_order_id, OrderStatus.CANCELED)

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        if client_order_id not in self.kept:
            raise NotFound("Order does not exist.")
        return replace(self.kept[client_order_id], fills=())

    def open_orders(self, symbol: str = "") -> list[OrderReport]:
        orders = (order for order in self.kept.values() if order.status.is_open)
        return [replace(order, fills=()) for order in orders if symbol in ("", order.symbol)]

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        return next(order.fills for order in self.kept.values() if order.exchange_order_id == exchange_order_id)

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        orders = [order for order in self.kept.values() if order.symbol == symbol]
        found = [(order.exchange_order_id, fill) for order in orders for fill in order.fills]
        return sorted((each for each in found if each[1].trade_id >= from_id), key=lambda each: each[1].trade_id)

    def orders(self, symbol: str, from_id: int | None = 1) -> list[OrderReport]:
        found = [replace(order, fills=()) for order in self.kept.values() if order.symbol == symbol]
        return [order for order in found if order.exchange_order_id >= (from_id or 0)]

    def price(self, symbol: str) -> Decimal:
        return self.last_price

    def prices(self, symbols: Collection[str], is_exit: bool = True) -> dict[str, Decimal]:
        return dict.fromkeys(symbols, self.last_price)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """What `money` has become by the fills; nothing of it counts as locked."""
        held = dict(self.money)
        for order in self.kept.values():
            base, sign = order.symbol.removesuffix("USDT"), 1 if order.side == Side.BUY else -1
            for fill in order.fills:
                moves = ((base, sign * fill.quantity), ("USDT", -sign * fill.quote))
                for asset, amount in (*moves, (fill.commission_asset, -fill.commission)):
                    held[asset] = held.get(asset, Decimal(0)) + amount
        return {asset: (amount, Decimal(0)) for asset, amount in held.items()}

    def listed(self, symbol: str) -> ListedSymbol:
        raise Refused("Invalid symbol.", -1121)

    def all_listed(self) -> list[ListedSymbol]:
        raise OutcomeUnknown("This exchange lists nothing.")

    def fees(self, symbol: str) -> Fees:
        return Fees.flat(FEE)


def answer_lost(order: NewOrder) -> None:
    """For `after`: the order was accepted, but nobody hears of it."""
    raise OutcomeUnknown("read timed out")


def raises(error: Exception) -> Fault:
    """For `before`: nothing reaches the book."""

    def fault(order: NewOrder) -> None:
        raise error

    return fault
