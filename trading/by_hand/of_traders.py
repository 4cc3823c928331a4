"""What people do to one trader. Each raises ValidationError, for people, where it can't be done."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from hedgehog_project.venues import Venue
from trading.books.booking import position_of
from trading.by_hand.plans import SLIPPAGE, SalePlan, last_trade, plan_sale
from trading.by_hand.saying import Hands, Outcome, change, live, named, save
from trading.core.filters import SymbolFilters, too_far, violation
from trading.core.hand import Deed, Pause, Told
from trading.core.money import ZERO, floor_to, plain
from trading.core.orders import Side
from trading.models import Slot, Trader
from trading.models.symbols import filters_of
from trading.traders import cycle_end
from trading.waking.prices import LastTrade


class Keep:
    """In the place of a price: it stays as it is."""


KEEP = Keep()
Price = Decimal | None | Keep


def sell_now(trader_id: int, hands: Hands, slippage: Decimal | None = SLIPPAGE) -> Outcome:
    """Cancels what rests and sells all that is held, for no less than this far below the last price; None: at any.

    What nobody takes at that price stays with the trader, which goes on by its strategy.
    """
    with transaction.atomic():
        outcome = save(hands, "sell", trader=Trader.objects.filter(pk=trader_id).first())
        if not outcome.is_new:
            return outcome
        trader = live(trader_id)
        plan = plan_sale(trader, slippage)
        if plan.why_not:
            raise ValidationError(f"{named(trader)}: {plan.why_not}.")
        tell_to_sell(trader, plan, hands, outcome)
    return outcome


def tell_to_sell(trader: Trader, plan: SalePlan, hands: Hands, outcome: Outcome) -> None:
    """As planned, with its row locked, of whatever it holds once what rests is cancelled."""
    price = plan.trade.price if plan.trade else plan.bound or _paid(trader)
    how = "at any price" if plan.bound is None else f"at {plain(plan.bound)} or above"
    told = Told(Deed.SELL, hands.by[:150], price, plan.bound)
    change(trader, hands, f"told to sell now, {how}", told=told.to_texts())
    _describe(outcome, trader, f"sell all that {named(trader)} holds, {how}", plan.trade)


def sell_at(trader_id: int, price: Decimal, hands: Hands) -> Outcome:
    """Offers all that is held at this price until somebody takes it, in the place of the sale that rests."""
    return move(trader_id, hands, target=price)


def move(trader_id: int, hands: Hands, target: Price = KEEP, stop: Price = KEEP) -> Outcome:
    """Sets what a trader sells at, and below which price it gets out; None gives that back to its strategy."""
    with transaction.atomic():
        outcome = save(hands, "move", trader=Trader.objects.filter(pk=trader_id).first())
        if not outcome.is_new:
            return outcome
        trader = live(trader_id)
        position, filters = position_of(trader), filters_of(trader.symbol_id, trader.venue)
        if filters is None:
            raise ValidationError(f"The filters of {trader.symbol} are not known at {trader.venue} yet.")
        owned = floor_to(position.owned(filters.base_asset), filters.step)
        if owned <= 0:
            raise ValidationError(f"{named(trader)} holds nothing: there is no target and no stop to move.")
        if trader.told is not None:
            raise ValidationError(f"{named(trader)} has been told to {trader.told['deed'].lower()}: wait for that.")
        trade = last_trade(trader.symbol, Venue(trader.venue))
        values: dict[str, Any] = {}
        if not isinstance(target, Keep):
            values["target"] = None if target is None else _target(target, owned, filters, trade)
        if not isinstance(stop, Keep):
            values["stop"] = None if stop is None else _stop(stop, filters, trade)
        if not values:
            raise ValidationError("Give a target or a stop.")
        if trader.target is not None and values.get("target", trader.target) is None:
            # What rests at that price would stay there for ever: no strategy moves it of itself.
            values["told"] = Told(Deed.REOFFER, hands.by[:150], trader.target).to_texts()
        moved = {name: at for name, at in values.items() if name != "told"}
        words = [f"{name} {'left to its strategy' if at is None else plain(at)}" for name, at in moved.items()]
        change(trader, hands, ", ".join(words), **values)
        _describe(outcome, trader, f"{named(trader)}: {', '.join(words)}", trade)
    return outcome


def _target(price: Decimal, owned: Decimal, filters: SymbolFilters, trade: LastTrade | None) -> Decimal:
    why_not = violation(filters, Side.SELL, price, owned) or (
        trade and too_far(filters, Side.SELL, price, trade.price)
    )
    if why_not:
        raise ValidationError(f"The target can't be {plain(price)}: {why_not}.")
    return price


def _stop(price: Decimal, filters: SymbolFilters, trade: LastTrade | None) -> Decimal:
    if price <= 0 or floor_to(price, filters.tick) != price:
        raise ValidationError(f"The stop must be a multiple of the tick size, {plain(filters.tick)}.")
    if trade is not None and price >= trade.price:
        raise ValidationError(
            f"A stop of {plain(price)} is not below the market, {plain(trade.price)}: sell now instead."
        )
    return price


def cancel_buy(trader_id: int, hands: Hands, pauses: bool = True) -> Outcome:
    """Cancels its open buy. `pauses`: it buys no more until it is resumed; else its strategy buys again."""
    with transaction.atomic():
        outcome = save(hands, "cancel", trader=Trader.objects.filter(pk=trader_id).first())
        if not outcome.is_new:
            return outcome
        trader = live(trader_id)
        buys = [order for order in position_of(trader).open_orders if order.side == Side.BUY]
        if not buys:
            raise ValidationError(f"{named(trader)} has no open buy.")
        if trader.told is not None and trader.told["deed"] == Deed.SELL:
            raise ValidationError(f"{named(trader)} has been told to sell, which cancels its buy.")
        told = Told(Deed.CANCEL, hands.by[:150], buys[0].price).to_texts()
        paused = {"pause": trader.pause or Pause.BUYS, "paused_by": hands.by[:150]} if pauses else {}
        then = ", then paused" if pauses else ""
        change(trader, hands, f"told to cancel its buy{then}", told=told, **paused)
        _describe(outcome, trader, f"cancel the buy of {named(trader)}{then}")
    return outcome


def pause(trader_id: int, hands: Hands, with_sales: bool = False) -> Outcome:
    """Holds its buys back; what it holds is sold as ever, and its stops act. What rests stays.

    `with_sales`: it places nothing at all of itself, and no stop acts.
    """
    with transaction.atomic():
        outcome = save(hands, "pause", trader=Trader.objects.filter(pk=trader_id).first())
        if outcome.is_new:
            trader, how = live(trader_id), Pause.ALL if with_sales else Pause.BUYS
            text = "paused: it places nothing, stops included" if with_sales else "paused: it buys nothing"
            change(trader, hands, text, pause=how, paused_by=hands.by[:150])
            _describe(outcome, trader, f"{named(trader)} {text}")
    return outcome


def resume(trader_id: int, hands: Hands) -> Outcome:
    """Ends its pause."""
    with transaction.atomic():
        outcome = save(hands, "resume", trader=Trader.objects.filter(pk=trader_id).first())
        if outcome.is_new:
            trader = live(trader_id)
            change(trader, hands, "resumed", pause=Pause.NONE, paused_by="")
            _describe(outcome, trader, f"{named(trader)} resumed")
    return outcome


def close_slot(trader_id: int, hands: Hands) -> Outcome:
    """Closes its slot once its cycle ends: none follows until the slot is opened. One that holds nothing and has no
    open order ends at once.
    """
    with transaction.atomic():
        outcome = save(hands, "close", trader=Trader.objects.filter(pk=trader_id).first())
        if not outcome.is_new:
            return outcome
        trader = live(trader_id)
        Slot.objects.update_or_create(
            symbol=trader.symbol, venue=trader.venue, number=trader.slot, defaults={"is_closed": True}
        )
        change(trader, hands, "its slot closes after this cycle")
        _describe(outcome, trader, f"close slot {trader.slot} of {trader.symbol.name} after its cycle")
    cycle_end.retire(trader_id, f"its slot was closed by {hands.by}")
    return outcome


def _paid(trader: Trader) -> Decimal:
    """A price to reckon with where the market's is not known: an order at any price sends none."""
    buys = [order.price for order in position_of(trader).of(Side.BUY)]
    return max(buys, default=ZERO)


def _describe(outcome: Outcome, trader: Trader, text: str, trade: LastTrade | None = None) -> None:
    row = outcome.instruction
    row.text, row.symbol, row.venue = text[:300], trader.symbol, trader.venue
    row.price = trade.price if trade else None
    row.save(update_fields=["text", "symbol", "venue", "price"])
