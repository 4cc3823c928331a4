"""How a trader acts. The only file that both saves and calls an exchange, always in this order:

lock the trader, book what is new, let the core decide, save the intent, commit, call, and hear the answer as the
next event. No transaction is open while an exchange is called, and no exchange is called without a saved intent.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, market_of
from trading import doorbell, triggers
from trading.books import as_core, book, is_news, position_of
from trading.core.events import Event, Nudged, OrderReported, TradeSeen
from trading.core.money import plain
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import (
    Decision,
    Finish,
    PlaceBuy,
    PlaceSell,
    Position,
    TraderState,
    Wait,
    decide,
    state_of,
    trigger_of,
)
from trading.exchange.errors import KeyRejected, NotFound, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import RECV_WINDOW_MS, Exchange, NewOrder
from trading.models import Order, Trader
from trading.models.journal import write, write_once
from trading.models.symbols import TradingStatus, rules_of
from trading.own_orders import new_client_order_id

log = logging.getLogger(__name__)

ExchangeAt = Callable[[Venue], Exchange]

# An order is signed within this time of being saved, or not sent at all.
SEND_WITHIN = timedelta(seconds=2)
# After that, and once recvWindow has passed with a margin for clocks, the exchange can't accept it any more
# (request-security.md, "Timing security"): not found then means never placed.
PROVEN_AFTER = SEND_WITHIN + timedelta(milliseconds=RECV_WINDOW_MS) + timedelta(seconds=2)
# A trader that can't buy at this trade looks again after a while, not at the next of twenty trades a second.
LOOK_AGAIN = timedelta(seconds=5)
FILLS_COME_WITHIN = timedelta(seconds=1)
MOST_WAIT = timedelta(seconds=60)


@dataclass(frozen=True)
class _Step:
    """What one locked look at a trader came to: at most one order to send."""

    send: NewOrder | None = None
    fetch: OrderReport | None = None
    has_ended: bool = False
    venue: Venue = Venue.MOCK
    trigger: triggers.Trigger | None = None


def wake(trader_id: int, event: Event, exchange_at: ExchangeAt, task_id: str = "") -> bool:
    """Lets a trader take in an event and act on it. Whether its cycle has ended by that.

    What the exchange answers to an order is the trader's next event. Where fills had to be fetched and could not be,
    the exchange's errors are raised.
    """
    next_event: Event | None = event
    has_ended = False
    while next_event is not None:
        step = _look(trader_id, next_event, task_id)
        has_ended = has_ended or step.has_ended
        next_event = None
        if step.send is not None:
            next_event = _send(trader_id, step.send, exchange_at(step.venue), task_id)
        elif step.fetch is not None:
            next_event = _fetch_fills(step.fetch, exchange_at(step.venue))
        # After the call, which is what is urgent: a copy that comes late does no harm, see triggers.py.
        _copy(step.trigger)
    return has_ended


def hear(
    report: OrderReport, source: str, exchange_at: ExchangeAt, task_id: str = "", venue: Venue | None = None
) -> bool:
    """Takes in what the exchange says of an order. Whether a cycle has ended by that.

    For an order that the database lacks, the books of the venue are compared soon, where one is named.
    """
    row = Order.objects.filter(client_order_id=report.client_order_id).first()
    if row is None:
        log.warning("order not in the database: client_order_id=%s symbol=%s", report.client_order_id, report.symbol)
        if venue is not None:
            doorbell.reconcile_once(venue)
        return False
    if not is_news(row, report):
        return False  # Most reports: the answer to the placing has told it already.
    return wake(row.trader_id, OrderReported(report, source), exchange_at, task_id)


def ask(
    order_id: int, exchange_at: ExchangeAt, task_id: str = "", now: datetime | None = None, source: str = "query"
) -> bool:
    """Asks the exchange what became of an order and takes in the answer. Whether a cycle has ended by that.

    Raises the exchange's errors but NotFound: who asked asks again later.
    """
    asked_at = now or timezone.now()
    Order.objects.filter(pk=order_id).update(asked_at=asked_at)
    row = Order.objects.select_related("symbol").get(pk=order_id)
    exchange = exchange_at(Venue(row.venue))
    try:
        report = exchange.order(row.symbol.name, row.client_order_id)
    except NotFound as error:
        return _not_found(row, asked_at, str(error), exchange_at, task_id, source)
    if report.executed > as_core(row).booked:
        report = replace(report, fills=exchange.fills(report.symbol, report.exchange_order_id))
    return hear(report, source, exchange_at, task_id)


def _not_found(row: Order, asked_at: datetime, text: str, exchange_at: ExchangeAt, task_id: str, source: str) -> bool:
    if asked_at < row.submitted_at + PROVEN_AFTER:
        # It may still arrive, or be known already where orders are matched and not yet where they are looked up.
        return False
    if row.status == OrderStatus.SUBMITTING:
        status, reason = OrderStatus.NOT_PLACED, "The exchange never got it."
    else:
        # It was acknowledged once: the exchange has begun its books anew, as testnet does every month.
        status, reason = OrderStatus.CANCELED, f"The exchange no longer knows it: {text}"
    return hear(_report_of(row, status, reason), source, exchange_at, task_id)


def note_failure(trader_id: int, error: Exception, task_id: str = "") -> None:
    """Writes a task's failure on its trader, which keeps its state and is tried again after a growing wait."""
    with transaction.atomic():
        trader = _locked(trader_id)
        if trader is None or trader.has_ended:
            return
        _back_off(trader, f"{type(error).__name__}: {error}")
        trigger = _save(trader)
        write_once(trader, "its task", "failed", trader.error, task_id)
    _copy(trigger)


def retire(trader_id: int, why: str) -> bool:
    """Ends a trader that never ordered anything, because its slot is no longer wanted. Whether it did."""
    with transaction.atomic():
        trader = _locked(trader_id)
        if trader is None or trader.has_ended or position_of(trader).orders:
            return False
        _end(trader, Finish(TraderState.RETIRED, Decimal(0), Decimal(0), why))
        trigger = _save(trader)
        write(trader, "leader", "retires", why)
    _copy(trigger)
    return True


def abandon(trader_id: int, by: str) -> bool:
    """Ends a trader that holds something, which is then its owner's to look after. Not while an order may rest."""
    with transaction.atomic():
        trader = _locked(trader_id)
        if trader is None or trader.has_ended:
            return False
        position = position_of(trader)
        if position.open_order is not None:
            return False
        base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
        owned = position.owned(base)
        _end(trader, Finish(TraderState.ABANDONED, position.profit(base, quote), owned, f"abandoned by {by}"))
        trigger = _save(trader)
        write(trader, f"{by} in the admin", "is abandoned", f"{plain(owned)} {base} is left on the account")
    _copy(trigger)
    return True


def _look(trader_id: int, event: Event, task_id: str) -> _Step:
    """Lock, book, decide, save."""
    with transaction.atomic():
        trader = _locked(trader_id)
        if trader is None:
            return _Step()
        is_on = trader.trading_status == TradingStatus.ON
        has_changed = _book(trader, event, task_id) if isinstance(event, OrderReported) else True
        if trader.has_ended and has_changed and isinstance(event, OrderReported):
            _count_again(trader, event, task_id)
        if trader.has_ended or not has_changed:
            return _Step()
        if trader.retry_at and trader.retry_at > timezone.now() and _can_wait(event):
            return _Step()  # An old bell: the trader waits for its next try.
        # Nothing that could have traded: that is what WAITING means.
        is_empty = trader.state == TraderState.WAITING and not isinstance(event, OrderReported)
        position = Position() if is_empty else position_of(trader)
        decision = _decide(trader, is_on, position, event)
        trader.retry_at = None
        step = _act_on(trader, position, decision, event, task_id)
        return replace(step, venue=Venue(trader.venue), trigger=_save(trader))


def _can_wait(event: Event) -> bool:
    return isinstance(event, TradeSeen) or (isinstance(event, Nudged) and not event.is_urgent)


def _book(trader: Trader, event: OrderReported, task_id: str) -> bool:
    row = Order.objects.select_for_update().get(client_order_id=event.report.client_order_id)
    has_changed = book(row, event.report)
    if has_changed:
        trader.error, trader.failures = "", 0
        write(
            trader,
            str(event),
            f"books {row.side.lower()}: {row.status.lower().replace('_', ' ')}",
            row.reason,
            row,
            task_id,
        )
    return has_changed


def _count_again(trader: Trader, event: OrderReported, task_id: str) -> None:
    """What comes to light after a cycle's end still counts: in its profit, and in what is left on the account."""
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    position = position_of(trader)
    profit, leftover = position.profit(base, quote), position.owned(base)
    if (profit, leftover) == (trader.profit, trader.leftover):
        return
    trader.profit, trader.leftover = profit, leftover
    trader.save(update_fields=["profit", "leftover"])
    reason = f"profit {plain(profit)} {quote}; {plain(leftover)} {base} is left on the account"
    write(trader, str(event), "counts again", reason, task_id=task_id)


def _decide(trader: Trader, is_on: bool, position: Position, event: Event) -> Decision:
    rules = rules_of(trader.symbol_id, trader.venue)
    if rules is None:
        return Wait(f"{trader.venue} has not told the rules of {trader.symbol.name} yet")
    return decide(position, event, rules, trader.settings(is_on))


def _act_on(trader: Trader, position: Position, decision: Decision, event: Event, task_id: str) -> _Step:
    now = timezone.now()
    trader.state = state_of(position)
    trader.wake_below = None
    trader.waits_for = ""
    match decision:
        case PlaceBuy() | PlaceSell():
            side = Side.BUY if isinstance(decision, PlaceBuy) else Side.SELL
            row = Order.objects.create(
                trader=trader,
                symbol=trader.symbol,
                venue=trader.venue,
                side=side,
                price=decision.price,
                quantity=decision.quantity,
                client_order_id=new_client_order_id(trader.pk, side),
                submitted_at=now,
            )
            trader.state = TraderState.BUYING if side == Side.BUY else TraderState.SELLING
            write(trader, str(event), f"orders {row}", decision.reason, row, task_id)
            return _Step(send=_order_to_send(row))
        case Finish():
            _end(trader, decision)
            text = f"{trader.symbol.name} #{trader.slot} at {trader.venue} ends: {decision.reason}"
            transaction.on_commit(lambda: log.info(text))
            write(trader, str(event), f"ends: {decision.state.lower()}", decision.reason, task_id=task_id)
            return _Step(has_ended=True)
        case Wait():
            _wait(trader, position, decision, event, task_id)
            if decision.needs_fills is not None and isinstance(event, Nudged):
                return _Step(fetch=_to_fetch(trader, decision.needs_fills.client_order_id))
            return _Step()


def _wait(trader: Trader, position: Position, decision: Wait, event: Event, task_id: str) -> None:
    """Shows why nothing happens, and says what wakes the trader: a report, a price, or the clock."""
    trader.waits_for = decision.reason[:300]
    if decision.needs_fills is not None:
        # The report that carries them is usually on its way; the next look fetches them.
        trader.retry_at = timezone.now() + FILLS_COME_WITHIN
    elif position.open_order is not None:
        return  # Its reports wake the trader; the leader and reconciliation ask for lost ones.
    elif position.bought or isinstance(event, TradeSeen):
        trader.retry_at = timezone.now() + LOOK_AGAIN
        write_once(trader, str(event), "waits", decision.reason, task_id)
    else:
        trader.wake_below = trigger_of(position)


def _send(trader_id: int, order: NewOrder, exchange: Exchange, task_id: str) -> Event | None:
    """Calls the exchange once, and says what to hear next."""
    try:
        report = exchange.place(order)
    except OutcomeUnknown as error:
        # Nothing is sent again before the exchange was asked: the leader sees to it.
        with transaction.atomic():
            trader = _locked(trader_id)
            if trader is not None and not trader.has_ended:
                trader.waits_for = f"it is unclear whether the {order.side.lower()} was accepted: asking"
                trader.error = str(error)[:500]
                trader.save(update_fields=["waits_for", "error"])
                write(trader, "answer", "asks about its order", str(error), _row(order), task_id)
        return None
    except (Refused, Throttled, NotSent) as error:
        was_refused = isinstance(error, Refused)
        status = OrderStatus.REJECTED if was_refused else OrderStatus.NOT_PLACED
        wait = timedelta(seconds=error.wait_s) if isinstance(error, Throttled) else None
        if isinstance(error, KeyRejected):
            wait = MOST_WAIT
        trigger = None
        with transaction.atomic():
            trader = _locked(trader_id)
            row = _row(order)
            if trader is not None and book(row, _report_of(row, status, str(error))):
                log.warning("%s at %s is not placed: %s", row, row.venue, error)
                write(trader, "answer", "was refused" if was_refused else "was not placed", str(error), row, task_id)
                if not trader.has_ended:
                    trader.state = state_of(position_of(trader))
                    _back_off(trader, str(error), wait)
                    trigger = _save(trader)
        _copy(trigger)
        return None
    return OrderReported(report, "answer")


def _fetch_fills(report: OrderReport, exchange: Exchange) -> Event:
    fills = exchange.fills(report.symbol, report.exchange_order_id)
    return OrderReported(replace(report, fills=fills), "query")


def _locked(trader_id: int) -> Any:
    """The trader with its symbol, and `trading_status` of its symbol's settings; None where there is none."""
    # SQLite knows no row locks; there the transaction itself is the lock (IMMEDIATE).
    rows = Trader.objects.select_for_update(of=("self",)).select_related("symbol")
    return rows.annotate(trading_status=F("symbol__settings__status")).filter(pk=trader_id).first()


def _row(order: NewOrder) -> Order:
    return Order.objects.select_related("symbol").get(client_order_id=order.client_order_id)


def _order_to_send(row: Order) -> NewOrder:
    return NewOrder(
        symbol=row.symbol.name,
        side=Side(row.side),
        price=row.price,
        quantity=row.quantity,
        client_order_id=row.client_order_id,
        not_after_ms=round((row.submitted_at + SEND_WITHIN).timestamp() * 1000),
    )


def _report_of(row: Order, status: OrderStatus, reason: str) -> OrderReport:
    """What we know of an order, in the form of a report."""
    return OrderReport(
        client_order_id=row.client_order_id,
        exchange_order_id=row.exchange_order_id or 0,
        symbol=row.symbol.name,
        side=Side(row.side),
        status=status,
        price=row.price,
        quantity=row.quantity,
        executed=row.executed,
        reason=reason,
        at_ms=round(time.time() * 1000),
    )


def _to_fetch(trader: Trader, client_order_id: str) -> OrderReport:
    row = trader.orders.select_related("symbol").get(client_order_id=client_order_id)
    return _report_of(row, OrderStatus(row.status), row.reason)


def _end(trader: Trader, decision: Finish) -> None:
    trader.state = decision.state
    trader.profit = decision.profit
    trader.leftover = decision.leftover
    trader.finished_at = timezone.now()
    trader.wake_below = None
    trader.retry_at = None
    trader.waits_for = ""
    trader.error = ""


def _back_off(trader: Trader, text: str, wait: timedelta | None = None) -> None:
    """Shows the error on the trader and has it tried again: after 1, 2, 4 ... 60 s."""
    trader.error = text[:500]
    trader.failures += 1
    trader.wake_below = None
    trader.retry_at = timezone.now() + (wait or min(MOST_WAIT, timedelta(seconds=2 ** min(trader.failures - 1, 6))))


def _save(trader: Trader) -> triggers.Trigger:
    """Saves the trader; what it waits for now is to be copied to Redis once that is committed."""
    trader.armed_at = timezone.now() if trader.wake_below is not None else None
    trader.turn += 1
    trader.save()
    return trigger_for(trader)


def trigger_for(trader: Trader) -> triggers.Trigger:
    """What its row says that the trader waits for."""
    market = market_of(Venue(trader.venue))
    return triggers.Trigger(
        trader.pk, market, trader.symbol.name, trader.wake_below, trader.turn, has_ended=trader.has_ended
    )


def _copy(trigger: triggers.Trigger | None) -> None:
    """Redis may miss it: the leader rebuilds."""
    if trigger is None:
        return
    try:
        triggers.set_trigger(connect(), trigger)
    except redis.RedisError as error:
        log.warning("trigger not copied to Redis: trader=%s error=%s", trigger.trader, error)
