"""Where a trader stands: its orders, what it may spend, and what it remembers. All else follows from that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum

from trading.core.fees import USUAL_FEES, Fees
from trading.core.money import EXACT, QUOTE_UNIT, ZERO
from trading.core.orders import Order, Side, commissions, third_asset_fills, third_asset_value, total_quote


class TraderState(StrEnum):
    """Where a trader stands in its one cycle."""

    WAITING = "WAITING"  # No buy order yet: the next trade event places it.
    BUYING = "BUYING"  # The buy order rests, or has been sent.
    HOLDING = "HOLDING"  # Bought; the sell order is not placed yet.
    SELLING = "SELLING"  # The sell order rests, or has been sent.
    FINISHED = "FINISHED"  # Sold. The profit is booked.
    DUST = "DUST"  # Ended holding less than the exchange lets it sell.
    RETIRED = "RETIRED"  # Ended before it bought anything: its slot is no longer wanted.
    ABANDONED = "ABANDONED"  # Given up by a person: what it held is theirs to look after.

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({TraderState.FINISHED, TraderState.DUST, TraderState.RETIRED, TraderState.ABANDONED})


class Mode(StrEnum):
    """What a symbol's traders may do; asked anew at each look."""

    ON = "on"  # All.
    SHUTDOWN = "shutdown"  # Whatever ends a cycle under way: no buy is begun.
    OFF = "off"  # Nothing: what rests is kept.


@dataclass(frozen=True)
class Position:
    """A trader's orders that were ever accepted, oldest first, and what follows from their fills.

    `budget` is its share, in quote. `memory` is what its strategy wrote down with an earlier decision.
    `has_tried_values`: what its commissions were worth was asked just now; what is still unknown can't be told now.
    """

    orders: tuple[Order, ...] = ()
    budget: Decimal = ZERO
    mode: Mode = Mode.ON
    has_told_rebuy: bool = False
    memory: Mapping[str, str] = field(default_factory=dict)
    has_tried_values: bool = False

    def of(self, side: Side) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.side == side)

    @property
    def open_order(self) -> Order | None:
        return next((order for order in self.orders if order.status.is_open), None)

    @property
    def bought(self) -> Decimal:
        """Executed quantity of all buys, before commissions."""
        return sum((order.executed for order in self.of(Side.BUY)), ZERO)

    @property
    def bought_at(self) -> Decimal | None:
        """The limit of the dearest buy that traded: several exist only where one was cancelled half-way."""
        return max((order.price for order in self.of(Side.BUY) if order.executed), default=None)

    @property
    def sold(self) -> Decimal:
        return sum((order.executed for order in self.of(Side.SELL)), ZERO)

    def owned(self, base_asset: str) -> Decimal:
        """What is left to sell: bought, less sold, less the commissions that were taken in the base asset."""
        return self.bought - self.sold - commissions(self.orders).get(base_asset, ZERO)

    def unit_cost(self, base_asset: str, quote_asset: str, fees: Fees = USUAL_FEES) -> Decimal | None:
        """What a unit of what was bought has really cost, in quote; None before anything was bought.

        That is what was paid for all known fills, with the commissions in quote and the value of those in a third
        asset, over what commissions in the base asset have left. Where nobody knows the value of one in a third
        asset, our rate in the symbol stands for it: without such a commission's discount, so it is no less.
        """
        buys = self.of(Side.BUY)
        got = sum((order.booked for order in buys), ZERO) - commissions(self.orders).get(base_asset, ZERO)
        if got <= 0:
            return None
        paid = total_quote(buys) + commissions(buys).get(quote_asset, ZERO)
        for fill in third_asset_fills(buys, (base_asset, quote_asset)):
            rate = fees.buy_maker if fill.is_maker else fees.buy_taker
            paid += EXACT.multiply(fill.quote, rate) if fill.commission_quote is None else fill.commission_quote
        return EXACT.divide(paid, got)

    def profit(self, base_asset: str, quote_asset: str) -> Decimal:
        """Realised profit in quote: what the sold part brought, less what that part cost, net of commissions.

        A commission in the base asset makes what is left dearer, one in a third asset counts at its value in quote.
        What could not be sold (less than a step) keeps its cost: it is still owned, so it is neither profit nor loss
        yet.
        """
        sells = self.of(Side.SELL)
        paid, received = total_quote(self.of(Side.BUY)), total_quote(sells)
        fees = commissions(self.orders).get(quote_asset, ZERO)
        fees += third_asset_value(self.orders, (base_asset, quote_asset))
        got = self.owned(base_asset) + self.sold
        with localcontext(EXACT):
            cost = paid * self.sold / got if got > 0 else ZERO
            return (received - fees - cost).quantize(QUOTE_UNIT, rounding=ROUND_FLOOR)


def state_of(position: Position) -> TraderState:
    """Where a trader that has not ended stands."""
    resting = position.open_order
    if resting is not None:
        return TraderState.BUYING if resting.side == Side.BUY else TraderState.SELLING
    return TraderState.HOLDING if position.bought else TraderState.WAITING
