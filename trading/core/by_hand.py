"""What a person's hand makes of a trader's next step: it goes before what the strategy decides, and the guard's rules
hold for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from trading.core import guard
from trading.core.decisions import (
    Cancel,
    Decision,
    Finish,
    PlaceBuy,
    PlaceSell,
    Replace,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.events import Event, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.hand import NO_HAND, Deed, Pause, Told
from trading.core.money import ZERO, buy_quantity, floor_to, just_under, plain
from trading.core.orders import Order, OrderStatus, Side
from trading.core.position import Mode, Position
from trading.core.steps import sell_or_finish
from trading.core.strategy import Strategy

# Nothing of such an order can have traded: what was told is still to be done.
_NEVER_WAS = frozenset({OrderStatus.REJECTED, OrderStatus.NOT_PLACED, OrderStatus.NOT_FOUND})


@dataclass(frozen=True)
class Done:
    """What was told is over, done or not; in words what came of it. The strategy goes on."""

    reason: str


# --- at once, in place of the strategy ------------------------------------------------------------


def carry_out(position: Position, event: Event, filters: SymbolFilters) -> Decision | Done | None:
    """The next step of what the trader was told to do at once; None where it was told nothing.

    Cancel what rests, wait for its end and for all of its fills, then sell what is held: whoever looks next goes on.
    """
    told = position.hand.told
    if told is None:
        return None
    unknown = guard.unsettled(position)
    if unknown is not None:
        return unknown
    resting = position.open_order
    if resting is not None and resting.client_order_id == told.order:
        return guard.not_filled_yet(resting)  # It never rests: its end is on its way.
    if resting is not None:
        return _allowed(position, event, filters, _clear(told, resting))
    match told.deed:
        case Deed.CANCEL:
            return Done("it has no open buy")
        case Deed.REOFFER:
            return Done("its strategy says at which price it sells")
        case Deed.BUY:
            return _allowed(position, event, filters, _buy(told, position, filters))
        case Deed.SELL:
            return _allowed(position, event, filters, _sell(told, position, filters))


def stopped(position: Position, event: Event) -> Told | None:
    """What a trader is to do at once whose stop was moved by hand, now that the market has fallen below that."""
    hand, resting = position.hand, position.open_order
    if hand.stop is None or hand.told is not None or hand.pause == Pause.ALL or not isinstance(event, TradeSeen):
        return None
    holds = position.bought > position.sold and (resting is None or resting.side == Side.SELL)
    if not holds or event.price >= hand.stop or guard.unsettled(position) is not None:
        return None
    return Told(Deed.SELL, f"its stop at {plain(hand.stop)}", event.price)


def _allowed(position: Position, event: Event, filters: SymbolFilters, wanted: Decision | Done) -> Decision | Done:
    """What the guard denies for good is over: nobody waits for hours to be carried out at another price."""
    why_not = None if isinstance(wanted, Done) else guard.overruled(position, event, wanted, filters)
    return wanted if why_not is None else Done(why_not.reason)


def _clear(told: Told, resting: Order) -> Decision | Done:
    if told.deed == Deed.SELL:
        return Cancel(resting, f"{told.by} sells now")
    if told.deed == Deed.CANCEL and resting.side == Side.BUY:
        return Cancel(resting, f"cancelled by {told.by}")
    if told.deed == Deed.REOFFER and resting.side == Side.SELL:
        return Cancel(resting, f"{told.by} leaves the target to its strategy")
    nothing = {Deed.CANCEL: "it has no open buy", Deed.REOFFER: "it offers nothing"}
    return Done(nothing.get(told.deed, "it has an open order already"))


def _buy(told: Told, position: Position, filters: SymbolFilters) -> Decision | Done:
    if told.order or position.bought:
        return Done(_how_it_went(told, f"bought {plain(position.bought)} {filters.base_asset}"))
    price = told.bound or told.price
    quantity = buy_quantity(position.budget, price, filters.step)
    if quantity <= 0:
        return Done("its order size buys nothing at this price")
    return PlaceBuy(price, quantity, f"{told.by} buys now, at {plain(price)} or below", is_ioc=True)


def _sell(told: Told, position: Position, filters: SymbolFilters) -> Decision | Done:
    if told.status is not None and told.status not in (*_NEVER_WAS, OrderStatus.FILLED):
        return Done(_how_it_went(told, f"{plain(position.owned(filters.base_asset))} {filters.base_asset} left"))
    if floor_to(position.owned(filters.base_asset), filters.step) <= 0:
        return Done("all is sold" if position.sold else "it holds nothing")
    price, is_market = floor_to(told.bound or told.price, filters.tick), told.bound is None
    how = "at the market" if is_market else f"at {plain(price)} or above"
    sale = sell_or_finish(position, filters, price, f"{told.by} sells now, {how}", is_market=is_market, is_exit=True)
    if isinstance(sale, PlaceSell):
        return sale if sale.is_market else replace(sale, is_ioc=True)
    return Done(sale.reason)


def _how_it_went(told: Told, so_far: str) -> str:
    if told.status is None or told.status == OrderStatus.FILLED:
        return so_far
    if told.status in _NEVER_WAS:
        return f"{so_far}: the order was not placed"
    where = (
        "" if told.bound is None else f" at {plain(told.bound)} or {'below' if told.deed == Deed.BUY else 'above'}"
    )
    return f"{so_far}: no more could be had{where}"


# --- what stands beside the strategy: a pause, a target, a stop ------------------------------------


def decide(strategy: Strategy, position: Position, event: Event, filters: SymbolFilters, settings: Any) -> Decision:
    """What the strategy wants, as far as no hand says otherwise. Raises StrategyFails."""
    decision = guard.decide(strategy, position, event, filters, settings)
    if position.hand == NO_HAND or position.mode == Mode.OFF or guard.unsettled(position) is not None:
        return decision
    for mine in _instead(decision, position, event, filters):
        return guard.checked(position, event, mine, filters)
    return decision


def triggers(
    strategy: Strategy,
    position: Position,
    filters: SymbolFilters,
    settings: Any,
    market: Decimal | None = None,
) -> Triggers:
    """The prices that concern the trader. `market`: at which the strategy was just asked. Raises StrategyFails."""
    found = guard.triggers(strategy, position, filters, settings)
    stop = position.hand.stop
    if stop is None or not position.bought or guard.unsettled(position) is not None:
        return found
    below = just_under(stop)
    # What its strategy's own stop waits for has come, and nothing was to follow: that would wake it at each trade.
    is_past = found.below is not None and market is not None and market <= found.below
    return replace(found, below=below if found.below is None or is_past else max(below, found.below))


def _instead(decision: Decision, position: Position, event: Event, filters: SymbolFilters) -> Iterator[Decision]:
    """What is done in its place, if anything: the first of these."""
    hand, resting = position.hand, position.open_order
    if isinstance(decision, Finish):
        return
    if hand.pause == Pause.ALL:
        yield decision if isinstance(decision, Wait) else Wait("paused by hand: nothing is placed, and no stop acts")
        return
    is_of_buys = isinstance(decision, RequestSlot) or (
        isinstance(decision, Cancel) and decision.order.side == Side.BUY
    )
    if hand.pause == Pause.BUYS and is_of_buys:
        yield Wait("paused by hand: nothing is bought")
        return
    if not position.bought or (resting is not None and resting.side == Side.BUY):
        return
    is_above = hand.stop is not None and isinstance(event, TradeSeen) and event.price >= hand.stop
    if is_above and _is_exit(decision):
        yield Wait(f"its stop was moved by hand to {plain(hand.stop or ZERO)}")
    if hand.target is not None and not _is_exit(decision):
        yield from _at(hand.target, decision, position, filters)


def _is_exit(decision: Decision) -> bool:
    sale = decision.by if isinstance(decision, Replace) else decision
    return isinstance(sale, PlaceSell) and sale.is_exit


def _at(target: Decimal, decision: Decision, position: Position, filters: SymbolFilters) -> Iterator[Decision]:
    """Offers what is held at the price that was set, and keeps it there."""
    resting, memory = position.open_order, getattr(decision, "memory", None)
    reason = f"target set by hand: {plain(target)}"
    if resting is not None:
        if resting.price == target:
            if isinstance(decision, Cancel | Replace):
                yield Wait(f"{reason}: it stays", memory=memory)
            return
        sale = sell_or_finish(position, filters, target, reason, memory=memory)
        if isinstance(sale, PlaceSell):
            yield Replace(resting, sale, reason)
        return
    is_ready = not (isinstance(decision, Wait) and (decision.needs_fills or decision.needs_values or decision.pauses))
    if is_ready and isinstance(decision, Wait | PlaceSell):
        sale = sell_or_finish(position, filters, target, reason, memory=memory)
        if isinstance(sale, PlaceSell):
            yield sale
