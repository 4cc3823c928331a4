"""One step of one cycle, whole and pure: where it stands and what is new give where it stands next, and one action.

    hear    what is new: a report folded into its orders, a price, what the account has
    think   what its strategy makes of it, or what a person has told it
    follow  what comes of that: the ladder, the gate, the order or the wait

`step` is the three in a row, for whoever needs nothing in between. A trader's task does them one by one: it thinks
while nothing is locked, and follows in the transaction that saves the outcome. Neither a clock nor a database is
asked: the time is an argument, and what a step may have to know beyond its own cycle is told by `Around`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from trading.core import by_hand, ending, guard, ladder
from trading.core import waits as waiting
from trading.core.decisions import (
    ANY_PRICE,
    Cancel,
    Decision,
    Finish,
    Memory,
    PlaceBuy,
    PlaceSell,
    Replace,
    RequestSlot,
    Triggers,
    Wait,
)
from trading.core.denials import Denial
from trading.core.ending import End
from trading.core.events import BalanceSeen, Event, OrderReported, Recheck, TradeSeen
from trading.core.filters import SymbolFilters, violation
from trading.core.hand import Told
from trading.core.journal import Kind, Note
from trading.core.ladder import Rung
from trading.core.money import ZERO, floor_to, plain
from trading.core.orders import PROVEN_BY_US, Order, OrderReport, OrderStatus, OrderType, Side, fold, to_be_valued
from trading.core.position import Mode, Position, TraderState, state_of
from trading.core.strategy import Strategy
from trading.core.waits import NO_PRICE, Waits

MAX_CANCEL_REASON = 200
SHOWED_LATE = "it appeared after it was recorded as not placed"


@dataclass(frozen=True)
class Cycle:
    """One cycle in one slot, as it stands between two events.

    Its position has all orders that have traded or still may, oldest first. `holds`: it held something at its last
    step. `spread_ms`: so much later than others it tries again, where all wait for the same moment.
    """

    slot: int
    position: Position
    waits: Waits = field(default_factory=Waits)
    holds: bool = False
    end: End | None = None
    spread_ms: int = 0

    @property
    def state(self) -> TraderState:
        return state_of(self.position) if self.end is None else self.end.state


# Any trade wakes a cycle that begins.
AT_FIRST = Waits(Triggers(below=ANY_PRICE), reason="waiting for the next trade")


# --- what there may be to know beyond the cycle ---------------------------------------------------


@dataclass(frozen=True)
class LeftOver:
    """What earlier cycles of the symbol could not sell, in base, and its cost in quote."""

    quantity: Decimal
    cost: Decimal


class Around(Protocol):
    """Of the symbol, its other slots and the account, as they are at this step. Each is asked only where needed."""

    def ladder_step(self) -> Decimal | None:
        """The distance to other slots, a fraction; None where the symbol's slots buy all together."""

    def rungs(self, *, is_buying: bool) -> Sequence[Rung]:
        """What the other slots hold and are buying. `is_buying`: nobody else may save a buy until this one is."""

    def denial(self, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
        """What denies an order; None where it may be placed."""

    def cancel_denial(self, side: Side, *, is_told: bool) -> Denial | None:
        """What would deny an order that is to replace a cancelled one. `is_told`: a person wants it gone."""

    def left_over(self) -> LeftOver | None: ...

    def has_copy(self) -> bool:
        """Whether somebody else may sell what was left over."""

    def unasked_ends(self) -> int:
        """The orders of this cycle, this event's too, that ended in one of UNASKED_ENDS."""

    def new_id(self, side: Side) -> str:
        """A client order id that no order ever had."""


# --- what a step comes to -------------------------------------------------------------------------


@dataclass(frozen=True)
class SendOrder:
    """The order goes out now. `replaces`: the client order id of the resting one whose place it takes."""

    order: Order
    type: OrderType
    replaces: str = ""


@dataclass(frozen=True)
class CancelOrder:
    order: Order


@dataclass(frozen=True)
class FetchFills:
    """An order has ended, and not all of its fills are known."""

    order: Order


@dataclass(frozen=True)
class ValueFees:
    """Commissions in these assets are to be valued in quote; `can_wait`: where that can't be told now, the same event
    is heard again without.
    """

    assets: tuple[str, ...]
    can_wait: bool = False


@dataclass(frozen=True)
class ClearTheWay:
    """Own buys, by their rows, are to be cancelled: a sale that gets out would meet them."""

    rows: tuple[int, ...]


@dataclass(frozen=True)
class DeniedByMode:
    """The mode of trading did not let an order of this side pass."""

    side: Side


Action = SendOrder | CancelOrder | FetchFills | ValueFees | ClearTheWay | DeniedByMode


@dataclass(frozen=True)
class Step:
    """The cycle as it stands next, the one thing that is to be done, and what is to be written down.

    `cancelled`: an order for which it has noted just now why it is to be cancelled. `missing`: what it turned out to
    lack on the account. `makes_room`: other slots may buy at a higher price by now. `first_bought_at`: it holds
    something for the first time, from this price on. `takes_left_over`: what was left over is its own now.
    """

    cycle: Cycle
    action: Action | None = None
    notes: tuple[Note, ...] = ()
    cancelled: Order | None = None
    missing: Decimal = ZERO
    has_ended: bool = False
    requests_slot: bool = False
    makes_room: bool = False
    first_bought_at: Decimal | None = None
    takes_left_over: bool = False

    @property
    def order(self) -> SendOrder | None:
        return self.action if isinstance(self.action, SendOrder) else None


# --- hear -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """A cycle with what is new. `missing`: what it turns out to lack. `is_late`: the order that is reported was taken
    for never placed, and the cycle has gone on without it. `makes_room`: a buy ended unfilled.
    """

    cycle: Cycle
    event: Event
    missing: Decimal = ZERO
    is_late: bool = False
    makes_room: bool = False

    @property
    def position(self) -> Position:
        return self.cycle.position


def is_heard(waits: Waits, has_ended: bool, event: Event, has_valued: bool, now_ms: int) -> bool:
    """Whether the event is for a cycle that waits so. What is reported of its orders it hears in any case."""
    return isinstance(event, OrderReported) or not (has_ended or (not has_valued and waits.hold_back(event, now_ms)))


def hear(cycle: Cycle, event: Event, mode: Mode, now_ms: int, has_valued: bool = False) -> Heard | None:
    """The cycle with the event; None where that changes nothing for it.

    `has_valued`: what its commissions were worth was asked just now, for this event. An order that is reported must
    be among those of the cycle's position, even if it was never placed.
    """
    if not is_heard(cycle.waits, cycle.end is not None, event, has_valued, now_ms):
        return None
    heard = Heard(cycle, event)
    if isinstance(event, OrderReported):
        found = _reported(cycle, event)
        if found is None:
            return None
        heard = found
    position = heard.position
    hand = position.hand
    if hand.told is not None and hand.told.order:
        for order in position.orders:
            if order.client_order_id == hand.told.order:
                hand = replace(hand, told=replace(hand.told, status=order.status))
    position = replace(
        position, orders=_traded(position.orders), mode=mode, has_tried_values=has_valued, free=None, hand=hand
    )
    return replace(heard, cycle=replace(heard.cycle, position=position))


def _reported(cycle: Cycle, event: OrderReported) -> Heard | None:
    before = cycle.position.orders
    reports = {report.client_order_id: report for report in (event.replaced, event.report) if report is not None}
    orders = tuple(
        fold(order, reports[order.client_order_id]) if order.client_order_id in reports else order for order in before
    )
    if orders == before:
        return None
    name = event.report.client_order_id
    was, told = next(pair for pair in zip(before, orders, strict=True) if pair[0].client_order_id == name)
    has_gone_on = cycle.end is not None or any(order.status.is_open for order in orders if order is not told)
    is_late = was.status in PROVEN_BY_US and told.status.is_open and has_gone_on
    if is_late:
        late = replace(told, cancel_reason=SHOWED_LATE)
        orders = tuple(late if order is told else order for order in orders)
    makes_room = any(
        order.side == Side.BUY and not order.executed and not order.status.is_open
        for order in orders
        if order.client_order_id in reports
    )
    after = replace(
        cycle,
        position=replace(cycle.position, orders=orders),
        waits=replace(cycle.waits, error="", failures=0),
    )
    return Heard(after, replace(event, was_asked=bool(was.cancel_reason)), is_late=is_late, makes_room=makes_room)


def _traded(orders: Sequence[Order]) -> tuple[Order, ...]:
    """Those that could have traded."""
    return tuple(order for order in orders if order.status.is_open or order.executed)


def as_the_account_says(heard: Heard, filters: SymbolFilters | None) -> Heard:
    """The account is the truth: no more is owned than it has, and no more can be sold than is free of that.

    What is there can be sold at once. That nothing is there is believed once the exchange has said so for a while.
    """
    seen, position = heard.event, heard.position
    if not isinstance(seen, BalanceSeen):
        return heard
    there = seen.free + seen.elsewhere
    lacking = max(position.owned(seen.asset) - there, ZERO)
    missing = lacking if seen.is_certain or floor_to(there, filters.step if filters else ZERO) > 0 else ZERO
    position = replace(position, missing=position.missing + missing, free=seen.free)
    return replace(heard, cycle=replace(heard.cycle, position=position), missing=missing)


# --- think ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thought:
    """What is wanted, and which prices concern the cycle then; or why nobody can say."""

    decision: Decision | None = None
    armed: Triggers = field(default_factory=Triggers)
    cant: str = ""  # a person has to fix a setting or a module: it looks again soon
    fails: str = ""  # its code fails: it looks again after a growing wait
    told: Told | None = None  # what a person has told the trader, where that is a step of it
    done: str = ""  # what it was told is over, and how that went


@dataclass(frozen=True)
class ForStrategy:
    """The strategy decides, on this position. `done`: see Thought."""

    position: Position
    done: str = ""


def heed(heard: Heard, filters: SymbolFilters) -> Thought | ForStrategy:
    """What a person has told it goes before its strategy, whatever that is up to."""
    position, event = heard.position, heard.event
    stop = by_hand.stopped(position, event)
    if stop is not None:
        position = replace(position, hand=replace(position.hand, told=stop))
    wanted = by_hand.carry_out(position, event, filters)
    if isinstance(wanted, by_hand.Done):
        return ForStrategy(replace(position, hand=replace(position.hand, told=None)), wanted.reason)
    return ForStrategy(position) if wanted is None else Thought(wanted, told=position.hand.told)


def choose(asked: ForStrategy, event: Event, filters: SymbolFilters, strategy: Strategy, settings: Any) -> Thought:
    """What the strategy wants. Raises guard.StrategyFails."""
    position = asked.position
    decision = by_hand.decide(strategy, position, event, filters, settings)
    if not isinstance(decision, Wait | RequestSlot):
        return Thought(decision, done=asked.done)
    after = replace(
        position,
        memory=position.memory if decision.memory is None else decision.memory,
        has_requested_slot=position.has_requested_slot or isinstance(decision, RequestSlot),
    )
    market = event.price if isinstance(event, TradeSeen) else None
    return Thought(decision, by_hand.triggers(strategy, after, filters, settings, market), done=asked.done)


def think(heard: Heard, filters: SymbolFilters, strategy: Strategy, settings: Any) -> Thought:
    asked = heed(heard, filters)
    if isinstance(asked, Thought):
        return asked
    try:
        return choose(asked, heard.event, filters, strategy, settings)
    except guard.StrategyFails as error:
        return Thought(fails=str(error), done=asked.done)


# --- follow ---------------------------------------------------------------------------------------


def follow(heard: Heard, thought: Thought, filters: SymbolFilters | None, around: Around, now_ms: int) -> Step:
    """What comes of a thought. Of a cycle that has ended see `after_its_end`."""
    return _Following(heard, filters, around, now_ms).follow(thought)


@dataclass
class _Following:
    """A step in the making."""

    heard: Heard
    filters: SymbolFilters | None
    around: Around
    now_ms: int

    def __post_init__(self) -> None:
        cycle, position = self.heard.cycle, self.heard.position
        self.event = self.heard.event
        self.spread_ms = cycle.spread_ms
        self.position = position
        self.waits = replace(cycle.waits, triggers=NO_PRICE, retry_at_ms=None, reason="")
        self.end: End | None = None
        self.action: Action | None = None
        self.notes: list[Note] = []
        self.cancelled: Order | None = None
        self.requests_slot = self.takes_left_over = False
        if self.heard.missing:
            self.notes.append(Note(Kind.MISSING, "position incomplete"))

    def follow(self, thought: Thought) -> Step:
        cycle, position = self.heard.cycle, self.position
        first_bought_at = None
        if position.bought and not cycle.holds:
            first_bought_at = min(order.price for order in position.of(Side.BUY) if order.executed)
        self._come_to(thought)
        if self.heard.is_late and isinstance(self.event, OrderReported):
            name = self.event.report.client_order_id
            self.action = CancelOrder(next(each for each in position.orders if each.client_order_id == name))
        after = replace(cycle, position=self.position, waits=self.waits, holds=bool(position.bought), end=self.end)
        return Step(
            after,
            self.action,
            tuple(self.notes),
            self.cancelled,
            self.heard.missing,
            has_ended=self.end is not None,
            requests_slot=self.requests_slot,
            makes_room=self.heard.makes_room or (self.end is not None and bool(position.orders)),
            first_bought_at=first_bought_at,
            takes_left_over=self.takes_left_over,
        )

    def _come_to(self, thought: Thought) -> None:
        if thought.done:
            self._end_told(thought.done)
        if thought.cant:
            self._wait_by(waiting.look_again(self.waits, thought.cant, self.now_ms))
            return
        if thought.fails:
            # What was reported is booked all the same: the books don't depend on what a strategy makes of them.
            waits = replace(self.waits, reason=thought.fails[: waiting.MAX_REASON])
            self.waits = waiting.fail(waits, thought.fails, self.now_ms, self.spread_ms)
            self.notes.append(Note(Kind.FAILED, "failed", self.waits.error, is_once=True))
            return
        if thought.told is None:  # A person's word goes before it.
            thought = self._on_the_ladder(thought)
        decision = thought.decision
        assert decision is not None
        self._act_on(decision)
        if thought.told is not None:
            self._note_told(thought.told, decision)
        match decision:
            case Wait():
                self._wait(decision, thought.armed)
            case RequestSlot(reason=reason):
                self._wait(Wait(f"slot requested: {reason}"), thought.armed)

    def _wait(self, decision: Wait, triggers: Triggers) -> None:
        self._wait_by(
            waiting.wait(
                self.waits, self.position, decision, triggers, self.event, self.now_ms, self.around.unasked_ends
            )
        )

    def _wait_by(self, outcome: tuple[Waits, Note | None]) -> None:
        self.waits, note = outcome
        if note is not None:
            self.notes.append(note)

    def _on_the_ladder(self, thought: Thought) -> Thought:
        """The same, or what the ladder makes of it: a buy too near to another slot's waits for its price, and an open
        one whose ground is gone is cancelled. Other slots are asked about for these only.
        """
        position, decision, event = self.position, thought.decision, self.event
        is_checked = isinstance(event, Recheck) and isinstance(decision, Wait) and ladder.can_be_withdrawn(position)
        step = self.around.ladder_step() if isinstance(decision, PlaceBuy) or is_checked else None
        if step is None or self.filters is None:
            return thought
        if not isinstance(decision, PlaceBuy):
            cancel = ladder.withdrawal(position, self.around.rungs(is_buying=False), step)
            return thought if cancel is None else Thought(cancel)
        market = event.price if isinstance(event, TradeSeen) else decision.price
        resting = ladder.rest(decision, market, self.around.rungs(is_buying=True), step, self.filters.tick)
        if resting is None:
            return thought
        wait, triggers = resting
        # What holds a part already, too little to sell, looks again: it must not miss that others have sold.
        return Thought(wait, Triggers(below=ANY_PRICE) if position.bought or triggers == NO_PRICE else triggers)

    # --- one decision ---------------------------------------------------------------------------------

    def _act_on(self, decision: Decision) -> None:
        match decision:
            case PlaceBuy() | PlaceSell():
                if self._is_let(decision):
                    self._remember(decision.memory)
                    self._send(self._with_left_over(decision) if isinstance(decision, PlaceSell) else decision)
            case Cancel():
                self._cancel(decision)
            case Replace():
                self._replace(decision)
            case RequestSlot():
                self._remember(decision.memory)
                self.position = replace(self.position, has_requested_slot=True)
                self.requests_slot = True
                self.notes.append(Note(Kind.SLOT_REQUESTED, "requests a slot", decision.reason))
            case Finish():
                self._finish(decision)
            case Wait():
                self._remember(decision.memory)
                if decision.needs_values:
                    self.action = ValueFees(decision.needs_values, decision.values_can_wait)
                elif decision.needs_fills is not None and isinstance(self.event, Recheck):
                    self.action = FetchFills(decision.needs_fills)

    def _remember(self, memory: Memory | None) -> None:
        if memory is not None:
            self.position = replace(self.position, memory=dict(memory))

    def _is_let(self, wanted: PlaceBuy | PlaceSell) -> bool:
        """Asks the gate."""
        side = Side.BUY if isinstance(wanted, PlaceBuy) else Side.SELL
        denial = self.around.denial(side, wanted.price, wanted.quantity)
        if denial is None:
            return True
        self._deny(denial, side)
        if denial.in_the_way and not denial.is_mode and isinstance(wanted, PlaceSell) and wanted.is_exit:
            self.action = ClearTheWay(denial.in_the_way)
        return False

    def _deny(self, denial: Denial, side: Side) -> None:
        self._wait_by(waiting.deny(self.waits, denial, self.now_ms, self.spread_ms))
        if denial.is_mode:
            self.action = DeniedByMode(side)

    def _send(self, wanted: PlaceBuy | PlaceSell, replaces: str = "") -> None:
        side = Side.BUY if isinstance(wanted, PlaceBuy) else Side.SELL
        hand = self.position.hand
        if isinstance(wanted, PlaceSell) and wanted.is_exit and hand.target is not None:
            hand = replace(hand, target=None)  # What a person has set is passed.
        order = Order(self.around.new_id(side), side, wanted.price, wanted.quantity, OrderStatus.SUBMITTING)
        self.position = replace(self.position, orders=(*self.position.orders, order), hand=hand)
        self.action = SendOrder(order, _type_of(wanted), replaces)
        self.notes.append(Note(Kind.ORDERED, "places", wanted.reason, order.client_order_id))

    def _with_left_over(self, sale: PlaceSell) -> PlaceSell:
        """The sale with what earlier cycles have left over, where that makes another step. Exits sell their own
        alone: the account may lack what was left over, and a stop must not wait for that to be found out.
        """
        filters, position = self.filters, self.position
        assert filters is not None
        owned = position.owned(filters.base_asset)
        if sale.is_exit or position.free is not None or sale.quantity != floor_to(owned, filters.step):
            return sale
        found = self.around.left_over()
        if found is None:
            return sale
        quantity = floor_to(owned + found.quantity, filters.step)
        if quantity == sale.quantity or violation(filters, Side.SELL, sale.price, quantity):
            return sale
        is_too_much = filters.max_market_quantity and quantity > filters.max_market_quantity
        if sale.is_market and (is_too_much or floor_to(quantity, filters.market_step or filters.step) != quantity):
            return sale
        if self.around.has_copy():
            return sale  # A copy may sell what both have left over.
        self.takes_left_over = True
        self.position = replace(
            position, carried=position.carried + found.quantity, carried_cost=position.carried_cost + found.cost
        )
        with_it = f"{sale.reason}; with {plain(found.quantity)} {filters.base_asset} left over by earlier cycles"
        return replace(sale, quantity=quantity, reason=with_it)

    def _cancel(self, decision: Cancel) -> None:
        # Nothing could be placed in its stead: it rests on.
        denial = self.around.cancel_denial(decision.order.side, is_told=self.position.hand.told is not None)
        if denial is not None:
            self._deny(denial, decision.order.side)
            return
        self._remember(decision.memory)
        self._want_cancelled(decision.order, decision.reason)

    def _replace(self, decision: Replace) -> None:
        if not self._is_let(decision.by):
            return
        self._remember(decision.memory)
        self._want_cancelled(decision.order, decision.reason)
        assert self.filters is not None
        if self.filters.allows_replacing and decision.order.status == OrderStatus.NEW:
            self._send(decision.by, replaces=decision.order.client_order_id)
        # Else one after the other: how much there is to sell is known once it is cancelled.

    def _want_cancelled(self, order: Order, reason: str) -> None:
        cancelled = replace(order, cancel_reason=reason[:MAX_CANCEL_REASON])
        orders = tuple(
            cancelled if each.client_order_id == order.client_order_id else each for each in self.position.orders
        )
        self.position = replace(self.position, orders=orders)
        self.waits = replace(
            self.waits, reason=f"cancelling its {order.side.lower()}: {reason}"[: waiting.MAX_REASON]
        )
        self.notes.append(Note(Kind.CANCELLED, "cancels", reason, order.client_order_id))
        self.cancelled, self.action = cancelled, CancelOrder(cancelled)

    def _finish(self, decision: Finish) -> None:
        assert self.filters is not None
        assets = (self.filters.base_asset, self.filters.quote_asset)
        self.end = ending.end(decision, self.position, assets, self.now_ms)
        self.waits = replace(self.waits, reason="", error="")
        self.position = replace(self.position, hand=replace(self.position.hand, told=None))
        how = "" if decision.state == TraderState.FINISHED else f": {decision.state.lower()}"
        self.notes.append(Note(Kind.ENDED, f"finished{how}", decision.reason))

    # --- what a person has told it --------------------------------------------------------------------

    def _note_told(self, told: Told, decision: Decision) -> None:
        """Remembers which order was placed for what it was told; of a crossed stop, once it can be acted on.

        A buy that is denied is over: it would come too late.
        """
        if isinstance(self.action, SendOrder):
            name, status = self.action.order.client_order_id, self.action.order.status
            self._tell(replace(told, order=name, status=status))
        elif isinstance(self.action, CancelOrder):
            self._tell(self.position.hand.told or told)
        elif isinstance(decision, PlaceBuy):
            self._end_told(f"nothing was bought: {self.waits.reason}")

    def _end_told(self, how: str) -> None:
        self._tell(None)
        self.notes.append(Note(Kind.BY_HAND, "what it was told is done", how))

    def _tell(self, told: Told | None) -> None:
        self.position = replace(self.position, hand=replace(self.position.hand, told=told))


def _type_of(wanted: PlaceBuy | PlaceSell) -> OrderType:
    if isinstance(wanted, PlaceSell) and wanted.is_market:
        return OrderType.MARKET
    return OrderType.IOC if wanted.is_ioc else OrderType.LIMIT


# --- the rest of its life -------------------------------------------------------------------------


def step(
    cycle: Cycle,
    event: Event,
    filters: SymbolFilters,
    strategy: Strategy,
    settings: Any,
    around: Around,
    now_ms: int,
    *,
    mode: Mode = Mode.ON,
    has_valued: bool = False,
) -> Step:
    """What an event makes of a cycle; the same cycle where it changes nothing. See `hear` for the arguments."""
    heard = hear(cycle, event, mode, now_ms, has_valued)
    if heard is None:
        return Step(cycle)
    if heard.cycle.end is not None:
        return after_its_end(heard, (filters.base_asset, filters.quote_asset))
    heard = as_the_account_says(heard, filters)
    return follow(heard, think(heard, filters, strategy, settings), filters, around, now_ms)


def after_its_end(heard: Heard, assets: ending.Assets) -> Step:
    """What comes to light then still counts. What shows late is to be cancelled, too: see `Heard.is_late`."""
    cycle = heard.cycle
    assert cycle.end is not None
    end, note = ending.recount(cycle.end, cycle.position, assets)
    unvalued = to_be_valued(cycle.position.orders, assets)
    action = ValueFees(unvalued, can_wait=True) if unvalued else None
    return Step(replace(cycle, end=end), action, () if note is None else (note,), makes_room=heard.makes_room)


def not_placed(
    cycle: Cycle,
    report: OrderReport,
    now_ms: int,
    *,
    replaces: str = "",
    wait: timedelta | None = None,
    denial: Denial | None = None,
) -> Step:
    """Nothing rests on the exchange of an order that was to be sent: the cycle tries again after a wait, or when the
    gate opens. `report` says so; `replaces`: whose place it was to take, and which rests on.
    """
    orders = tuple(
        fold(order, report)
        if order.client_order_id == report.client_order_id
        else replace(order, cancel_reason="")
        if replaces and order.client_order_id == replaces and order.status.is_open
        else order
        for order in cycle.position.orders
    )
    cycle = replace(cycle, position=replace(cycle.position, orders=_traded(orders)))
    notes: tuple[Note, ...] = ()
    if denial is None:
        waits = waiting.fail(cycle.waits, report.reason, now_ms, cycle.spread_ms, wait)
    else:
        waits, note = waiting.deny(cycle.waits, denial, now_ms, cycle.spread_ms)
        notes = (note,)
    return Step(replace(cycle, waits=waits), notes=notes, makes_room=report.side == Side.BUY)
