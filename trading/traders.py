"""How a trader acts. The only file that both saves and calls an exchange, always in this order:

lock the trader, book what is new, let the core decide, save the intent, commit, call, and hear the answer as the
next event. No transaction is open while an exchange is called, and no exchange is called without a saved intent.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.venues import Venue
from trading import doorbell, gate, triggers
from trading.books.booking import as_core, book, is_news, position_of, position_with
from trading.core import guard
from trading.core.decisions import ANY_PRICE, Cancel, Decision, Finish, PlaceBuy, PlaceSell, TellRebuy, Triggers, Wait
from trading.core.events import Event, Nudged, OrderReported, TradeSeen
from trading.core.money import ZERO
from trading.core.orders import OPEN, OrderReport, OrderStatus, OrderType, Side
from trading.core.position import Mode, Position, TraderState, state_of
from trading.core.risk import Rules
from trading.endings import count_again, end, value_commissions
from trading.exchange.errors import KeyRejected, NotFound, NotSent, OutcomeUnknown, Refused, Throttled
from trading.exchange.protocol import ARRIVES_WITHIN, SEND_WITHIN, Exchange, NewOrder
from trading.models import Order, Trader
from trading.models.journal import write, write_once
from trading.models.symbols import rules_of
from trading.outcomes import NotTaken, is_namesake, not_taken, report_of, see_to
from trading.own_orders import new_client_order_id
from trading.saving import copy, locked, save
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.waits import FILLS_COME_WITHIN, back_off, hold_back, look_again, wait

log = logging.getLogger(__name__)

ExchangeAt = Callable[[Venue], Exchange]

# Once an order can't arrive any more, "not found" may mean that it was never placed. One such answer is no proof: an
# exchange may deny for a moment what it has, and a clock may have been set forward. It counts once it is given again
# so much later, by whatever clock, and nothing else was heard in between.
DENIED_FOR = ARRIVES_WITHIN


@dataclass(frozen=True)
class _Step:
    """What one locked look at a trader came to: at most one order to send or to take back, or one thing to ask."""

    send: NewOrder | None = None
    take_back: int | None = None  # an order's row
    fetch: OrderReport | None = None
    value: tuple[str, ...] = ()  # assets, whose price in `quote` is to be asked
    quote: str = ""
    needs_leader: bool = False  # a cycle has ended, or another trader is asked for
    held: Side | None = None  # what the mode of trading did not let pass
    in_the_way: tuple[int, ...] = ()  # rows of own buys that keep it from getting out
    venue: Venue = Venue.MOCK
    trigger: triggers.Trigger | None = None


def wake(trader_id: int, event: Event, exchange_at: ExchangeAt, task_id: str = "") -> bool:
    """Lets a trader take in an event and act on it. Whether the leader has to do by that: its cycle has ended, or it
    asks for another trader beside it.

    What the exchange answers to an order is the trader's next event. Where fills had to be fetched or an order taken
    back, and could not be, the exchange's errors are raised.
    """
    next_event: Event | None = event
    needs_leader = has_cleared = False
    while next_event is not None:
        step = _look(trader_id, next_event, task_id)
        needs_leader = needs_leader or step.needs_leader
        next_event = None
        if step.send is not None:
            next_event = _send(trader_id, step.send, step.venue, exchange_at, task_id)
        elif step.take_back is not None:
            needs_leader = cancel(step.take_back, exchange_at, task_id) or needs_leader
        elif step.fetch is not None:
            next_event = _fetch_fills(trader_id, step.fetch, exchange_at(step.venue))
        elif step.value:
            next_event = _value(trader_id, step, exchange_at(step.venue), task_id)
        elif step.in_the_way and not has_cleared:
            needs_leader = _clear_the_way(trader_id, step.in_the_way, exchange_at, task_id) or needs_leader
            has_cleared = True
            next_event = Nudged("own buys have made way", is_urgent=True)
        elif step.held is not None and gate.mode_hold(step.held) is None:
            # Trading was resumed meanwhile, when this trader's row did not say yet that it waits.
            next_event = Nudged("trading was resumed", is_urgent=True)
        # After the call, which is what is urgent: a copy that comes late does no harm, see triggers.py.
        copy(step.trigger)
    return needs_leader


def hear(
    report: OrderReport, source: str, exchange_at: ExchangeAt, task_id: str = "", venue: Venue | None = None
) -> bool:
    """Takes in what the exchange says of an order. Whether the leader has to do by that.

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
    """Asks the exchange what became of an order and takes in the answer. Whether the leader has to do by that.

    Raises the exchange's errors but NotFound: who asked asks again later.
    """
    asked_at = now or timezone.now()
    Order.objects.filter(pk=order_id).update(asked_at=asked_at)
    row = Order.objects.select_related("symbol").filter(pk=order_id).first()
    if row is None:
        return False  # A bell from before a backup was restored.
    exchange = exchange_at(Venue(row.venue))
    try:
        report = exchange.order(row.symbol.name, row.client_order_id)
    except NotFound as error:
        return _not_found(row, asked_at, str(error), exchange_at, task_id, source)
    if is_namesake(row, report):
        text = f"an order of that id was placed long before it, as number {report.exchange_order_id}"
        return _not_found(row, asked_at, text, exchange_at, task_id, source)
    Order.objects.filter(pk=order_id, denied_at__isnull=False).update(denied_at=None)
    return hear(_with_fills(row, report, exchange), source, exchange_at, task_id)


def _not_found(row: Order, asked_at: datetime, text: str, exchange_at: ExchangeAt, task_id: str, source: str) -> bool:
    if asked_at < row.submitted_at + ARRIVES_WITHIN:
        return False  # It may still arrive: that it is not there yet says nothing.
    if row.denied_at is None:
        Order.objects.filter(pk=row.pk, denied_at=None).update(denied_at=asked_at)
        return False
    if asked_at < row.denied_at + DENIED_FOR:
        return False
    if row.status == OrderStatus.SUBMITTING:
        status, reason = OrderStatus.NOT_PLACED, "The exchange never got it."
    else:
        # It was acknowledged once: the exchange has begun its books anew, as testnet does every month.
        status, reason = OrderStatus.CANCELED, f"The exchange no longer knows it: {text}"
    return hear(report_of(row, status, reason), source, exchange_at, task_id)


def cancel(order_id: int, exchange_at: ExchangeAt, task_id: str = "", now: datetime | None = None) -> bool:
    """Takes an order of ours back. Whether the leader has to do by that.

    One that loses to a fill, or whose outcome is unclear, is asked about, and what has traded counts. An order that
    nobody has acknowledged yet is asked about too: it can be taken back once it is known to rest. Raises the
    exchange's errors but NotFound: who wanted it taken back asks again.
    """
    row = Order.objects.select_related("symbol").filter(pk=order_id).first()
    if row is None or not OrderStatus(row.status).is_open:
        return False
    if row.status == OrderStatus.SUBMITTING:
        return ask(order_id, exchange_at, task_id, now)
    Order.objects.filter(pk=order_id).update(asked_at=now or timezone.now())
    exchange = exchange_at(Venue(row.venue))
    try:
        report = exchange.cancel(row.symbol.name, row.client_order_id)
    except (NotFound, OutcomeUnknown):
        return ask(order_id, exchange_at, task_id, now, source="cancel")
    return hear_of_cancel(row, report, exchange_at, task_id)


def hear_of_cancel(row: Order, report: OrderReport, exchange_at: ExchangeAt, task_id: str = "") -> bool:
    """Takes in the exchange's answer to a cancel. Whether the leader has to do by that."""
    report = _with_fills(row, report, exchange_at(Venue(row.venue)))
    return hear(report, "cancel", exchange_at, task_id)


def _with_fills(row: Order, report: OrderReport, exchange: Exchange) -> OrderReport:
    """The report with the order's fills, where it tells of more than is booked."""
    if report.executed <= as_core(row).booked:
        return report
    return replace(report, fills=exchange.fills(report.symbol, report.exchange_order_id))


def note_failure(trader_id: int, error: Exception, task_id: str = "") -> None:
    """Writes a task's failure on its trader, which keeps its state and is tried again after a growing wait."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended:
            return
        back_off(trader, f"{type(error).__name__}: {error}")
        trigger = save(trader)
        write_once(trader, "its task", "failed", trader.error, task_id)
    copy(trigger)


def _look(trader_id: int, event: Event, task_id: str) -> _Step:
    """Lock, book, decide, save."""
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None:
            return _Step()
        has_changed = True
        if isinstance(event, OrderReported):
            has_changed, event = _book(trader, event, task_id)
        if trader.has_ended and has_changed and isinstance(event, OrderReported):
            count_again(trader, event, task_id)
            _take_back_what_came_late(event.report)
        if trader.has_ended or not has_changed:
            return _Step()
        if trader.retry_at and trader.retry_at > timezone.now() and _can_wait(event):
            return _Step()  # An old bell: the trader waits for its next try.
        # Nothing that could have traded: that is what WAITING means.
        is_empty = trader.state == TraderState.WAITING and not isinstance(event, OrderReported)
        position = position_with(trader, ()) if is_empty else position_of(trader)
        position = replace(position, mode=Mode(trader.trading_status or Mode.OFF))
        rules = rules_of(trader.symbol_id, trader.venue)
        trader.retry_at = None
        step = _act(trader, position, rules, event, task_id)
        return replace(step, venue=Venue(trader.venue), trigger=save(trader))


def _act(trader: Trader, position: Position, rules: Rules | None, event: Event, task_id: str) -> _Step:
    """Lets its strategy decide, and does as it says."""
    trader.state = state_of(position)
    trader.arm(Triggers())
    trader.waits_for = ""
    try:
        strategy, settings = trader.by()
    except (UnknownStrategy, BadSettings) as error:
        look_again(trader, Wait(f"it can't decide: {error}"), event, task_id)
        return _Step()
    if rules is None:
        unknown = Wait(f"{trader.venue} has not told the rules of {trader.symbol.name} yet")
        next_one = Triggers() if position.orders else Triggers(below=ANY_PRICE)
        wait(trader, position, unknown, next_one, event, task_id)
        return _Step()
    step = _Step()
    try:
        decision = guard.decide(strategy, position, event, rules, settings)
        step = _act_on(trader, position, decision, rules, event, task_id)
        if isinstance(decision, Wait | TellRebuy):
            after = replace(position, memory=trader.memory, has_told_rebuy=trader.rebuy_told_at is not None)
            said = decision.reason
            waiting = decision if isinstance(decision, Wait) else Wait(f"has asked for another trader: {said}")
            armed = guard.triggers(strategy, after, rules, settings)
            wait(trader, after, waiting, armed, event, task_id)
    except guard.StrategyFails as error:
        # What was reported is booked all the same: the books don't depend on what a strategy makes of them.
        log.exception("a strategy fails: trader=%s", trader.pk)
        trader.waits_for = "it can't decide: its strategy fails"
        back_off(trader, str(error))
        write_once(trader, str(event), "failed", trader.error, task_id)
    return step


def _can_wait(event: Event) -> bool:
    return isinstance(event, TradeSeen) or (isinstance(event, Nudged) and not event.is_urgent)


def _book(trader: Trader, event: OrderReported, task_id: str) -> tuple[bool, OrderReported]:
    """Whether the report says anything new, and the event as the core is to see it."""
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
    return has_changed, replace(event, was_asked=bool(row.cancel_reason))


def _take_back_what_came_late(report: OrderReport) -> None:
    """An order that was taken for never placed rests after all, and its trader has ended: nobody wants it."""
    row = Order.objects.select_related("symbol").get(client_order_id=report.client_order_id)
    if OrderStatus(row.status).is_open:
        # The leader goes by that where the bell is lost.
        row.cancel_reason = "its trader had ended when it showed"
        row.save(update_fields=["cancel_reason", "updated_at"])
        transaction.on_commit(partial(_ring_for_cancel, row))


def _ring_for_cancel(row: Order) -> None:
    try:
        doorbell.cancel(row.pk, row.trader_id, row.symbol.name)
    except OperationalError as away:
        log.warning("nobody is rung to cancel it: order=%s error=%s", row.client_order_id, away)


def _act_on(
    trader: Trader, position: Position, decision: Decision, rules: Rules, event: Event, task_id: str
) -> _Step:
    match decision:
        case PlaceBuy() | PlaceSell():
            side = Side.BUY if isinstance(decision, PlaceBuy) else Side.SELL
            is_market = isinstance(decision, PlaceSell) and decision.is_market
            held = gate.hold(trader, side, decision.price, decision.quantity, rules)
            if held is not None:
                hold_back(trader, held, str(event), task_id)
                is_exit = isinstance(decision, PlaceSell) and decision.is_exit
                return _Step(held=side if held.is_mode else None, in_the_way=held.in_the_way if is_exit else ())
            _remember(trader, decision)
            row = Order.objects.create(
                trader=trader,
                symbol=trader.symbol,
                venue=trader.venue,
                side=side,
                type=OrderType.MARKET if is_market else OrderType.LIMIT,
                price=decision.price,
                quantity=decision.quantity,
                client_order_id=new_client_order_id(trader.pk, side),
                submitted_at=timezone.now(),
            )
            trader.state = TraderState.BUYING if side == Side.BUY else TraderState.SELLING
            write(trader, str(event), f"orders {row}", decision.reason, row, task_id)
            return _Step(send=_order_to_send(row))
        case Cancel():
            row = trader.orders.select_related("symbol").get(client_order_id=decision.order.client_order_id)
            # Nothing could be placed in its stead: it rests on.
            held = gate.mode_hold(Side(row.side))
            if held is not None:
                hold_back(trader, held, str(event), task_id)
                return _Step(held=Side(row.side))
            _remember(trader, decision)
            row.cancel_reason = decision.reason[:200]
            row.save(update_fields=["cancel_reason", "updated_at"])
            trader.waits_for = f"takes its {row.side.lower()} back: {decision.reason}"[:300]
            write(trader, str(event), f"takes back {row}", decision.reason, row, task_id)
            return _Step(take_back=row.pk)
        case TellRebuy():
            _remember(trader, decision)
            trader.rebuy_told_at = timezone.now()
            write(trader, str(event), "asks for a trader beside it", decision.reason, task_id=task_id)
            return _Step(needs_leader=True)
        case Finish():
            end(trader, decision)
            text = f"{trader.symbol.name} #{trader.slot} at {trader.venue} ends: {decision.reason}"
            transaction.on_commit(lambda: log.info(text))
            write(trader, str(event), f"ends: {decision.state.lower()}", decision.reason, task_id=task_id)
            return _Step(needs_leader=True)
        case Wait():
            _remember(trader, decision)
            if decision.needs_values:
                return _Step(value=decision.needs_values, quote=trader.symbol.quote_asset)
            if decision.needs_fills is not None and isinstance(event, Nudged):
                return _Step(fetch=_to_fetch(trader, decision.needs_fills.client_order_id))
            return _Step()


def _remember(trader: Trader, decision: PlaceBuy | PlaceSell | Cancel | TellRebuy | Wait) -> None:
    if decision.memory is not None:
        trader.memory = dict(decision.memory)


def _send(trader_id: int, order: NewOrder, venue: Venue, exchange_at: ExchangeAt, task_id: str) -> Event | None:
    """Calls the exchange once, and says what to hear next."""
    held = gate.last_look(order)
    if held is not None:
        text = f"{held.topic}: it was not sent"
        _close(trader_id, order, NotTaken(OrderStatus.NOT_PLACED, text), task_id, held)
        return None
    try:
        report = exchange_at(venue).place(order)
    except OutcomeUnknown as error:
        _show_unclear(trader_id, order, str(error), task_id)
        return None
    except (Refused, Throttled, NotSent) as error:
        row = _row(order)
        _close(trader_id, order, not_taken(row, error), task_id)
        see_to(row, error)
        return None
    return OrderReported(report, "answer")


def _clear_the_way(trader_id: int, orders: tuple[int, ...], exchange_at: ExchangeAt, task_id: str) -> bool:
    """Takes back own buys that a sale would meet which gets out. Whether the leader has to do by that.

    Such a buy may rest for hours under a market that has recovered; a stop must not wait. Their traders buy anew.
    """
    slot = Trader.objects.values_list("slot", flat=True).get(pk=trader_id)
    why = f"it makes way for the trader in slot {slot}, which gets out"
    needs_leader = False
    for row in Order.objects.filter(pk__in=orders).select_related("trader"):
        # Not locked: its trader changes this only where it takes the order back itself.
        if Order.objects.filter(pk=row.pk, status__in=OPEN, cancel_reason="").update(cancel_reason=why):
            write(row.trader, f"slot {slot}", f"makes way with {row}", why, row, task_id)
        needs_leader = cancel(row.pk, exchange_at, task_id) or needs_leader
    return needs_leader


def _show_unclear(trader_id: int, order: NewOrder, text: str, task_id: str) -> None:
    """Nothing is sent again before the exchange was asked: the leader sees to it."""
    with transaction.atomic():
        trader = locked(trader_id)
        row = _row(order)
        if trader is None or trader.has_ended or row.status != OrderStatus.SUBMITTING:
            return  # A report was quicker than the answer that never came.
        trader.waits_for = f"it is unclear whether the {order.side.lower()} was accepted: asking"
        trader.error = text[:500]
        trader.save(update_fields=["waits_for", "error"])
        write(trader, "answer", "asks about its order", text, row, task_id)


def _close(trader_id: int, order: NewOrder, outcome: NotTaken, task_id: str, held: gate.Hold | None = None) -> None:
    """Books that nothing rests on the exchange. The trader tries again after a wait, or when the gate opens."""
    trigger = None
    with transaction.atomic():
        trader = locked(trader_id)
        row = _row(order)
        if trader is None or not book(row, report_of(row, outcome.status, outcome.text)):
            return  # A report was quicker.
        log.warning("%s at %s is not placed: %s", row, row.venue, outcome.text)
        done = "was refused" if outcome.status == OrderStatus.REJECTED else "was not placed"
        write(trader, "answer", done, outcome.text, row, task_id)
        if not trader.has_ended:
            trader.state = state_of(position_of(trader))
            if held is None:
                back_off(trader, outcome.text, outcome.wait)
            else:
                hold_back(trader, held, "answer", task_id)
            trigger = save(trader)
    copy(trigger)


def _value(trader_id: int, step: _Step, exchange: Exchange, task_id: str) -> Event | None:
    """Asks what commissions in third assets were worth when the cycle ended."""
    prices: dict[str, Decimal | None] = {}
    for asset in step.value:
        try:
            prices[asset] = exchange.price(f"{asset}{step.quote}")
        except KeyRejected:
            raise
        except Refused:
            prices[asset] = None  # The exchange has no such pair.
    with transaction.atomic():
        trader = locked(trader_id)
        if trader is None or trader.has_ended:
            return None
        for asset, price in prices.items():
            value_commissions(trader, asset, f"{asset}{step.quote}", price, task_id)
    return Nudged("its commissions are valued", is_urgent=True)


def _fetch_fills(trader_id: int, report: OrderReport, exchange: Exchange) -> Event:
    fills = exchange.fills(report.symbol, report.exchange_order_id)
    if sum((fill.quantity for fill in fills), ZERO) < report.executed:
        # The exchange does not list all of them yet: soon again.
        Trader.objects.filter(pk=trader_id).update(retry_at=timezone.now() + FILLS_COME_WITHIN)
    return OrderReported(replace(report, fills=fills), "query")


def _row(order: NewOrder) -> Order:
    return Order.objects.select_related("symbol").get(client_order_id=order.client_order_id)


def _order_to_send(row: Order) -> NewOrder:
    return NewOrder(
        symbol=row.symbol.name,
        side=Side(row.side),
        price=row.price,
        quantity=row.quantity,
        client_order_id=row.client_order_id,
        type=OrderType(row.type),
        not_after_ms=round((row.submitted_at + SEND_WITHIN).timestamp() * 1000),
    )


def _to_fetch(trader: Trader, client_order_id: str) -> OrderReport:
    row = trader.orders.select_related("symbol").get(client_order_id=client_order_id)
    return report_of(row, OrderStatus(row.status), row.reason)
