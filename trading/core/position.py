"""Where a trader stands: its orders, what it may spend, and what it remembers. All else follows from that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum

from trading.core import old_names
from trading.core.fees import USUAL_FEES, Fees
from trading.core.hand import NO_HAND, Hand
from trading.core.money import EXACT, QUOTE_UNIT, ZERO, quote_of
from trading.core.orders import Order, Side, commissions, third_asset_fills, third_asset_value, total_quote


class TraderState(StrEnum):
    """Where a trader stands in its one cycle."""

    WAITING = "WAITING"  # No buy order yet: the next trade event places it.
    BUYING = "BUYING"  # The buy order rests, or has been sent.
    HOLDING = "HOLDING"  # Bought; the sell order is not placed yet.
    SELLING = "SELLING"  # The sell order rests, or has been sent.
    FINISHED = "FINISHED"  # Sold. The profit is booked.
    DUST = "DUST"  # Ended without a sale: all that it holds is less than one step, or than the minimum quantity.
    MISSING = "MISSING"  # Ended: what it held is no longer on the account.
    RETIRED = "RETIRED"  # Ended before it bought anything: its slot is no longer wanted.
    ABANDONED = "ABANDONED"  # Given up by a person: what it held is theirs to look after.

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset(
    {
        TraderState.FINISHED,
        TraderState.DUST,
        TraderState.MISSING,
        TraderState.RETIRED,
        TraderState.ABANDONED,
    }
)
# Where what is left over belongs to the symbol's next sale, and not to a person.
LEAVES_TO_THE_NEXT = frozenset({TraderState.FINISHED, TraderState.DUST})


class Mode(StrEnum):
    """What a symbol's traders may do; asked anew at each look."""

    ON = "on"  # All.
    SHUTDOWN = "shutdown"  # Whatever ends a cycle under way: no buy is begun.
    OFF = "off"  # Nothing: what rests is kept.


@dataclass(frozen=True)
class Position:
    """A trader's orders that were ever accepted, oldest first, and what follows from their fills.

    `budget` is its share, in quote. `memory` is what its strategy wrote down with an earlier decision. `carried` is
    what it has taken over of earlier cycles' left-overs, in base, at `carried_cost` in quote. `missing` is what it
    should own and the account does not have. `free` is what the account has free of the base asset, where that was
    asked just now: more can't be sold. `has_tried_values`: what its commissions were worth was asked just now; what
    is still unknown can't be told now. `hand`: what a person wants; the trader sees to it, no strategy need.
    """

    orders: tuple[Order, ...] = ()
    budget: Decimal = ZERO
    mode: Mode = Mode.ON
    has_requested_slot: bool = False
    memory: Mapping[str, str] = field(default_factory=dict)
    carried: Decimal = ZERO
    carried_cost: Decimal = ZERO
    missing: Decimal = ZERO
    free: Decimal | None = None
    has_tried_values: bool = False
    hand: Hand = NO_HAND

    def of(self, side: Side) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.side == side)

    @property
    def has_told_rebuy(self) -> bool:
        """The old name of has_requested_slot, for one release."""
        old_names.warn("Position.has_told_rebuy", "has_requested_slot")
        return self.has_requested_slot

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Two while one takes the other's place, or where one shows that was taken for never placed."""
        return tuple(order for order in self.orders if order.status.is_open)

    @property
    def open_order(self) -> Order | None:
        return next(iter(self.open_orders), None)

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
        """What is left to sell: bought and carried over, less sold, commissions in base and what is missing."""
        fees = commissions(self.orders).get(base_asset, ZERO)
        return self.bought + self.carried - self.sold - fees - self.missing

    @property
    def spent(self) -> Decimal:
        """What of the budget is bound, at its buys' own prices: what may still be bought, and what is held of them.

        What was carried over is none of it: it was another cycle's budget.
        """
        buys = self.of(Side.BUY)
        resting = (order for order in buys if order.status.is_open)
        still_open = sum((order.price * (order.quantity - order.executed) for order in resting), ZERO)
        cost = sum((order.price * order.executed for order in buys), ZERO)
        if not self.bought:
            return still_open
        held = max(self.bought - max(self.sold - self.carried, ZERO), ZERO)
        return still_open + EXACT.divide(EXACT.multiply(cost, held), self.bought)

    def unit_cost(self, base_asset: str, quote_asset: str, fees: Fees = USUAL_FEES) -> Decimal | None:
        """What a unit of what it bought itself has really cost, in quote; None before anything was bought.

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
        received = total_quote(self.of(Side.SELL))
        fees = commissions(self.orders).get(quote_asset, ZERO)
        fees += third_asset_value(self.orders, (base_asset, quote_asset))
        with localcontext(EXACT):
            return (received - fees - self._cost_of(self.sold, base_asset)).quantize(QUOTE_UNIT, rounding=ROUND_FLOOR)

    def fees_in_quote(self, base_asset: str, quote_asset: str) -> Decimal:
        """All commissions of known value, in quote: those in the base asset at the price of their own fill."""
        total = ZERO
        for fill in (fill for order in self.orders for fill in order.fills):
            if fill.commission_asset == quote_asset:
                total += fill.commission
            elif fill.commission_asset == base_asset:
                total += quote_of(fill.price, fill.commission)
            else:
                total += fill.commission_quote or ZERO
        return total

    def cost_of_owned(self, base_asset: str) -> Decimal:
        """What that has cost which is left to sell, in quote, before commissions in quote and in third assets."""
        return self._cost_of(self.owned(base_asset), base_asset).quantize(QUOTE_UNIT, ROUND_FLOOR, EXACT)

    def cost_of_missing(self, base_asset: str) -> Decimal:
        """The same of what the account lacks: neither profit nor loss of its trading."""
        return self._cost_of(self.missing, base_asset).quantize(QUOTE_UNIT, ROUND_FLOOR, EXACT)

    def _cost_of(self, quantity: Decimal, base_asset: str) -> Decimal:
        """The part of all that was paid that falls to so much of all that it ever had to sell."""
        had = self.owned(base_asset) + self.sold + self.missing
        if had <= 0:
            return ZERO
        paid = total_quote(self.of(Side.BUY)) + self.carried_cost
        return EXACT.divide(EXACT.multiply(paid, quantity), had)


def state_of(position: Position) -> TraderState:
    """Where a trader that has not ended stands."""
    resting = position.open_order
    if resting is not None:
        return TraderState.BUYING if resting.side == Side.BUY else TraderState.SELLING
    return TraderState.HOLDING if position.bought else TraderState.WAITING
