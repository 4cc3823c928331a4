"""What holds for every strategy, whoever wrote it: it stands between a strategy and the trader that acts.

A strategy need not know of modes, unknown fills, unclear orders or pauses, and it can't sell what is not owned, spend
more than the budget, or have two orders at a time.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

from trading.core.decisions import (
    Cancel,
    Decision,
    Finish,
    Level,
    LevelKind,
    PlaceBuy,
    PlaceSell,
    Replace,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.events import Event, OrderReported, TradeSeen
from trading.core.filters import SymbolFilters, violation
from trading.core.money import EXACT, MAX_AMOUNT, ONE, ZERO, can_be_stored, floor_to, plain, round_down, round_up
from trading.core.orders import UNASKED_ENDS, Order, OrderStatus, Side, to_be_valued
from trading.core.position import Mode, Position, TraderState
from trading.core.steps import holds_too_little
from trading.core.strategy import HasLevels, Strategy

_OFF = Wait("trading is off for this symbol")


class StrategyFails(Exception):
    """A strategy raises an error, or answers what is no answer; the text is for its author."""


def decide(strategy: Strategy, position: Position, event: Event, filters: SymbolFilters, settings: Any) -> Decision:
    """What to do next: what the strategy wants, where it may. Raises StrategyFails."""
    unknown = unsettled(position)
    if unknown is not None:
        return unknown
    if position.mode != Mode.ON and position.open_order is None and position.bought == 0:
        return _OFF if position.mode == Mode.OFF else _retired()
    decision = _asked(strategy, "decide", position, event, filters, settings)
    _check(strategy, decision)
    return checked(position, event, decision, filters)


def checked(position: Position, event: Event, decision: Decision, filters: SymbolFilters) -> Decision:
    """The decision, or why it must wait."""
    return (
        overruled(position, event, decision, filters)
        or pause(position, event, decision)
        or values(position, decision, filters)
        or decision
    )


def triggers(strategy: Strategy, position: Position, filters: SymbolFilters, settings: Any) -> Triggers:
    """The prices that concern the trader; none while only a report can tell how it stands. Raises StrategyFails."""
    if unsettled(position) is not None:
        return Triggers()
    found = _asked(strategy, "triggers", position, filters, settings)
    if not isinstance(found, Triggers):
        raise StrategyFails(f"{strategy.name}.triggers returned {found!r}, not Triggers")
    for side in ("below", "above"):
        price = getattr(found, side)
        if price is not None and not (isinstance(price, Decimal) and price.is_finite() and abs(price) <= MAX_AMOUNT):
            raise StrategyFails(f"{strategy.name}.triggers returned {side}={price!r}, not a Decimal or None")
    return Triggers(
        below=None if found.below is None else round_down(found.below),
        above=None if found.above is None else round_up(found.above),
    )


def levels(strategy: Strategy, position: Position, filters: SymbolFilters, settings: Any) -> tuple[Level, ...]:
    """The prices that it has in mind; none where it does not tell. Raises StrategyFails where they are none."""
    if not isinstance(strategy, HasLevels):
        return ()
    found = _asked(strategy, "levels", position, filters, settings)
    if not isinstance(found, tuple) or not all(isinstance(each, Level) for each in found):
        raise StrategyFails(f"{strategy.name}.levels returned {found!r}, not a tuple of Level")
    for each in found:
        if not isinstance(each.kind, LevelKind) or not _can_be_drawn(each.price):
            raise StrategyFails(f"{strategy.name}.levels returned {each!r}: a LevelKind and a Decimal above 0")
    return found


def _can_be_drawn(price: object) -> bool:
    return isinstance(price, Decimal) and price.is_finite() and ZERO < price <= MAX_AMOUNT


def not_filled_yet(order: Order) -> Wait:
    return Wait(f"waiting for the {order.side.lower()} at {plain(order.price)} to fill")


def _asked(strategy: Strategy, function: str, position: Position, *args: Any) -> Any:
    """Its answer. What it does to its copy of the position, or to how its thread computes, stays with it."""
    try:
        with localcontext():
            return getattr(strategy, function)(replace(position), *args)
    except BaseException as error:  # whatever a stranger's function raises, SystemExit too, is its author's to read
        raise StrategyFails(f"{strategy.name}.{function} raised {type(error).__name__}: {error}") from error


def _check(strategy: Strategy, decision: object) -> None:
    if not isinstance(decision, Decision):
        raise StrategyFails(f"{strategy.name}.decide returned {decision!r}, not a decision")
    who = f"{strategy.name}.decide returned a {type(decision).__name__}"
    order = decision.by if isinstance(decision, Replace) else decision
    if isinstance(order, PlaceBuy | PlaceSell):
        for name in ("price", "quantity"):
            amount = getattr(order, name)
            if not can_be_stored(amount) or amount <= 0:
                raise StrategyFails(f"{who} with {name} {amount!r}, not a Decimal above 0 with at most 8 decimals")
    if isinstance(decision, Finish):
        if not isinstance(decision.state, TraderState) or not decision.state.has_ended:
            raise StrategyFails(f"{who} with state {decision.state!r}, which is no end of a cycle")
        for name in ("profit", "leftover"):
            amount = getattr(decision, name)
            if not can_be_stored(amount):
                raise StrategyFails(f"{who} with {name} {amount!r}, not a Decimal with at most 8 decimals")
    for told in (decision, order):
        if not _is_text(told.reason):
            raise StrategyFails(f"{who} with reason {told.reason!r}, not a text")
    memory = getattr(decision, "memory", None)
    if memory is None:
        return
    if not isinstance(memory, Mapping) or not all(_is_text(text) for item in memory.items() for text in item):
        raise StrategyFails(f"{who} with memory {memory!r}: only strings can be stored")


def _is_text(value: object) -> bool:
    """As databases store it: PostgreSQL takes no NUL."""
    return isinstance(value, str) and "\0" not in value


def unsettled(position: Position) -> Wait | None:
    """What must be known before anything can be decided."""
    for resting in position.open_orders:
        if resting.cancel_reason:
            return Wait(f"cancelling its {resting.side.lower()}: {resting.cancel_reason}")
        if resting.status == OrderStatus.SUBMITTING:
            return not_filled_yet(resting)
    if not position.open_orders:
        for order in position.orders:
            if not order.is_whole:
                return Wait(f"waiting for the fills of the {order.side.lower()}", needs_fills=order)
    return None


def _retired() -> Finish:
    return Finish(TraderState.RETIRED, ZERO, ZERO, "the symbol is shutting down and nothing was bought")


def overruled(position: Position, event: Event, decision: Decision, filters: SymbolFilters) -> Wait | None:
    """Why the strategy does not get what it wants; None where it does."""
    resting = position.open_order
    if isinstance(decision, Wait):
        return None
    if resting is not None and not isinstance(decision, Cancel | Replace | RequestSlot):
        return not_filled_yet(resting)
    if position.mode == Mode.OFF and not isinstance(decision, Finish):
        return _OFF
    match decision:
        case PlaceBuy(price=price) if position.bought and (
            position.sold or not holds_too_little(position, filters, price)
        ):
            return Wait("denied: the strategy would buy a second time")
        case PlaceBuy(price=price, quantity=quantity) if price * quantity + position.spent > position.budget:
            return Wait(f"denied: the order exceeds the budget, {plain(position.budget)}")
        case PlaceBuy(price=price, quantity=quantity) if why_not := _could_not_be_sold(
            position, price, quantity, filters
        ):
            return Wait(f"denied: the position could not be sold: {why_not}")
        case PlaceSell(quantity=quantity) if quantity > position.owned(filters.base_asset):
            return Wait(f"denied: the order exceeds the position, {plain(position.owned(filters.base_asset))}")
        case Cancel(order=order) | Replace(order=order) if order != resting:
            return Wait("denied: the strategy would cancel an order that is not open")
        case Replace(by=sale) if resting is not None and (
            resting.side != Side.SELL or sale.quantity > position.owned(filters.base_asset)
        ):
            return Wait("denied: the new sell exceeds the position")
        case Cancel() if resting is not None and resting.side == Side.BUY and resting.executed:
            return _buy_rests_on(position, resting, filters)
        case Cancel() | Replace() if resting is not None and resting.side == Side.SELL:
            return _sale_rests_on(position, event, resting, decision, filters)
        case RequestSlot() if position.has_requested_slot:
            return Wait("it has already requested a slot")
        case RequestSlot() if position.mode != Mode.ON:
            return Wait("the symbol is shutting down: no slot is requested")
    return None


def _could_not_be_sold(position: Position, price: Decimal, quantity: Decimal, filters: SymbolFilters) -> str | None:
    """Why nothing of it could be sold at the price that it was bought for, after the commission."""
    owned = position.owned(filters.base_asset) + EXACT.multiply(quantity, ONE - filters.fees.buy_max)
    return violation(filters, Side.SELL, price, floor_to(owned, filters.step))


def _buy_rests_on(position: Position, resting: Order, filters: SymbolFilters) -> Wait | None:
    """Why a buy that has traded in part stays: that part could neither be sold nor made more. None: it could."""
    part = position.owned(filters.base_asset) - EXACT.multiply(
        resting.executed - resting.booked, filters.fees.buy_max
    )
    why_not = violation(filters, Side.SELL, resting.price, floor_to(part, filters.step))
    left = position.budget - EXACT.multiply(resting.price, resting.executed)
    if why_not is None or (position.mode == Mode.ON and left >= filters.min_notional):
        return None
    return Wait(f"the buy stays open until its filled part can be sold: {why_not}")


def _sale_rests_on(
    position: Position, event: Event, resting: Order, decision: Cancel | Replace, filters: SymbolFilters
) -> Wait | None:
    """Why a resting sale stays: no other order could take its place. None where one could."""
    if isinstance(decision, Replace):
        price, quantity = decision.by.price, decision.by.quantity
    else:
        market = event.price if isinstance(event, TradeSeen) else resting.price
        price, quantity = floor_to(market, filters.tick), floor_to(position.owned(filters.base_asset), filters.step)
    why_not = violation(filters, Side.SELL, price, quantity)
    if why_not is None and resting.executed and not filters.is_trading:
        # It would have to be cancelled first, for nothing says how much of it trades meanwhile.
        why_not = f"{filters.symbol} cannot be traded now (status {filters.status})"
    return None if why_not is None else Wait(f"the sell stays open, no other could replace it: {why_not}")


def values(position: Position, decision: Decision, filters: SymbolFilters) -> Wait | None:
    """What must be asked first: a sale is priced by what its commissions were worth, and a cycle ends net of them.

    A sale waits for one answer, whatever that is; one that gets out for none.
    """
    is_sale = isinstance(decision, PlaceSell)
    if isinstance(decision, PlaceSell):
        is_asked = not decision.is_exit and not position.has_tried_values
    else:
        is_asked = isinstance(decision, Finish)
    assets = to_be_valued(position.orders, (filters.base_asset, filters.quote_asset)) if is_asked else ()
    if not assets:
        return None
    reason = f"valuing commissions in {', '.join(assets)}"
    return Wait(reason, needs_values=assets, values_can_wait=is_sale)


def pause(position: Position, event: Event, decision: Decision) -> Wait | None:
    """Why not to place the same again at once: the order before has just ended without our asking.

    Its owner may have cancelled it to trade by hand; self-trade prevention would end the next one as well.
    """
    if not isinstance(event, OrderReported) or event.was_asked or event.report.status not in UNASKED_ENDS:
        return None
    if position.open_order is not None:
        return None
    how = UNASKED_ENDS[event.report.status]
    if event.report.side == Side.BUY and not isinstance(decision, PlaceSell | Finish):
        return Wait(f"its buy {how}: buying again after a pause", pauses=True)
    if event.report.side == Side.SELL and not isinstance(decision, Finish):
        return Wait(f"its sell {how}: selling again after a pause", pauses=True)
    return None
