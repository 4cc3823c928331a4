"""Bugs planted in what people do by hand: a fill counts twice, a cost is forgotten, a limit is passed."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.simulation.surroundings.conditions import Conditions
from tests.simulation.surroundings.luck import Luck
from tests.simulation.surroundings.patches import Patches
from trading.by_hand import plans, taking_over
from trading.core import by_hand
from trading.core.denials import Denial
from trading.core.events import Event
from trading.core.filters import SymbolFilters
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.position import Position
from trading.models import Fill, Trader
from trading.risk import gate, protections


def sell_now_counts_a_fill_twice(patches: Patches) -> None:
    """What was sold of the order that is cancelled first is sold once more."""
    carry_out = by_hand.carry_out

    def without_the_cancelled(position: Position, event: Event, filters: SymbolFilters) -> Any:
        kept = [
            order
            for order in position.orders
            if order.side == Side.BUY or order.status != OrderStatus.CANCELED or not order.cancel_reason
        ]
        return carry_out(replace(position, orders=tuple(kept)), event, filters)

    patches.set(by_hand, "carry_out", without_the_cancelled)


def sell_now_does_not_wait_for_the_end(patches: Patches) -> None:
    """It takes the request to cancel for the end of the order."""
    carry_out = by_hand.carry_out

    def at_once(position: Position, event: Event, filters: SymbolFilters) -> Any:
        told = position.hand.told
        mine = told.order if told else ""
        still = [order for order in position.orders if not order.cancel_reason or order.client_order_id == mine]
        return carry_out(replace(position, orders=tuple(still)), event, filters)

    patches.set(by_hand, "carry_out", at_once)


def take_over_forgets_the_cost(patches: Patches) -> None:
    """It is booked as if it had been bought for what it is worth just now."""
    book = taking_over._book

    def at_the_market(trader: Trader, quantity: Decimal, cost: Decimal, *rest: Any) -> None:
        book(trader, quantity, cost, *rest)
        fill = Fill.objects.get(order__trader=trader, order__type=OrderType.TAKEOVER)
        trade = plans.last_trade(trader.symbol, trader.venue)  # type: ignore[arg-type]
        fill.quote = (trade.price * quantity).quantize(Decimal("0.00000001")) if trade else cost * 2
        fill.save(update_fields=["quote"])

    patches.set(taking_over, "_book", at_the_market)


def _of_told(denial: Callable[..., Denial | None]) -> Callable[..., Denial | None]:
    """The same for all but a trader that was told to buy."""

    def ask(trader: Trader, *order: Any) -> Denial | None:
        is_told = trader.told is not None and trader.told["deed"] == "BUY"
        return None if is_told else denial(trader, *order)

    return ask


def buy_now_ignores_the_limit(patches: Patches) -> None:
    patches.set(protections, "would_deny", lambda *_: None)
    patches.set(protections, "denial", _of_told(protections.denial))


def a_pause_forgets_what_is_about_to_be_sent(patches: Patches) -> None:
    """It is looked at where an order is saved, and not once more before it is sent."""
    of_row = gate._pause_denial

    def of_traders_alone(side: Side, by: str | None) -> Denial | None:
        return None

    last_look = gate.last_look

    def hasty(order: Any) -> Denial | None:
        gate._pause_denial = of_traders_alone
        try:
            return last_look(order)
        finally:
            gate._pause_denial = of_row

    patches.everywhere(last_look, hasty)


PLANTED = (
    sell_now_counts_a_fill_twice,
    sell_now_does_not_wait_for_the_end,
    take_over_forgets_the_cost,
    buy_now_ignores_the_limit,
    a_pause_forgets_what_is_about_to_be_sent,
)

# Where people act by hand in each world, and leave everything on.
_BUSY = Conditions(Luck(turned_off=0, shut_down=0, abandoned=0, halted=0, books_restored=0), hands=True)
CONDITIONS = dict.fromkeys(PLANTED, _BUSY) | {
    # A part of what rests trades, and it is sold once more out of what the owner holds himself.
    sell_now_counts_a_fill_twice: replace(_BUSY, coins={"ETH": Decimal(1), "BTC": Decimal("0.05")}),
    sell_now_does_not_wait_for_the_end: replace(_BUSY, coins={"ETH": Decimal(1), "BTC": Decimal("0.05")}),
}
