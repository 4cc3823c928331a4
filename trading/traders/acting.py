"""How a trader acts. The only file that both saves and calls an exchange, always in this order:

read the trader, let its strategy decide, save the intent, commit, call, and hear the answer as the next event. No
transaction is open while an exchange is called, and no exchange is called without a saved intent.
"""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.books.booking import book, is_news, position_of
from trading.core import cycle
from trading.core.denials import Denial
from trading.core.events import Event, OrderReported, Recheck, TradeSeen
from trading.core.journal import Cause, Kind, Source
from trading.core.money import ZERO
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.position import state_of
from trading.core.waits import FILLS_COME_WITHIN_MS
from trading.exchange.errors import ExchangeError, NotSent, OutcomeUnknown, Refused, Throttled, Why
from trading.exchange.protocol import Exchange, ExchangeAt, NewOrder
from trading.identity import copies
from trading.models import Order, Trader
from trading.models.choices import of_running
from trading.models.journal import write, write_once
from trading.models.times import at_of, now_ms
from trading.risk import gate
from trading.traders import calls, neighbours
from trading.traders.cycles import back_off, keep, of_position
from trading.traders.looks import CancelOrder, ClearTheWay, DeniedByMode, FetchFills, Known, Looked, Send, look
from trading.traders.rejections import NotTaken, not_taken, report_of, see_to
from trading.traders.rows import copy, copy_all, locked, of_symbol, save
from trading.traders.valuing import Wanted, again, value
from trading.waking import enqueue

log = logging.getLogger(__name__)

# After so many refusals in a row for want of balance, seconds apart, what is not there is taken for gone.
CERTAIN_AFTER = 3

_NAMED = Compiled(lambda name: Order.objects.select_related("symbol").filter(client_order_id=name), str)
_WITH_ITS_TRADER: Compiled[Any] = Compiled(
    lambda name: (
        Order.objects.select_related("symbol", "trader").annotate(**of_symbol("symbol")).filter(client_order_id=name)
    ),
    str,
)

Heard = list[tuple[int, Event]]  # events, each with the trader that is to hear it


@dataclass(frozen=True)
class Context:
    """What is handed down with an event: how an exchange is reached, and which task this is."""

    exchange_at: ExchangeAt
    task_id: str = ""
    # Traders whose balance was asked for: once in a task. Where that does not help, they wait for their next try.
    has_asked_for_balance: set[int] = field(default_factory=set)


def wake(trader_id: int, event: Event, exchange_at: ExchangeAt, task_id: str = "", read: Known | None = None) -> bool:
    """Process one event for a trader, which may have been `read` already. Returns whether the leader should run: a
    cycle has ended that none follows, or a trader asks for another one beside it.

    What the exchange answers is the next event, for this trader or for others whose orders were cancelled. Raises the
    exchange's errors where fills had to be fetched or an order cancelled, and could not be.
    """
    context = Context(exchange_at, task_id)
    events: deque[tuple[int, Event]] = deque([(trader_id, event)])
    needs_leader, has_cleared, has_valued = False, set[int](), set[int]()
    known: dict[int, Known] = {} if read is None else {trader_id: read}
    while events:
        who, event = events.popleft()
        looked = look(who, event, task_id, who in has_valued, known.pop(who, None))
        if looked.known is not None and isinstance(looked.step, Send):
            known[who] = looked.known
        needs_leader = needs_leader or looked.needs_leader
        if isinstance(looked.step, ClearTheWay):
            if who in has_cleared:
                copy_all(looked.triggers)
                continue
            has_cleared.add(who)
        if isinstance(looked.step, Wanted):
            has_valued.add(who)
        # A step that raises leaves what others were to hear to the leader.
        events.extend(_do(who, looked, event, context))
        # After the call, which is what is urgent: a copy that comes late does no harm, see triggers.py.
        copy_all(looked.triggers)
    return needs_leader


def hear(
    report: OrderReport, source: Source, exchange_at: ExchangeAt, task_id: str = "", venue: Venue | None = None
) -> bool:
    """Process what the exchange says of an order. Returns whether the leader should run.

    For an order that the database lacks, the books of the venue are compared soon, where one is named.
    """
    row = _WITH_ITS_TRADER.first(report.client_order_id)
    if row is None:
        log.warning("unknown order: client_order_id=%s symbol=%s", report.client_order_id, report.symbol)
        if venue is not None:
            copies.heard(venue, report)
            enqueue.reconcile_once(venue)
        return False
    if not is_news(row, report):
        return False  # Most reports: the answer to the placing has told it already.
    trader: Any = row.trader
    trader.symbol, trader.trading_status = row.symbol, row.trading_status
    trader.symbol_paused_by = row.symbol_paused_by
    return wake(trader.pk, OrderReported(report, source), exchange_at, task_id, Known(trader, {}))


def ask(
    order_id: int,
    exchange_at: ExchangeAt,
    task_id: str = "",
    now: datetime | None = None,
    source: Source = Source.QUERY,
) -> bool:
    """Ask the exchange what became of an order, and process the answer. Returns whether the leader should run.

    Raises the exchange's errors but NotFound: who asked asks again later.
    """
    row = _asked_about(order_id, now)
    if row is None:
        return False  # A task from before a backup was restored.
    event = calls.query(row, exchange_at(Venue(row.venue)), row.asked_at or timezone.now(), source)
    return event is not None and wake(row.trader_id, event, exchange_at, task_id)


def cancel(order_id: int, exchange_at: ExchangeAt, task_id: str = "", now: datetime | None = None) -> bool:
    """Cancel an order of ours, and process what came of it. Returns whether the leader should run.

    Raises the exchange's errors but NotFound: who wanted it cancelled asks again.
    """
    needs_leader = False
    for trader_id, event in _cancelled(order_id, Context(exchange_at, task_id), now):
        needs_leader = wake(trader_id, event, exchange_at, task_id) or needs_leader
    return needs_leader


def hear_of_cancel(row: Order, report: OrderReport, exchange_at: ExchangeAt, task_id: str = "") -> bool:
    """Processes the exchange's answer to a cancel. Returns whether the leader should run."""
    return hear(calls.with_fills(row, report, exchange_at(Venue(row.venue))), Source.CANCEL, exchange_at, task_id)


def note_failure(trader_id: int, error: Exception, task_id: str = "") -> None:
    """Writes a task's failure on its trader, which keeps its state and is tried again after a growing wait."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended:
            return
        back_off(trader, f"{type(error).__name__}: {error}")
        trigger = save(trader)
        write_once(trader, Cause(Source.TASK, task_id=task_id), Kind.FAILED, "failed", trader.error)
    copy(trigger)


# --- the steps that a look comes to ---------------------------------------------------------------


def _do(trader_id: int, looked: Looked, event: Event, context: Context) -> Heard:
    """Takes one step. Returns what there is to hear of it, and by whom."""
    at = context.exchange_at
    match looked.step:
        case Send() as send:
            return _send(trader_id, send, looked.venue, context)
        case CancelOrder(row=row):
            return _cancelled(row, context)
        case FetchFills(report=report):
            return [(trader_id, _fetch_fills(trader_id, report, at(looked.venue)))]
        case Wanted() as wanted:
            value(trader_id, wanted, looked.venue, at, context.task_id)
            return [(trader_id, again(event))]
        case ClearTheWay(rows=rows):
            # What was decided on is still the case.
            return [*_clear_the_way(trader_id, rows, context), (trader_id, _urgent(event))]
        case DeniedByMode(side=side) if gate.mode_denial(side) is None:
            # Trading was resumed meanwhile, when this trader's row did not say yet that it waits.
            return [(trader_id, Recheck("trading was resumed", is_urgent=True, source=Source.TASK))]
    return []


def _urgent(event: Event) -> Event:
    """The event as one that its trader hears although it waits for its next try."""
    if isinstance(event, TradeSeen):
        return replace(event, is_urgent=True)
    return Recheck("own buys were cancelled", is_urgent=True, source=Source.TASK)


def _send(trader_id: int, send: Send, venue: Venue, context: Context) -> Heard:
    """Calls the exchange once."""
    order = send.order
    denial = gate.last_look(order)
    if denial is not None:
        text = f"{denial.topic}: not sent"
        _close(trader_id, send, NotTaken(OrderStatus.NOT_PLACED, text), context.task_id, denial)
        return []
    try:
        if send.replaces:
            return _replaced(trader_id, send, context.exchange_at(venue), context.task_id)
        return [(trader_id, OrderReported(context.exchange_at(venue).place(order), Source.ANSWER))]
    except OutcomeUnknown as error:
        _show_unclear(trader_id, order, str(error), context.task_id)
    except (Refused, Throttled, NotSent) as error:
        row = _row(order.client_order_id)
        _close(trader_id, send, not_taken(row, error), context.task_id)
        see_to(row, error)
        if isinstance(error, Refused) and error.why == Why.BALANCE and order.side == Side.SELL:
            return _ask_for_the_balance(trader_id, row, venue, context)
    return []


def _replaced(trader_id: int, send: Send, exchange: Exchange, task_id: str) -> Heard:
    """Cancels a resting order and places another in one request. Raises as `place` does where neither was done."""
    done = exchange.replace(send.order, send.replaces)
    cancelled = done.cancelled
    if cancelled is not None and cancelled.executed:
        cancelled = calls.with_fills(_row(send.replaces), cancelled, exchange)
    if done.placed is not None:
        return [(trader_id, OrderReported(done.placed, Source.ANSWER, replaced=cancelled))]
    heard: Heard = [(trader_id, OrderReported(cancelled, Source.CANCEL))] if cancelled is not None else []
    row = _row(send.order.client_order_id)
    problem = done.problem
    if done.cancelled is None:
        # A part of it has traded, or it has ended: it is cancelled by itself, and the rest is sold then.
        _end_unsent(trader_id, row, f"the sell that it was to replace could not be cancelled: {problem}", task_id)
        resting = _row(send.replaces)
        event = calls.cancel(resting, exchange, timezone.now()) if OrderStatus(resting.status).is_open else None
        return [] if event is None else [(trader_id, event)]
    if isinstance(problem, Refused | Throttled | NotSent):
        _close(trader_id, Send(send.order), not_taken(row, problem), task_id)
        see_to(row, problem)
    else:
        _show_unclear(trader_id, send.order, str(problem), task_id)
    return heard


def _clear_the_way(trader_id: int, orders: Iterable[int], context: Context) -> Heard:
    """Cancels own buys that a sale would meet which gets out.

    Such a buy may rest for hours under a market that has recovered; a stop must not wait. Their traders buy anew.
    """
    slot = Trader.objects.values_list("slot", flat=True).get(pk=trader_id)
    why = f"cancelled so that slot {slot} can exit"
    heard: Heard = []
    for row in Order.objects.filter(pk__in=orders).select_related("trader"):
        # Not locked: its trader changes this only where it cancels the order itself.
        if Order.objects.filter(pk=row.pk, status__is_open=True, cancel_reason="").update(cancel_reason=why):
            cause = Cause(Source.TRADER, f"slot {slot}", context.task_id)
            write(row.trader, cause, Kind.MADE_WAY, f"cancels {row}", why, row)
        heard += _cancelled(row.pk, context)
    return heard


def _cancelled(order_id: int, context: Context, now: datetime | None = None) -> Heard:
    """Cancels an order. One that nobody has acknowledged yet is asked about, and cancelled once it rests."""
    row = _asked_about(order_id, now, status__is_open=True)
    if row is None:
        return []
    exchange, asked_at = context.exchange_at(Venue(row.venue)), row.asked_at or timezone.now()
    is_unclear = row.status == OrderStatus.SUBMITTING
    event = calls.query(row, exchange, asked_at) if is_unclear else calls.cancel(row, exchange, asked_at)
    return [] if event is None else [(row.trader_id, event)]


def _asked_about(order_id: int, now: datetime | None, **which: object) -> Order | None:
    """The order, marked as asked about now; None where there is none of that kind, or its world rests."""
    asked_at = now or timezone.now()
    if not Order.objects.filter(of_running(), pk=order_id, **which).update(asked_at=asked_at):
        return None
    return Order.objects.select_related("symbol").get(pk=order_id)


# --- what came of an order that was sent ----------------------------------------------------------


def _show_unclear(trader_id: int, order: NewOrder, text: str, task_id: str) -> None:
    """Nothing is sent again before the exchange was asked: the leader sees to it."""
    with transaction.atomic():
        trader = locked(trader_id)
        row = _row(order.client_order_id)
        if trader is None or trader.has_ended or row.status != OrderStatus.SUBMITTING:
            return  # A report was quicker than the answer that never came.
        trader.waits_for = f"unconfirmed {order.side.lower()}: querying the exchange"
        trader.error = text[:500]
        trader.save(update_fields=["waits_for", "error"])
        write(trader, Cause(Source.ANSWER, task_id=task_id), Kind.UNCLEAR, "unconfirmed", text, row)


def _close(trader_id: int, send: Send, outcome: NotTaken, task_id: str, denial: Denial | None = None) -> None:
    """Books that nothing was placed. The trader tries again after a wait, or when the gate opens."""
    trigger = None
    with transaction.atomic():
        trader = locked(trader_id)
        row = _row(send.order.client_order_id)
        report, cause = report_of(row, outcome.status, outcome.text), Cause(Source.ANSWER, task_id=task_id)
        kind = Kind.REJECTED if outcome.status == OrderStatus.REJECTED else Kind.NOT_PLACED
        if trader is None or not book(trader, row, report, cause, kind):
            return  # A report was quicker.
        log.warning("%s at %s was not placed: %s", row, row.venue, outcome.text)
        if send.replaces:
            # Nothing has taken its place: it rests on.
            Order.objects.filter(client_order_id=send.replaces, status__is_open=True).update(cancel_reason="")
        if row.side == Side.BUY:
            neighbours.has_moved(trader)
        if not trader.has_ended:
            before = of_position(trader, position_of(trader))
            step = cycle.not_placed(
                before, report, now_ms(), replaces=send.replaces, wait=outcome.wait, denial=denial
            )
            keep(trader, step)
            for note in step.notes:
                write_once(trader, cause, note.kind, note.text, note.reason, denied_by=note.by)
            trigger = save(trader)
    copy(trigger)


def _end_unsent(trader_id: int, row: Order, text: str, task_id: str) -> None:
    """Books that an order was not placed, while its trader goes on at once."""
    with transaction.atomic():
        trader = locked(trader_id)
        report, cause = report_of(row, OrderStatus.NOT_PLACED, text), Cause(Source.ANSWER, task_id=task_id)
        if trader is None or not book(trader, row, report, cause, Kind.NOT_PLACED):
            return
        if not trader.has_ended:
            trader.state = state_of(position_of(trader))
        trigger = save(trader)
    copy(trigger)


# --- questions ------------------------------------------------------------------------------------


def _ask_for_the_balance(trader_id: int, row: Order, venue: Venue, context: Context) -> Heard:
    """What the account has of what could not be sold, where the exchange says for the second time that it has not."""
    failures = Trader.objects.values_list("failures", flat=True).get(pk=trader_id)
    if failures < 2 or trader_id in context.has_asked_for_balance:
        return []
    context.has_asked_for_balance.add(trader_id)
    try:
        return [(trader_id, calls.balance(row, context.exchange_at(venue), is_certain=failures > CERTAIN_AFTER))]
    except ExchangeError as error:
        log.warning("balance unknown: order=%s error=%s", row.client_order_id, error)
        return []  # The sale is tried again, and the balance asked for then.


def _fetch_fills(trader_id: int, report: OrderReport, exchange: Exchange) -> Event:
    fills = exchange.fills(report.symbol, report.exchange_order_id)
    if sum((fill.quantity for fill in fills), ZERO) < report.executed:
        # The exchange does not list all of them yet: soon again.
        Trader.objects.filter(pk=trader_id).update(retry_at=at_of(now_ms() + FILLS_COME_WITHIN_MS))
    return OrderReported(replace(report, fills=fills), Source.QUERY)


def _row(client_order_id: str) -> Order:
    row = _NAMED.first(client_order_id)
    if row is None:
        raise Order.DoesNotExist(client_order_id)
    return row
