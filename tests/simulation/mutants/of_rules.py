"""Bugs planted in the rules of the strategy: what could be written in good faith of rebuys, stops and limits."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.simulation.surroundings.patches import Patches
from trading.books import booking
from trading.books.totals import Total
from trading.core import orders
from trading.core.denials import Denial
from trading.core.events import OrderReported
from trading.core.journal import Cause, Kind, Source
from trading.core.ladder import Rung
from trading.core.orders import OPEN, OrderStatus, Side
from trading.core.position import Mode, Position
from trading.exchange.errors import ExchangeError
from trading.models import Order, Slot, Trader
from trading.models.journal import write
from trading.models.orders import RESTING
from trading.models.symbols import TradingStatus
from trading.risk import figures, gate, kill_switch, protections, sizing
from trading.risk import rules as risk_rules
from trading.risk.rules import SymbolLimits
from trading.strategies import naive, trailing
from trading.symbols import turning
from trading.traders import acting, looks, neighbours, next_cycle, slots
from trading.traders.acting import Context, Heard
from trading.traders.rejections import report_of


def requests_a_slot_twice(patches: Patches) -> None:
    position_with = booking.position_with

    def forgetful(trader: Trader, rows: Iterable[orders.Order]) -> Position:
        return replace(position_with(trader, rows), has_requested_slot=False)

    patches.everywhere(position_with, forgetful)


def opens_a_slot_twice_with_two_leaders(patches: Patches) -> None:
    def open_for(requester: Trader, venue: Venue) -> bool:
        max_slots = requester.symbol.settings.max_slots
        used = slots._taken(venue, requester.symbol_id)[requester.symbol_id]
        used = used | slots._opened(venue, requester.symbol_id)[requester.symbol_id]
        number = next((number for number in range(1, max_slots + 1) if number not in used), None)
        if number is None:
            return False
        Trader.objects.filter(pk=requester.pk).update(slot_opened_at=timezone.now())
        Slot.objects.create(symbol=requester.symbol, venue=venue, number=number)
        write(requester, Cause(Source.LEADER), Kind.SLOT_OPENED, "slot opened")
        return True

    patches.set(slots, "_open_for", open_for)


def opens_all_slots_at_once(patches: Patches) -> None:
    patches.set(slots, "_begins_with_one", lambda strategy, settings: False)


def rebuys_at_half_the_interval(patches: Patches) -> None:
    request_slot_under = naive._request_slot_under

    def too_soon(position: Position, settings: naive.Settings) -> Decimal | None:
        interval = settings.rebuy_interval
        return request_slot_under(position, replace(settings, rebuy_interval=interval / 2 if interval else None))

    patches.set(naive, "_request_slot_under", too_soon)


def stop_sells_before_its_cancel_is_confirmed(patches: Patches) -> None:
    cancelled = acting._cancelled

    def hasty(order_id: int, context: Context, now: datetime | None = None) -> Heard:
        row = Order.objects.select_related("symbol").get(pk=order_id)
        if row.side != Side.SELL or not OrderStatus(row.status).is_open or row.status == OrderStatus.SUBMITTING:
            return cancelled(order_id, context, now)
        with suppress(ExchangeError):
            context.exchange_at(Venue(row.venue)).cancel(row.symbol.name, row.client_order_id)
        return [(row.trader_id, OrderReported(report_of(row, OrderStatus.CANCELED, "cancelled"), Source.CANCEL))]

    patches.set(acting, "_cancelled", hasty)


def stops_out_too_soon(patches: Patches) -> None:
    stop_loss_under = naive._stop_loss_under

    def too_soon(position: Position, settings: naive.Settings) -> Decimal | None:
        interval = settings.stop_loss_interval
        return stop_loss_under(position, replace(settings, stop_loss_interval=interval / 4 if interval else None))

    patches.set(naive, "_stop_loss_under", too_soon)


def retargets_what_the_market_has_not_left(patches: Patches) -> None:
    patches.set(
        naive, "_retarget_over", lambda resting, settings: resting.price if resting.side == Side.BUY else None
    )


def abandons_a_part_filled_buy_by_a_retarget(patches: Patches) -> None:
    position_with = booking.position_with

    def without_it(trader: Trader, rows: Iterable[orders.Order]) -> Position:
        position = position_with(trader, rows)
        kept = [o for o in position.orders if not (o.side == Side.BUY and o.status == OrderStatus.CANCELED)]
        return replace(position, orders=tuple(kept))

    patches.everywhere(position_with, without_it)


def trailing_sells_without_a_profit(patches: Patches) -> None:
    patches.set(trailing, "_floor", lambda position, filters, settings: position.bought_at)


def respawns_while_a_symbol_shuts_down(patches: Patches) -> None:
    patches.set(slots, "WANTED", (TradingStatus.ON, TradingStatus.SHUTDOWN))


def follows_whatever_is_wanted_by_now(patches: Patches) -> None:
    patches.set(next_cycle, "_goes_on", lambda settings, ended: True)


def never_ends_a_shutdown(patches: Patches) -> None:
    patches.everywhere(turning.end_shutdowns, lambda: 0)


def trades_on_while_a_symbol_is_off(patches: Patches) -> None:
    class Deaf:
        OFF = Mode.OFF

        def __new__(cls, mode: object) -> Mode:  # type: ignore[misc]
            return Mode.ON

    patches.set(looks, "Mode", Deaf)


def sends_what_was_saved_before_its_symbol_was_turned_off(patches: Patches) -> None:
    patches.set(gate, "_off_denial", lambda order, status: None)


def cancels_nothing_when_a_symbol_is_turned_off(patches: Patches) -> None:
    def by_their_traders_only(with_buys: bool | None = None, world: str = "") -> "QuerySet[Order]":
        return kill_switch._of(None, Order.objects.filter(RESTING), world).exclude(cancel_reason="")

    patches.everywhere(kill_switch.unwanted, by_their_traders_only)


def counts_what_is_open_and_not_what_is_held(patches: Patches) -> None:
    def open_buys(venue: Venue | str, symbol_id: int | None = None, quote_asset: str = "") -> Decimal:
        rows = Order.objects.filter(venue=venue, side=Side.BUY, status__in=OPEN)
        rows = rows.filter(symbol=symbol_id) if symbol_id else rows
        return sum((row.price * row.quantity for row in rows), Decimal(0))

    patches.set(figures, "bound", open_buys)


def lets_one_order_too_many_be_open(patches: Patches) -> None:
    open_orders = risk_rules._open_orders

    def one_more(buy: Any, limits: SymbolLimits, figures: Any) -> Any:
        maximum = limits.max_open_orders
        return open_orders(buy, replace(limits, max_open_orders=maximum and maximum + 1), figures)

    patches.set(risk_rules, "_open_orders", one_more)


def spends_the_reserve(patches: Patches) -> None:
    patches.set(risk_rules, "_reserves", lambda *_: None)


def buys_on_after_losses(patches: Patches) -> None:
    patches.set(risk_rules, "_consecutive_losses", lambda *_: None)


def denies_exits(patches: Patches) -> None:
    def both(trader: Trader, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
        return denial(trader, Side.BUY, price, quantity)

    denial = protections.denial
    patches.set(protections, "denial", both)


def lets_own_orders_meet(patches: Patches) -> None:
    patches.set(risk_rules, "self_trade", lambda *_: None)


def ladder_looks_at_its_own_slot_only(patches: Patches) -> None:
    patches.set(neighbours, "rungs", lambda trader: [])


def slot_whose_ground_is_gone_buys_on(patches: Patches) -> None:
    """It keeps away from what others are buying, and not from what they have bought."""
    rungs = neighbours.rungs

    def open_ones(trader: Trader) -> list[Rung]:
        return [rung for rung in rungs(trader) if not rung.is_held]

    patches.set(neighbours, "rungs", open_ones)


def compounds_what_was_gained_twice(patches: Patches) -> None:
    of_symbol = sizing.of_symbol

    def twice(symbol_id: int, venue: Venue) -> Total:
        return of_symbol(symbol_id, venue) + of_symbol(symbol_id, venue)

    patches.set(sizing, "of_symbol", twice)


PLANTED = (
    requests_a_slot_twice,
    opens_a_slot_twice_with_two_leaders,
    opens_all_slots_at_once,
    rebuys_at_half_the_interval,
    stop_sells_before_its_cancel_is_confirmed,
    stops_out_too_soon,
    retargets_what_the_market_has_not_left,
    abandons_a_part_filled_buy_by_a_retarget,
    trailing_sells_without_a_profit,
    respawns_while_a_symbol_shuts_down,
    follows_whatever_is_wanted_by_now,
    never_ends_a_shutdown,
    trades_on_while_a_symbol_is_off,
    sends_what_was_saved_before_its_symbol_was_turned_off,
    cancels_nothing_when_a_symbol_is_turned_off,
    counts_what_is_open_and_not_what_is_held,
    lets_one_order_too_many_be_open,
    spends_the_reserve,
    buys_on_after_losses,
    denies_exits,
    lets_own_orders_meet,
    ladder_looks_at_its_own_slot_only,
    slot_whose_ground_is_gone_buys_on,
    compounds_what_was_gained_twice,
)
