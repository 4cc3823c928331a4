"""One look at a trader: read where it stands, let its strategy decide, and save what follows. Nothing is called here.

What follows from what is core/cycle.py's: here a row becomes a cycle, and the cycle of its next step a row again. The
strategy decides on a snapshot, with no transaction open and no row locked: however long it thinks, nobody waits.
The row's version is compared when the outcome is saved; where somebody was quicker, the look begins anew.
"""

import logging
import time
from collections.abc import Collection, Sequence
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
from trading.books.booking import as_core, book
from trading.core import cycle, guard
from trading.core.cycle import SHOWED_LATE, ClearTheWay, DeniedByMode, Heard, LeftOver, SendOrder, Thought
from trading.core.decisions import ANY_PRICE, Triggers, Wait
from trading.core.denials import Denial
from trading.core.events import Event, OrderReported, cause_of
from trading.core.filters import SymbolFilters
from trading.core.journal import Cause, Kind, Note, Source
from trading.core.ladder import Rung
from trading.core.money import plain
from trading.core.orders import UNASKED_ENDS, OrderReport, OrderStatus, OrderType, Side
from trading.core.position import Mode, Position, TraderState
from trading.exchange.protocol import SEND_WITHIN, NewOrder
from trading.identity import copies
from trading.identity.names import new_client_order_id
from trading.models import Fill, Leftover, Order, Trader
from trading.models.journal import write, write_once
from trading.models.orders import COULD_TRADE
from trading.models.symbols import filters_of
from trading.models.times import now_ms
from trading.risk import figures, gate
from trading.strategies.registry import UnknownStrategy
from trading.strategies.time_limit import within_time
from trading.strategies.typed import BadSettings
from trading.traders import neighbours, next_cycle
from trading.traders.cycle_end import assets_of, count_again, end
from trading.traders.cycles import cycle_of, keep, waits_of
from trading.traders.rejections import RESETS, report_of
from trading.traders.rows import claim, read, save, trigger_for
from trading.traders.valuing import Wanted
from trading.waking import enqueue
from trading.waking.triggers import Trigger

log = logging.getLogger(__name__)

# Whoever finds a trader changed by somebody else looks again, so many times: each time somebody got further.
MAX_TRIES = 20


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
    heard: Heard
    task_id: str
    rows: dict[str, Order] = field(default_factory=dict)  # by client order id
    filters: SymbolFilters | None = None

    @property
    def event(self) -> Event:
        return self.heard.event

    @property
    def position(self) -> Position:
        return self.heard.position

    @property
    def cause(self) -> Cause:
        return cause_of(self.event, self.task_id)

    @property
    def reported(self) -> Order | None:
        """The row that the event tells of."""
        return self.rows[self.event.report.client_order_id] if isinstance(self.event, OrderReported) else None


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
    if isinstance(event, OrderReported):
        reports = {report.client_order_id for report in (event.replaced, event.report) if report is not None}
        rows = {} if known is None else known.rows
        if not reports <= rows.keys():
            rows = _rows_of(trader, reports)
    elif not cycle.is_heard(waits_of(trader), trader.has_ended, event, has_valued, now_ms()):
        return None  # An old task: the trader waits for its next retry.
    else:
        # WAITING means that nothing could have traded.
        rows = known.rows if known is not None else {} if trader.state == TraderState.WAITING else _rows_of(trader)
    stands = cycle_of(trader, [as_core(row) for row in rows.values()])
    heard = cycle.hear(stands, event, Mode(trader.trading_status or Mode.OFF), now_ms(), has_valued)
    if heard is None:
        return None
    filters = filters_of(trader.symbol_id, trader.venue)
    heard = cycle.as_the_account_says(_with_status(heard), filters)
    return Snapshot(trader, heard, task_id, rows, filters)


def _with_status(heard: Heard) -> Heard:
    """With what became of the order that was placed for what it was told, where that never traded, or where a
    restored backup lacks it.
    """
    position = heard.position
    told = position.hand.told
    if told is None or not told.order or told.status is not None:
        return heard
    found = Order.objects.filter(client_order_id=told.order).values_list("status", flat=True).first()
    told = replace(told, status=OrderStatus(found or OrderStatus.NOT_PLACED))
    position = replace(position, hand=replace(position.hand, told=told))
    return replace(heard, cycle=replace(heard.cycle, position=position))


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
    trader, heard, filters = snapshot.trader, snapshot.heard, snapshot.filters
    if filters is None:
        unknown = Wait(f"the filters of {trader.symbol.name} at {trader.venue} are not known yet")
        return Thought(unknown, Triggers() if heard.position.orders else Triggers(below=ANY_PRICE))
    asked = cycle.heed(heard, filters)
    if isinstance(asked, Thought):
        return asked
    try:
        strategy, settings = trader.by()
    except (UnknownStrategy, BadSettings) as error:
        return Thought(cant=f"cannot decide: {error}", done=asked.done)
    try:
        choose = partial(cycle.choose, asked, heard.event, filters, strategy, settings)
        return within_time(strategy, choose, whose=trader.pk)
    except guard.StrategyFails as error:
        log.exception("strategy raised an error: trader=%s", trader.pk)
        return Thought(fails=str(error), done=asked.done)


# --- what follows, in one transaction, with the trader's row locked -------------------------------


@dataclass
class Around(cycle.Around):
    """What a step may have to know beyond its own cycle, in SQL."""

    snapshot: Snapshot
    left: Leftover | None = None  # what was left over, locked

    @property
    def trader(self) -> Trader:
        return self.snapshot.trader

    def ladder_step(self) -> Decimal | None:
        return neighbours.step_of(self.trader)

    def rungs(self, *, is_buying: bool) -> list[Rung]:
        if is_buying:
            figures.lock_symbol(self.trader)
        return neighbours.rungs(self.trader)

    def denial(self, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
        filters = self.snapshot.filters
        assert filters is not None
        return gate.denial(self.trader, side, price, quantity, filters)

    def cancel_denial(self, side: Side, *, is_told: bool) -> Denial | None:
        # A buy that a person wants gone needs nothing in its stead.
        if is_told and side == Side.BUY:
            return copies.denial(self.trader, side)
        return gate.cancel_denial(self.trader, side)

    def left_over(self) -> LeftOver | None:
        self.left = leftovers.there(self.trader)
        return None if self.left is None else LeftOver(self.left.quantity, self.left.cost)

    def has_copy(self) -> bool:
        return copies.copy_at(self.trader.venue) is not None

    def unasked_ends(self) -> int:
        return self.trader.orders.filter(status__in=UNASKED_ENDS).count()

    def new_id(self, side: Side) -> str:
        return new_client_order_id(self.trader, side)


def _take_in(snapshot: Snapshot, thought: Thought | None) -> Looked:
    """Books what was reported, and does as was decided."""
    trader, reported = snapshot.trader, snapshot.reported
    if reported is not None:
        _book(snapshot, reported)
    if thought is None:
        count_again(trader, snapshot.cause)
        late = cycle.after_its_end(snapshot.heard, assets_of(trader)).action
        return Looked(_to_be_done(snapshot, late), Venue(trader.venue))
    around = Around(snapshot)
    step = cycle.follow(snapshot.heard, thought, snapshot.filters, around, now_ms())
    _put_down(snapshot, step, around)
    looked = Looked(
        _to_be_done(snapshot, step.action),
        needs_leader=step.has_ended or step.requests_slot,
        venue=Venue(trader.venue),
    )
    changed = [save(trader)]
    if not trader.has_ended:
        return replace(looked, triggers=changed, known=Known(trader, snapshot.rows))
    follower = _follower(snapshot)
    if follower is not None:
        looked = replace(looked, needs_leader=False)
        changed.append(trigger_for(follower))
    return replace(looked, triggers=changed)


def _put_down(snapshot: Snapshot, step: cycle.Step, around: Around) -> None:
    """Writes what a step says, but for the trader's own row."""
    trader, rows = snapshot.trader, snapshot.rows
    if step.takes_left_over and around.left is not None:
        leftovers.take(trader, around.left)
    if step.first_bought_at is not None:
        neighbours.has_bought(trader, step.first_bought_at)
    if step.cancelled is not None:
        row = rows[step.cancelled.client_order_id]
        row.cancel_reason, row.asked_at = step.cancelled.cancel_reason, timezone.now()
        update(row, ("cancel_reason", "asked_at", "updated_at"))
    if step.order is not None:
        _insert(snapshot, step.order)
    keep(trader, step)
    if step.cycle.end is not None:
        end(trader, step.cycle.end, step.cycle.position)
        text = f"{trader.symbol.name} #{trader.slot} at {trader.venue} finished: {step.notes[-1].reason}"
        transaction.on_commit(lambda: log.info(text))
    for note in step.notes:
        _write(snapshot, note, step)


def _write(snapshot: Snapshot, note: Note, step: cycle.Step) -> None:
    trader, cause = snapshot.trader, snapshot.cause
    if note.is_once:
        write_once(trader, cause, note.kind, note.text, note.reason, denied_by=note.by)
    elif note.order:
        row = snapshot.rows[note.order]
        write(trader, cause, note.kind, f"{note.text} {row}", note.reason, row)
    else:
        reason = _words_of_missing(snapshot, step) if note.kind == Kind.MISSING else note.reason
        write(trader, cause, note.kind, note.text, reason)


def _to_be_done(snapshot: Snapshot, action: cycle.Action | None) -> Step | None:
    """The step to be taken once all is committed, in terms of rows."""
    rows, trader = snapshot.rows, snapshot.trader
    match action:
        case SendOrder(order=order, replaces=replaces):
            return Send(_order_to_send(rows[order.client_order_id]), replaces)
        case cycle.CancelOrder(order=order):
            return CancelOrder(rows[order.client_order_id].pk)
        case cycle.FetchFills(order=order):
            row = rows[order.client_order_id]
            return FetchFills(report_of(row, OrderStatus(row.status), row.reason))
        case cycle.ValueFees(assets=assets, can_wait=can_wait):
            return Wanted(assets, trader.symbol.quote_asset, can_wait)
    return action


def _follower(snapshot: Snapshot) -> Trader | None:
    """The trader of the next cycle, where the last order's report has ended this one.

    What ends by an answer mostly gets out of the market, and more such may wait: the leader begins cycles when they
    had their turn.
    """
    event = snapshot.event
    is_reported = isinstance(event, OrderReported) and event.source == Source.REPORT
    return next_cycle.follow(snapshot.trader) if is_reported else None


def _words_of_missing(snapshot: Snapshot, step: cycle.Step) -> str:
    trader = snapshot.trader
    asset = trader.symbol.base_asset
    cost = plain(snapshot.position.cost_of_missing(asset))
    reset = f", {RESETS[trader.venue]}" if trader.venue in RESETS else ""
    return (
        f"{plain(step.missing)} {asset} of its position is missing in the account (sold by hand, spent, paid as "
        f"commission{reset}?). The rest is sold. The {cost} {trader.symbol.quote_asset} that it cost count as "
        "neither profit nor loss"
    )


def _book(snapshot: Snapshot, row: Order) -> None:
    """Books what the event reports of this order, and of the one that it replaces."""
    trader, event, heard = snapshot.trader, snapshot.event, snapshot.heard
    assert isinstance(event, OrderReported)
    if heard.is_late:
        # The leader goes by that where this process dies.
        row.is_late, row.cancel_reason = True, SHOWED_LATE
        update(row, ("is_late", "cancel_reason", "updated_at"))
        if trader.has_ended:
            transaction.on_commit(partial(_enqueue_cancel, row.pk, trader))
    if event.replaced is not None:
        resting = snapshot.rows[event.replaced.client_order_id]
        cancelled = OrderReported(event.replaced, Source.CANCEL)
        book(trader, resting, event.replaced, cause_of(cancelled, snapshot.task_id))
    book(trader, row, event.report, snapshot.cause)
    if heard.makes_room:
        neighbours.has_moved(trader)


def _enqueue_cancel(order_id: int, trader: Trader) -> None:
    try:
        enqueue.cancel(order_id, trader.pk, trader.symbol.name)
    except OperationalError as away:
        log.warning("cancel not queued, the leader retries: order=%s error=%s", order_id, away)


def _insert(snapshot: Snapshot, sent: SendOrder) -> None:
    """The intent: an order's row, before anything is sent."""
    trader, order = snapshot.trader, sent.order
    row = Order(
        trader=trader,
        symbol=trader.symbol,
        venue=trader.venue,
        side=order.side,
        type=sent.type,
        price=order.price,
        quantity=order.quantity,
        client_order_id=order.client_order_id,
        submitted_at=timezone.now(),
        replaces=snapshot.rows[sent.replaces] if sent.replaces else None,
    )
    insert(row)
    snapshot.rows[row.client_order_id] = row


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
