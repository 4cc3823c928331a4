"""Bugs planted in how orders are sent, asked about and booked: most of them real trading bots have had."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from hedgehog_project.venues import Venue
from tests.simulation.surroundings.patches import Patches
from trading import leader, set_clocks, tasks
from trading.books import booking
from trading.core import orders
from trading.core.journal import Source
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.position import Position
from trading.exchange.errors import OutcomeUnknown
from trading.exchange.protocol import ARRIVES_WITHIN, Exchange, NewOrder
from trading.models import Order, Trader, TradingSettings
from trading.reconciliation import reconcile
from trading.risk import gate
from trading.traders import acting, calls, looks, rejections
from trading.traders.acting import Context
from trading.traders.looks import Send


def resends_on_a_time_out(patches: Patches) -> None:
    send = acting._send

    class Impatient:
        def __init__(self, exchange: Exchange) -> None:
            self.exchange = exchange

        def __getattr__(self, name: str) -> Any:
            return getattr(self.exchange, name)

        def place(self, order: NewOrder) -> OrderReport:
            try:
                return self.exchange.place(order)
            except OutcomeUnknown:
                return self.exchange.place(order)

    def impatient(trader: int, sent: Send, venue: Venue, context: Context) -> Any:
        at: Any = lambda venue: Impatient(context.exchange_at(venue))  # noqa: E731
        return send(trader, sent, venue, replace(context, exchange_at=at))

    patches.set(acting, "_send", impatient)


def marks_failed_on_5xx(patches: Patches) -> None:
    def close(trader_id: int, order: NewOrder, text: str, task_id: str) -> None:
        acting._close(trader_id, Send(order), rejections.NotTaken(OrderStatus.NOT_PLACED, text), task_id)

    patches.set(acting, "_show_unclear", close)


def ignores_a_late_fill(patches: Patches) -> None:
    def fold(order: orders.Order, report: OrderReport) -> orders.Order:
        return orders.fold(order, report) if order.status.is_open else order

    patches.set(booking, "fold", fold)


def sells_the_ordered_quantity(patches: Patches) -> None:
    def owned(position: Position, base_asset: str) -> Decimal:
        return sum((order.quantity for order in position.of(Side.BUY)), Decimal(0)) - position.sold

    patches.set(Position, "owned", owned)


def forgets_the_commission_in_base(patches: Patches) -> None:
    patches.set(Position, "owned", lambda position, base_asset: position.bought - position.sold)


def sells_before_all_fills_are_known(patches: Patches) -> None:
    patches.set(orders.Order, "is_whole", property(lambda order: not order.status.is_open))


def takes_not_found_for_proof_at_once(patches: Patches) -> None:
    not_found = calls._not_found

    def at_once(row: Order, *rest: Any) -> Any:
        row.not_found_at = row.submitted_at
        return not_found(row, *rest)

    patches.everywhere(ARRIVES_WITHIN, timedelta(0))
    patches.set(calls, "NOT_FOUND_FOR", timedelta(0))
    patches.set(calls, "_not_found", at_once)


def buys_again_before_the_first_is_made_impossible(patches: Patches) -> None:
    """And does not cancel the first where it shows later."""
    patches.set(calls, "make_impossible", lambda row, exchange: None)
    patches.set(leader, "cancel_unwanted", lambda now: None)
    patches.set(looks, "CancelOrder", lambda row: None)


def saves_the_order_after_the_call(patches: Patches) -> None:
    send = acting._send

    def late(trader: int, sent: Send, *rest: Any) -> Any:
        row = Order.objects.get(client_order_id=sent.order.client_order_id)
        Order.objects.filter(pk=row.pk).delete()
        try:
            return send(trader, sent, *rest)
        finally:
            row.save(force_insert=True)

    patches.set(acting, "_send", late)


def books_a_fill_twice(patches: Patches) -> None:
    def fold(order: orders.Order, report: OrderReport) -> orders.Order:
        known = {fill.trade_id for fill in order.fills}
        again = [replace(f, trade_id=f.trade_id + 10**9) for f in report.fills if f.trade_id in known]
        return orders.fold(order, replace(report, fills=(*report.fills, *again)))

    patches.set(booking, "fold", fold)


def lets_the_status_move_backwards(patches: Patches) -> None:
    def fold(order: orders.Order, report: OrderReport) -> orders.Order:
        return replace(orders.fold(order, report), status=report.status)

    patches.set(booking, "fold", fold)


def buys_again_while_a_buy_is_unclear(patches: Patches) -> None:
    def open_orders(position: Position) -> tuple[orders.Order, ...]:
        return tuple(o for o in position.orders if o.status.is_open and o.status != OrderStatus.SUBMITTING)

    patches.set(Position, "open_orders", property(open_orders))


def takes_missing_orders_for_cancelled(patches: Patches) -> None:
    repair = reconcile._Comparison._repair

    def assume(comparison: Any, row: Order, there: OrderReport | None) -> None:
        if there is None:
            ended = rejections.report_of(row, OrderStatus.CANCELED, "not listed")
            acting.hear(ended, Source.QUERY, comparison.exchange_at)
        else:
            repair(comparison, row, there)

    patches.set(reconcile._Comparison, "_repair", assume)


def fills_one_slot_too_many(patches: Patches) -> None:
    fill = leader.fill_slots

    def too_many() -> int:
        made = fill()
        taken = list(TradingSettings.objects.all())
        return made + sum(leader._spawn(each, Venue.MOCK, each.max_slots + 1) for each in taken)

    patches.set(leader, "fill_slots", too_many)


def acknowledges_before_booking(patches: Patches) -> None:
    report = tasks.report.run

    def hasty(venue: str, entry: str, **rest: Any) -> None:
        tasks.acknowledge(None, venue, entry)  # type: ignore[arg-type]
        report(venue=venue, entry=entry, **rest)

    patches.set(tasks.report, "run", hasty)


def calls_inside_the_transaction(patches: Patches) -> None:
    wake = acting.wake

    def inside(*args: Any, **kwargs: Any) -> bool:
        with transaction.atomic():
            return wake(*args, **kwargs)

    patches.set(acting, "wake", inside)


def sends_an_order_however_late(patches: Patches) -> None:
    to_send = looks._order_to_send

    def patient(row: Order) -> NewOrder:
        order = to_send(row)
        return replace(order, not_after_ms=order.not_after_ms + 60_000, not_after=order.not_after + 60)

    patches.set(looks, "_order_to_send", patient)


def buys_in_spite_of_a_halt(patches: Patches) -> None:
    patches.everywhere(gate.mode_denial, lambda side, mode=None: None)


def looks_at_a_halt_only_before_it_saves(patches: Patches) -> None:
    patches.everywhere(gate.last_look, lambda order: None)


def lets_nobody_out_while_redis_refuses_writes(patches: Patches) -> None:
    patches.set(leader, "stand_in", lambda now, prices: None)


_HALTED = "trading is halted"


def heeds_a_halt_only_once_it_is_in_the_database(patches: Patches) -> None:
    patches.set(gate, "_requested_denial", lambda side: None)


def never_asks_about_unclear_orders(patches: Patches) -> None:
    patches.set(leader, "ask_about_stuck_orders", lambda now: None)


def leaves_times_in_the_future_as_they_are(patches: Patches) -> None:
    patches.set(set_clocks, "mend", lambda now: None)


def spends_the_budget_of_all_slots(patches: Patches) -> None:
    position_with = booking.position_with

    def all_of_it(trader: Trader, rows: Iterable[orders.Order]) -> Position:
        return replace(position_with(trader, rows), budget=trader.symbol.settings.budget)

    patches.everywhere(position_with, all_of_it)


PLANTED = (
    resends_on_a_time_out,
    marks_failed_on_5xx,
    ignores_a_late_fill,
    sells_the_ordered_quantity,
    forgets_the_commission_in_base,
    sells_before_all_fills_are_known,
    takes_not_found_for_proof_at_once,
    buys_again_before_the_first_is_made_impossible,
    saves_the_order_after_the_call,
    books_a_fill_twice,
    lets_the_status_move_backwards,
    buys_again_while_a_buy_is_unclear,
    takes_missing_orders_for_cancelled,
    fills_one_slot_too_many,
    acknowledges_before_booking,
    calls_inside_the_transaction,
    sends_an_order_however_late,
    buys_in_spite_of_a_halt,
    looks_at_a_halt_only_before_it_saves,
    heeds_a_halt_only_once_it_is_in_the_database,
    lets_nobody_out_while_redis_refuses_writes,
    never_asks_about_unclear_orders,
    leaves_times_in_the_future_as_they_are,
    spends_the_budget_of_all_slots,
)
