"""One look at a trader: read where it stands, let its strategy decide, and save what follows. Nothing is called here.

The strategy decides on a snapshot, with no transaction open and no row locked: however long it thinks, nobody waits.
The row's version is compared when the outcome is saved; where somebody was quicker, the look begins anew.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import DataError, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.database.writing import insert, update
from hedgehog_project.venues import Venue, rests
from trading.books import leftovers
from trading.books.booking import as_core, book, position_with
from trading.core import by_hand, guard, ladder
from trading.core import orders as core
from trading.core.decisions import (
    ANY_PRICE,
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
from trading.core.denials import Denial
from trading.core.events import BalanceSeen, Event, OrderReported, Recheck, TradeSeen, cause_of
from trading.core.filters import SymbolFilters, violation
from trading.core.hand import Hand, Told
from trading.core.journal import Cause, Kind, Source
from trading.core.money import ZERO, floor_to, plain
from trading.core.orders import PROVEN_BY_US, OrderReport, OrderStatus, OrderType, Side, fold, to_be_valued
from trading.core.position import Mode, Position, TraderState, state_of
from trading.exchange.protocol import SEND_WITHIN, NewOrder
from trading.identity import copies
from trading.identity.names import new_client_order_id
from trading.models import Fill, Order, Trader
from trading.models.journal import write, write_once
from trading.models.orders import COULD_TRADE
from trading.models.symbols import filters_of
from trading.models.times import now_ms
from trading.risk import figures, gate
from trading.strategies.registry import UnknownStrategy
from trading.strategies.time_limit import within_time
from trading.strategies.typed import BadSettings
from trading.traders import neighbours, next_cycle
from trading.traders.cycle_end import count_again, end
from trading.traders.rejections import RESETS, report_of
from trading.traders.retries import back_off, deny, look_again, wait, waits_of
from trading.traders.rows import claim, read, save, trigger_for
from trading.traders.valuing import Wanted
from trading.waking import enqueue
from trading.waking.triggers import Trigger

log = logging.getLogger(__name__)

# Whoever finds a trader changed by somebody else looks again, so many times: each time somebody got further.
MAX_TRIES = 20
SHOWED_LATE = "it appeared after it was recorded as not placed"


# What storing or doing what a strategy wants may raise, where the guard has not foreseen it.
_UNUSABLE = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, DataError)


class Overtaken(Exception):
    """Somebody else has changed the trader since it was read."""


# --- what a look comes to: at most one of these is to be done -------------------------------------


@dataclass(frozen=True)
class Send:
    """An order is saved and goes out now. `replaces`: the client order id of the resting one whose place it takes."""

    order: NewOrder
    replaces: str = ""


@dataclass(frozen=True)
class CancelOrder:
    row: int


@dataclass(frozen=True)
class FetchFills:
    """An order has ended, and not all of its fills are known."""

    report: OrderReport


@dataclass(frozen=True)
class ClearTheWay:
    """Own buys, by their rows, are to be cancelled: a sale that gets out would meet them."""

    rows: tuple[int, ...]


@dataclass(frozen=True)
class DeniedByMode:
    """The mode of trading did not let an order of this side pass."""

    side: Side


Step = Send | CancelOrder | FetchFills | Wanted | ClearTheWay | DeniedByMode


@dataclass(frozen=True)
class Known:
    """A trader as a look has left it, with its orders by client order id.

    The next look may begin with that instead of reading it: where somebody has changed the trader since, its version
    tells, and it is read. Without orders: those are not read yet.
    """

    trader: Any  # as `rows.read` returns it
    rows: dict[str, Order]


@dataclass(frozen=True)
class Looked:
    """What came of a look. `needs_leader`: a cycle has ended and none follows, or another trader is asked for."""

    step: Step | None = None
    venue: Venue = Venue.MOCK
    needs_leader: bool = False
    # To be copied to Redis: this trader's, and that of the one which follows it.
    triggers: Sequence[Trigger] = ()
    known: Known | None = None


NOTHING_TO_DO = Looked()


# --- one look -------------------------------------------------------------------------------------


@dataclass
class Snapshot:
    """A trader as it was read, with the orders that matter, and what is new."""

    trader: Trader
    event: Event
    task_id: str
    rows: dict[str, Order] = field(default_factory=dict)  # by client order id
    position: Position = field(default_factory=Position)
    filters: SymbolFilters | None = None
    # What it turns out to lack on the account.
    missing: Decimal = ZERO
    # The order that is reported was taken for never placed, and its trader has gone on without it.
    is_late: bool = False

    @property
    def cause(self) -> Cause:
        return cause_of(self.event, self.task_id)

    @property
    def reported(self) -> Order | None:
        """The row that the event tells of."""
        return self.rows[self.event.report.client_order_id] if isinstance(self.event, OrderReported) else None


@dataclass(frozen=True)
class Thought:
    """What a strategy wants, and which prices concern its trader then; or why it can't say."""

    decision: Decision | None = None
    armed: Triggers = field(default_factory=Triggers)
    cant: str = ""  # a person has to fix a setting or a module: it looks again soon
    fails: str = ""  # its code fails: it looks again after a growing wait
    told: Told | None = None  # what a person has told the trader, where that is a step of it
    done: str = ""  # what it was told is over, and how that went


def look(
    trader_id: int, event: Event, task_id: str = "", has_valued: bool = False, known: Known | None = None
) -> Looked:
    """Takes in an event. Raises Overtaken where others keep changing the trader.

    `has_valued`: what its commissions were worth was asked just now, for this event. `known`: what the look before
    has left.
    """
    unusable, thought = "", None
    for _ in range(MAX_TRIES):
        snapshot, known = _read(trader_id, event, task_id, has_valued, known), None
        if snapshot is None:
            return NOTHING_TO_DO
        if not snapshot.trader.has_ended:
            thought = Thought(fails=unusable) if unusable else think(snapshot)
        try:
            with transaction.atomic():
                if not claim(snapshot.trader):
                    raise Overtaken(f"trader {trader_id} keeps being changed by other processes")
                return _take_in(snapshot, thought)
        except Overtaken as error:
            overtaken = error
        except _UNUSABLE as error:
            if thought is None or thought.decision is None:
                raise
            # What was decided can't be done or stored. What was reported is booked all the same, without it.
            log.exception("decision unusable: trader=%s decision=%s", trader_id, type(thought.decision).__name__)
            unusable = f"{type(thought.decision).__name__} cannot be used: {error}"
    raise overtaken


def _read(
    trader_id: int, event: Event, task_id: str, has_valued: bool, known: Known | None = None
) -> Snapshot | None:
    """The trader as it stands with the event; None where the event changes nothing for it."""
    trader = read(trader_id) if known is None else known.trader
    if trader is None or rests(trader.venue):
        return None  # A task of when the mock exchange ran another world: all that it tells is there again later.
    is_late = False
    if isinstance(event, OrderReported):
        reports = {report.client_order_id: report for report in (event.replaced, event.report) if report is not None}
        rows = {} if known is None else known.rows
        if not reports.keys() <= rows.keys():
            rows = _rows_of(trader, reports)
        row = rows[event.report.client_order_id]
        before = as_core(row)
        folded = {name: fold(as_core(rows[name]), report) for name, report in reports.items()}
        told = folded.pop(row.client_order_id)
        if told == before and all(order == as_core(rows[name]) for name, order in folded.items()):
            return None
        event = replace(event, was_asked=bool(row.cancel_reason))
        others = [folded.get(name) or as_core(other) for name, other in rows.items() if other is not row]
        has_gone_on = trader.has_ended or any(other.status.is_open for other in others)
        is_late = before.status in PROVEN_BY_US and told.status.is_open and has_gone_on
        told = replace(told, cancel_reason=SHOWED_LATE) if is_late else told
        orders = [*others, told]
    elif trader.has_ended or (not has_valued and waits_of(trader).hold_back(event, now_ms())):
        return None  # An old task: the trader waits for its next retry.
    else:
        # WAITING means that nothing could have traded.
        rows = known.rows if known is not None else {} if trader.state == TraderState.WAITING else _rows_of(trader)
        orders = [as_core(row) for row in rows.values()]
    # Those that could have traded, in the order in which they were placed.
    places = {name: place for place, name in enumerate(rows)}
    orders.sort(key=lambda order: places[order.client_order_id])
    traded = [order for order in orders if order.status.is_open or order.executed]
    mode = Mode(trader.trading_status or Mode.OFF)
    position = position_with(trader, traded)
    hand = _with_status(position.hand, orders) if trader.told else position.hand
    position = replace(position, mode=mode, has_tried_values=has_valued, hand=hand)
    filters = filters_of(trader.symbol_id, trader.venue)
    snapshot = Snapshot(trader, event, task_id, rows, position, filters, is_late=is_late)
    return _as_the_account_says(snapshot, event) if isinstance(event, BalanceSeen) else snapshot


def _as_the_account_says(snapshot: Snapshot, seen: BalanceSeen) -> Snapshot:
    """The account is the truth: no more is owned than it has, and no more can be sold than is free of that.

    What is there can be sold at once. That nothing is there is believed once the exchange has said so for a while.
    """
    step = snapshot.filters.step if snapshot.filters else ZERO
    there = seen.free + seen.elsewhere
    lacking = max(snapshot.position.owned(seen.asset) - there, ZERO)
    missing = lacking if seen.is_certain or floor_to(there, step) > 0 else ZERO
    position = replace(snapshot.position, missing=snapshot.position.missing + missing, free=seen.free)
    return replace(snapshot, position=position, missing=missing)


def _with_status(hand: Hand, orders: Sequence[core.Order]) -> Hand:
    """With what became of the order that was placed for what it was told; one that never traded is read for it."""
    if hand.told is None or not hand.told.order:
        return hand
    for order in orders:
        if order.client_order_id == hand.told.order:
            return replace(hand, told=replace(hand.told, status=order.status))
    # One that never traded, or that a restored backup lacks.
    found = Order.objects.filter(client_order_id=hand.told.order).values_list("status", flat=True).first()
    return replace(hand, told=replace(hand.told, status=OrderStatus(found or OrderStatus.NOT_PLACED)))


_ORDERS = Compiled(lambda pk: Order.objects.filter(COULD_TRADE, trader=pk).order_by("id"), int)
_THESE_TOO = Compiled(
    lambda pk, one, other: Order.objects.filter(
        COULD_TRADE | Q(client_order_id=one) | Q(client_order_id=other), trader=pk
    ).order_by("id"),
    int,
    str,
    str,
)
_FILLS = Compiled(lambda pk: Fill.objects.filter(order__trader=pk), int)


def _rows_of(trader: Trader, also: Collection[str] = ()) -> dict[str, Order]:
    """Its orders that traded or still may, and one or two by their names; oldest first, with their fills."""
    rows = _THESE_TOO(trader.pk, min(also), max(also)) if also else _ORDERS(trader.pk)
    fills: dict[int, list[Fill]] = {row.pk: [] for row in rows}
    if any(row.executed for row in rows):
        for fill in _FILLS(trader.pk):
            fills.setdefault(fill.order_id, []).append(fill)
    for row in rows:
        # They need not be read once more for each.
        row.trader, row.symbol = trader, trader.symbol
        row.known_fills = fills[row.pk]
    return {row.client_order_id: row for row in rows}


def think(snapshot: Snapshot) -> Thought:
    """What its strategy makes of the snapshot. Nothing is locked meanwhile, and it is given up after a while."""
    if snapshot.filters is None:
        return Thought()
    position, event, filters = snapshot.position, snapshot.event, snapshot.filters
    # Whatever its strategy is up to, a person is heard.
    stop, done = by_hand.stopped(position, event), ""
    if stop is not None:
        position = replace(position, hand=replace(position.hand, told=stop))
    step = by_hand.carry_out(position, event, filters)
    if isinstance(step, by_hand.Done):
        done, position = step.reason, replace(position, hand=replace(position.hand, told=None))
    elif step is not None:
        return Thought(step, told=position.hand.told)
    try:
        strategy, settings = snapshot.trader.by()
    except (UnknownStrategy, BadSettings) as error:
        return Thought(cant=f"cannot decide: {error}", done=done)

    def decide() -> Thought:
        decision = by_hand.decide(strategy, position, event, filters, settings)
        if not isinstance(decision, Wait | RequestSlot):
            return Thought(decision, done=done)
        after = replace(
            position,
            memory=position.memory if decision.memory is None else decision.memory,
            has_requested_slot=position.has_requested_slot or isinstance(decision, RequestSlot),
        )
        market = event.price if isinstance(event, TradeSeen) else None
        return Thought(decision, by_hand.triggers(strategy, after, filters, settings, market), done=done)

    try:
        return within_time(strategy, decide, whose=snapshot.trader.pk)
    except guard.StrategyFails as error:
        log.exception("strategy raised an error: trader=%s", snapshot.trader.pk)
        return Thought(fails=str(error), done=done)


# --- what follows, in one transaction, with the trader's row locked -------------------------------


def _take_in(snapshot: Snapshot, thought: Thought | None) -> Looked:
    """Books what was reported, does as was decided, and saves the trader."""
    trader, reported = snapshot.trader, snapshot.reported
    if reported is not None:
        _book(snapshot, reported)
    if thought is None:
        count_again(trader, snapshot.cause)
        return Looked(_late_commissions(snapshot), Venue(trader.venue))
    if snapshot.missing:
        _note_missing(snapshot)
    trader.retry_at = None
    trader.state = state_of(snapshot.position)
    if snapshot.position.bought and not trader.holds:
        neighbours.has_bought(trader, min(order.price for order in snapshot.position.of(Side.BUY) if order.executed))
    trader.holds = bool(snapshot.position.bought)
    trader.arm(Triggers())
    trader.waits_for = ""
    looked = _follow(snapshot, thought)
    if snapshot.is_late and reported is not None:
        looked = replace(looked, step=CancelOrder(reported.pk))
    changed = [save(trader)]
    if not trader.has_ended:
        return replace(looked, venue=Venue(trader.venue), triggers=changed, known=Known(trader, snapshot.rows))
    follower = _follower(snapshot)
    if follower is not None:
        looked = replace(looked, needs_leader=False)
        changed.append(trigger_for(follower))
    return replace(looked, venue=Venue(trader.venue), triggers=changed)


def _follower(snapshot: Snapshot) -> Trader | None:
    """The trader of the next cycle, where the last order's report has ended this one.

    What ends by an answer mostly gets out of the market, and more such may wait: the leader begins cycles when they
    had their turn.
    """
    event = snapshot.event
    is_reported = isinstance(event, OrderReported) and event.source == Source.REPORT
    return next_cycle.follow(snapshot.trader) if is_reported else None


def _late_commissions(snapshot: Snapshot) -> Wanted | None:
    """Those of fills that came to light after the cycle's end."""
    base, quote = snapshot.trader.symbol.base_asset, snapshot.trader.symbol.quote_asset
    assets = to_be_valued(snapshot.position.orders, (base, quote))
    return Wanted(assets, quote, can_wait=True) if assets else None


def _note_missing(snapshot: Snapshot) -> None:
    trader = snapshot.trader
    trader.missing += snapshot.missing
    asset = trader.symbol.base_asset
    cost = plain(snapshot.position.cost_of_missing(asset))
    reset = f", {RESETS[trader.venue]}" if trader.venue in RESETS else ""
    reason = (
        f"{plain(snapshot.missing)} {asset} of its position is missing in the account (sold by hand, spent, paid as "
        f"commission{reset}?). The rest is sold. The {cost} {trader.symbol.quote_asset} that it cost count as "
        "neither profit nor loss"
    )
    write(trader, snapshot.cause, Kind.MISSING, "position incomplete", reason)


def _book(snapshot: Snapshot, row: Order) -> None:
    """Books what the event reports of this order."""
    trader, event = snapshot.trader, snapshot.event
    assert isinstance(event, OrderReported)
    if snapshot.is_late:
        # The leader goes by that where this process dies.
        row.is_late, row.cancel_reason = True, SHOWED_LATE
        update(row, ("is_late", "cancel_reason", "updated_at"))
        if trader.has_ended:
            transaction.on_commit(partial(_enqueue_cancel, row.pk, trader))
    trader.error, trader.failures = "", 0
    if event.replaced is not None:
        resting = snapshot.rows[event.replaced.client_order_id]
        _book_one(snapshot, resting, OrderReported(event.replaced, Source.CANCEL))
    _book_one(snapshot, row, event)


def _book_one(snapshot: Snapshot, row: Order, told: OrderReported) -> None:
    book(snapshot.trader, row, told.report, cause_of(told, snapshot.task_id))
    if row.side == Side.BUY and not row.executed and not OrderStatus(row.status).is_open:
        neighbours.has_moved(snapshot.trader)


def _enqueue_cancel(order_id: int, trader: Trader) -> None:
    try:
        enqueue.cancel(order_id, trader.pk, trader.symbol.name)
    except OperationalError as away:
        log.warning("cancel not queued, the leader retries: order=%s error=%s", order_id, away)


def _follow(snapshot: Snapshot, thought: Thought) -> Looked:
    trader, position, event, cause = snapshot.trader, snapshot.position, snapshot.event, snapshot.cause
    if thought.done:
        _end_told(trader, thought.done, cause)
    if thought.cant:
        look_again(trader, Wait(thought.cant), cause)
        return NOTHING_TO_DO
    if thought.fails:
        # What was reported is booked all the same: the books don't depend on what a strategy makes of them.
        trader.waits_for = thought.fails[:300]
        back_off(trader, thought.fails)
        write_once(trader, cause, Kind.FAILED, "failed", trader.error)
        return NOTHING_TO_DO
    if thought.decision is None:
        unknown = Wait(f"the filters of {trader.symbol.name} at {trader.venue} are not known yet")
        next_one = Triggers() if position.orders else Triggers(below=ANY_PRICE)
        wait(trader, position, unknown, next_one, event, cause)
        return NOTHING_TO_DO
    if thought.told is None:  # A person's word goes before it.
        thought = _on_the_ladder(snapshot, thought)
    assert thought.decision is not None
    looked = _act_on(snapshot, thought.decision)
    if thought.told is not None:
        _note_step(trader, thought.told, thought.decision, looked, cause)
    match thought.decision:
        case Wait() as decision:
            wait(trader, replace(position, memory=trader.memory), decision, thought.armed, event, cause)
        case RequestSlot(reason=reason):
            after = replace(position, memory=trader.memory, has_requested_slot=True)
            wait(trader, after, Wait(f"slot requested: {reason}"), thought.armed, event, cause)
    return looked


def _on_the_ladder(snapshot: Snapshot, thought: Thought) -> Thought:
    """The same, or what the ladder makes of it: a buy too near to another slot's waits for its price, and an open one
    whose ground is gone is cancelled. Other slots are asked about for these only.
    """
    trader, position, decision, event = snapshot.trader, snapshot.position, thought.decision, snapshot.event
    is_checked = isinstance(event, Recheck) and isinstance(decision, Wait) and ladder.can_be_withdrawn(position)
    step = neighbours.step_of(trader) if isinstance(decision, PlaceBuy) or is_checked else None
    if step is None or snapshot.filters is None:
        return thought
    if not isinstance(decision, PlaceBuy):
        cancel = ladder.withdrawal(position, neighbours.rungs(trader), step)
        return thought if cancel is None else Thought(cancel)
    figures.lock_symbol(trader)
    market = event.price if isinstance(event, TradeSeen) else decision.price
    resting = ladder.rest(decision, market, neighbours.rungs(trader), step, snapshot.filters.tick)
    if resting is None:
        return thought
    wait, triggers = resting
    # What holds a part already, too little to sell, looks again: it must not miss that others have sold.
    return Thought(wait, Triggers(below=ANY_PRICE) if position.bought or triggers == Triggers() else triggers)


def _note_step(trader: Trader, told: Told, decision: Decision, looked: Looked, cause: Cause) -> None:
    """Remembers which order was placed for what it was told; of a crossed stop, once it can be acted on.

    A buy that is denied is over: it would come too late.
    """
    if isinstance(looked.step, Send):
        trader.told = {**told.to_texts(), "order": looked.step.order.client_order_id}
    elif isinstance(looked.step, CancelOrder):
        trader.told = trader.told or told.to_texts()
    elif isinstance(decision, PlaceBuy):
        _end_told(trader, f"nothing was bought: {trader.waits_for}", cause)


def _end_told(trader: Trader, how: str, cause: Cause) -> None:
    trader.told = None
    write(trader, cause, Kind.BY_HAND, "what it was told is done", how)


def _act_on(snapshot: Snapshot, decision: Decision) -> Looked:
    trader, event, cause = snapshot.trader, snapshot.event, snapshot.cause
    match decision:
        case PlaceBuy() | PlaceSell():
            return _place(snapshot, decision)
        case Cancel():
            return _cancel(snapshot, decision)
        case Replace():
            return _replace(snapshot, decision)
        case RequestSlot():
            _remember(trader, decision.memory)
            trader.slot_requested_at = timezone.now()
            write(trader, cause, Kind.SLOT_REQUESTED, "requests a slot", decision.reason)
            return Looked(needs_leader=True)
        case Finish():
            end(trader, decision, snapshot.position)
            text = f"{trader.symbol.name} #{trader.slot} at {trader.venue} finished: {decision.reason}"
            transaction.on_commit(lambda: log.info(text))
            how = "" if decision.state == TraderState.FINISHED else f": {decision.state.lower()}"
            write(trader, cause, Kind.ENDED, f"finished{how}", decision.reason)
            return Looked(needs_leader=True)
        case Wait():
            _remember(trader, decision.memory)
            if decision.needs_values:
                quote = trader.symbol.quote_asset
                return Looked(Wanted(decision.needs_values, quote, decision.values_can_wait))
            if decision.needs_fills is not None and isinstance(event, Recheck):
                row = snapshot.rows[decision.needs_fills.client_order_id]
                return Looked(FetchFills(report_of(row, OrderStatus(row.status), row.reason)))
            return NOTHING_TO_DO


def _remember(trader: Trader, memory: Mapping[str, str] | None) -> None:
    if memory is not None:
        trader.memory = dict(memory)


def _place(snapshot: Snapshot, decision: PlaceBuy | PlaceSell) -> Looked:
    denial = _denied(snapshot, decision)
    if denial is not None:
        return denial
    _remember(snapshot.trader, decision.memory)
    row = _saved(snapshot, _with_leftovers(snapshot, decision) if isinstance(decision, PlaceSell) else decision)
    return Looked(Send(_order_to_send(row)))


def _with_leftovers(snapshot: Snapshot, sale: PlaceSell) -> PlaceSell:
    """The sale with what earlier cycles have left over, where that makes another step. Exits sell their own alone:
    the account may lack what was left over, and a stop must not wait for that to be found out.
    """
    filters, trader = snapshot.filters, snapshot.trader
    assert filters is not None
    owned = snapshot.position.owned(filters.base_asset)
    if sale.is_exit or snapshot.position.free is not None or sale.quantity != floor_to(owned, filters.step):
        return sale
    row = leftovers.there(trader)
    if row is None:
        return sale
    quantity = floor_to(owned + row.quantity, filters.step)
    if quantity == sale.quantity or violation(filters, Side.SELL, sale.price, quantity):
        return sale
    is_too_much = filters.max_market_quantity and quantity > filters.max_market_quantity
    if sale.is_market and (is_too_much or floor_to(quantity, filters.market_step or filters.step) != quantity):
        return sale
    if copies.copy_at(trader.venue) is not None:
        return sale  # A copy may sell what both have left over.
    with_it = f"{sale.reason}; with {plain(row.quantity)} {filters.base_asset} left over by earlier cycles"
    leftovers.take(trader, row)
    return replace(sale, quantity=quantity, reason=with_it)


def _cancel(snapshot: Snapshot, decision: Cancel) -> Looked:
    trader, row = snapshot.trader, snapshot.rows[decision.order.client_order_id]
    # Nothing could be placed in its stead: it rests on.
    # A buy that a person wants gone needs nothing in its stead.
    is_told = trader.told is not None and row.side == Side.BUY
    denial = copies.denial(trader, Side.BUY) if is_told else gate.cancel_denial(trader, Side(row.side))
    if denial is not None:
        deny(trader, denial, snapshot.cause)
        return Looked(DeniedByMode(Side(row.side))) if denial.is_mode else NOTHING_TO_DO
    _remember(trader, decision.memory)
    return _want_cancelled(snapshot, row, decision.reason)


def _replace(snapshot: Snapshot, decision: Replace) -> Looked:
    denial = _denied(snapshot, decision.by)
    if denial is not None:
        return denial
    _remember(snapshot.trader, decision.memory)
    row = snapshot.rows[decision.order.client_order_id]
    looked = _want_cancelled(snapshot, row, decision.reason)
    assert snapshot.filters is not None
    if not snapshot.filters.allows_replacing or row.status != OrderStatus.NEW:
        return looked  # One after the other: how much there is to sell is known once it is cancelled.
    new = _saved(snapshot, decision.by, replaces=row)
    return Looked(Send(_order_to_send(new), replaces=row.client_order_id))


def _want_cancelled(snapshot: Snapshot, row: Order, reason: str) -> Looked:
    trader = snapshot.trader
    row.cancel_reason, row.asked_at = reason[:200], timezone.now()
    update(row, ("cancel_reason", "asked_at", "updated_at"))
    trader.waits_for = f"cancelling its {row.side.lower()}: {reason}"[:300]
    write(trader, snapshot.cause, Kind.CANCELLED, f"cancels {row}", reason, row)
    return Looked(CancelOrder(row.pk))


def _denied(snapshot: Snapshot, wanted: PlaceBuy | PlaceSell) -> Looked | None:
    """Asks the gate; None where the order may be placed."""
    side = Side.BUY if isinstance(wanted, PlaceBuy) else Side.SELL
    assert snapshot.filters is not None
    denial: Denial | None = gate.denial(snapshot.trader, side, wanted.price, wanted.quantity, snapshot.filters)
    if denial is None:
        return None
    deny(snapshot.trader, denial, snapshot.cause)
    if denial.is_mode:
        return Looked(DeniedByMode(side))
    if denial.in_the_way and isinstance(wanted, PlaceSell) and wanted.is_exit:
        return Looked(ClearTheWay(denial.in_the_way))
    return NOTHING_TO_DO


def _saved(snapshot: Snapshot, wanted: PlaceBuy | PlaceSell, replaces: Order | None = None) -> Order:
    """The intent: an order's row, before anything is sent."""
    trader = snapshot.trader
    side = Side.BUY if isinstance(wanted, PlaceBuy) else Side.SELL
    if isinstance(wanted, PlaceSell) and wanted.is_exit:
        trader.target = None  # What a person has set is passed.
    row = Order(
        trader=trader,
        symbol=trader.symbol,
        venue=trader.venue,
        side=side,
        type=_type_of(wanted),
        price=wanted.price,
        quantity=wanted.quantity,
        client_order_id=new_client_order_id(trader, side),
        submitted_at=timezone.now(),
        replaces=replaces,
    )
    insert(row)
    snapshot.rows[row.client_order_id] = row
    trader.state = TraderState.BUYING if side == Side.BUY else TraderState.SELLING
    write(trader, snapshot.cause, Kind.ORDERED, f"places {row}", wanted.reason, row)
    return row


def _type_of(wanted: PlaceBuy | PlaceSell) -> OrderType:
    if isinstance(wanted, PlaceSell) and wanted.is_market:
        return OrderType.MARKET
    return OrderType.IOC if wanted.is_ioc else OrderType.LIMIT


def _order_to_send(row: Order) -> NewOrder:
    return NewOrder(
        symbol=row.symbol.name,
        side=Side(row.side),
        price=row.price,
        quantity=row.quantity,
        client_order_id=row.client_order_id,
        type=OrderType(row.type),
        not_after_ms=round((row.submitted_at + SEND_WITHIN).timestamp() * 1000),
        not_after=time.monotonic() + SEND_WITHIN / timedelta(seconds=1),
    )
