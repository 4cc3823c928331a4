"""The leader: makes the wanted traders exist, and queues a check for each that was forgotten.

It runs every second, and at once when a cycle has ended that none follows by itself. Two leaders at once are
harmless: constraints, not luck.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Min, Q, QuerySet
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.progress import LED, note
from hedgehog_project.queues import ENTRIES, EXITS
from hedgehog_project.redis import connect, take
from hedgehog_project.venues import Venue, market_of, mock_world, running
from streamer.topics import TradeEvent, last_trades
from trading import set_clocks
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, Side
from trading.core.position import TraderState
from trading.identity import runs
from trading.models import Order, Switch, Symbol, Trader, TradingSettings
from trading.models.choices import of_running
from trading.models.orders import RESTING
from trading.models.symbols import TradingStatus
from trading.one_by_one import each
from trading.reconciliation.reconcile import venues_in_use
from trading.risk import drawdown, kill_switch
from trading.symbols import turning
from trading.traders import cycle_end, next_cycle, slots
from trading.traders.rows import copy, trigger_for
from trading.waking import enqueue, triggers

log = logging.getLogger(__name__)

# An answer takes this long at most where all is well; later the order is asked about, and again at this pace.
STUCK_AFTER = timedelta(seconds=2)
# A task that was not processed for so long is queued again.
UNHEARD_S = 3.0
PRUNED_EVERY_S = 60
# So many traders are named in one query: databases take some ten thousand values.
IN_ONE_QUERY = 1_000
UNHEARD = timedelta(seconds=UNHEARD_S)

# The reason of a check of a trader whose time has come.
DUE = "retry is due"


def lead(now: datetime | None = None) -> None:
    """One beat. One duty that fails keeps none of the others from being done.

    Raises redis.RedisError and Django's database errors once all were tried: the next beat tries again.
    """
    now = now or timezone.now()
    duties: tuple[Callable[[datetime], object], ...] = (
        set_clocks.mend,
        runs.beat,
        # What needs no Redis comes first.
        lambda now: kill_switch.keep_request(),
        drawdown.watch,
        lambda now: fill_slots_when_quiet(),
        lambda now: watch_triggers(),
        _enqueue_whoever_waits,
        lambda now: prune_triggers(),
    )
    each(duties, lambda duty: duty(now))
    note(connect(), LED)


def _enqueue_whoever_waits(now: datetime) -> None:
    client = connect()
    # Nothing is queued again while its task may still wait: that would only make it longer. Each queue has its own
    # workers.
    behind = {queue for queue in (EXITS, ENTRIES) if enqueue.is_behind(client, queue)}
    asks = (ask_about_stuck_orders, ask_about_passed_orders, cancel_unwanted)
    each(
        (
            *(asks if EXITS not in behind else ()),
            lambda now: recheck_due(now, behind),
            lambda now: enqueue_again(behind),
            lambda now: rearm_sleepers(now, behind),
        ),
        lambda duty: duty(now),
    )


def _live(world: str = "") -> QuerySet[Trader]:
    """The traders whose cycle is running, but for those of worlds that rest."""
    return Trader.objects.filter(of_running(world), finished_at__isnull=True)


# The ids of an order, its trader and its symbol.
OrderRow = tuple[int, int, int]
LastTrades = Callable[[Iterable[tuple[str, str]]], Iterator[tuple[list[Venue], str, TradeEvent]]]


def stand_in(now: datetime, prices: LastTrades) -> None:
    """What can't wait where Redis carries no task and no price: one beat for traders with a position.

    The caller runs the tasks that it queues (standby.py). No trader without a position is woken: nothing is bought.
    What is turned off ends all the same.
    """
    set_clocks.mend(now)
    drawdown.watch(now)
    _retire_unwanted(Switch.current())
    turning.end_shutdowns()
    cancel_unwanted(now)
    ask_about_stuck_orders(now)
    ask_about_passed_orders(now, prices)
    wake_crossed(Trader.objects.filter(of_running(), armed_at__isnull=False), prices)
    for pk, symbol, holds in _due(now, _live().filter(holds=True)):
        _recheck(pk, symbol, holds, DUE)


def wake_crossed(waiting: QuerySet[Trader], prices: LastTrades) -> set[int]:
    """Wakes, as dispatch would, each trader with a position whose trigger the market has reached; returns which.

    Whoever gets out must not wait for another trade: in a quiet market it comes in an hour.
    """
    woken = set[int]()
    for trade, crossed in _crossed(waiting.filter(holds=True, finished_at__isnull=True), prices):
        woken |= _wake(trade, list(crossed.values_list("pk", flat=True)))
    return woken


def _wake(trade: TradeEvent, holders: Sequence[int]) -> set[int]:
    event = TradeSeen(trade.symbol, trade.trade_id, Decimal(trade.price), trade.event_ms, trade.age_s)
    for pk in holders:
        enqueue.wake(pk, trade.symbol, event, EXITS)
    return set(holders)


def _crossed(waiting: QuerySet[Trader], prices: LastTrades) -> Iterator[tuple[TradeEvent, QuerySet[Trader]]]:
    """The newest trade of each symbol, with those of them one of whose triggers it has reached."""
    return _crossed_of(waiting, _places(waiting), prices)


def _places(waiting: QuerySet[Trader]) -> "QuerySet[Trader, Any]":
    """Where they wait, with the nearest trigger on each side."""
    return waiting.order_by().values_list("venue", "symbol__name").annotate(Max("wake_below"), Min("wake_above"))


def _crossed_of(
    waiting: QuerySet[Trader], places: Iterable[Any], prices: LastTrades
) -> Iterator[tuple[TradeEvent, QuerySet[Trader]]]:
    nearest = {(venue, name): each for venue, name, *each in places}
    for venues, name, trade, price in _reached(nearest, prices):
        is_crossed = Q(wake_below__gte=price) | Q(wake_above__lte=price)
        yield trade, waiting.filter(is_crossed, venue__in=venues, symbol__name=name)


def _reached(
    nearest: Mapping[tuple[str, str], Sequence[Decimal | None]], prices: LastTrades
) -> Iterator[tuple[list[Venue], str, TradeEvent, Decimal]]:
    """The newest trade of each symbol whose price has come to the nearest of what waits below or above it.

    `nearest`: by venue and symbol the highest price below, and the lowest above.
    """
    for venues, name, trade in prices(sorted(nearest)):
        price = Decimal(trade.price)
        here = [nearest[venue, name] for venue in venues if (venue, name) in nearest]
        if any(
            (below is not None and price <= below) or (above is not None and price >= above) for below, above in here
        ):
            yield venues, name, trade, price


def fill_slots_when_quiet() -> int:
    """As fill_slots, but not while stops wait for their turn: new traders would take the CPU from them."""
    try:
        if enqueue.do_exits_wait(connect()):
            return 0
    except redis.RedisError:
        pass  # Slots are filled without Redis as well.
    return fill_slots()


def fill_slots() -> int:
    """Makes the missing traders of every symbol that is on, in its open slots; how many were made."""
    venue = Switch.current()
    _retire_unwanted(venue)
    turning.end_shutdowns()
    slots.close_unwanted(venue)
    slots.open_requested_slots(venue)
    return sum(_spawn(settings, venue, slot) for settings, slot in slots.empty_slots(venue))


def _spawn(settings: TradingSettings, venue: Venue, slot: int) -> bool:
    try:
        with transaction.atomic():
            trader = next_cycle.begin(settings, venue, slot)
    except IntegrityError:
        return False  # Another leader was quicker: the slot has its trader.
    if trader is None:
        return False
    # Redis may miss it: the leader arms it anew. The other slots shall have their traders.
    copy(trigger_for(trader))
    return True


_UNWANTED_TRADERS: Compiled[int] = Compiled(
    lambda venue, world: (
        _live(world)
        .filter(state=TraderState.WAITING)
        .filter(
            ~Q(venue=venue)
            | ~Q(symbol__settings__status=TradingStatus.ON)
            | Q(slot__gt=F("symbol__settings__max_slots"))
        )
        .values_list("pk", flat=True)
    ),
    str,
    str,
)


def _retire_unwanted(venue: Venue) -> None:
    """Ends traders that never ordered, where their symbol is off, their slot is gone or the switch was turned."""
    # Usually none: who of them has an open order is asked only then.
    for trader_id in _UNWANTED_TRADERS(venue.value, mock_world().value):
        if not Order.objects.filter(trader=trader_id, status__is_open=True).exists():
            cycle_end.retire(trader_id, "its slot was closed")


def _of_orders(rows: QuerySet[Order], late: datetime) -> "QuerySet[Order, OrderRow]":
    """Those that nobody has asked about since then: of each its row, its trader and its symbol.

    In no order and without a join: SQLite would read all orders of a symbol instead of the index of open ones.
    """
    return rows.filter(_unasked(late)).order_by().values_list("pk", "trader_id", "symbol_id")


def _unasked(late: datetime) -> Q:
    return Q(asked_at=None) | Q(asked_at__lt=late)


def _stuck(late: datetime, world: str = "") -> QuerySet[Order]:
    is_unclear = Q(status=OrderStatus.SUBMITTING, submitted_at__lt=late) | Q(not_found_at__isnull=False)
    return Order.objects.filter(is_unclear, of_running(world), status__is_open=True)


_STUCK = Compiled(lambda late, world: _of_orders(_stuck(late, world), late), datetime, str)
# By whether a halt wants the buys back.
_UNWANTED_ORDERS = {
    with_buys: Compiled(
        lambda late, world, with_buys=with_buys: _of_orders(kill_switch.unwanted(with_buys, world), late),
        datetime,
        str,
    )
    for with_buys in (False, True)
}


def ask_about_stuck_orders(now: datetime) -> None:
    """Has the exchange asked about every order that is SUBMITTING for too long, or that it says it does not have."""
    for order in _to_enqueue(_STUCK(now - STUCK_AFTER, mock_world().value)):
        enqueue.ask(*order)


def _resting(late: datetime, world: str = "") -> QuerySet[Order]:
    return Order.objects.filter(RESTING, of_running(world), submitted_at__lt=late).filter(_unasked(late))


# Where orders rest, with the highest buy and the lowest sell.
_PLACES_OF_RESTING: Compiled[Any] = Compiled(
    lambda late, world: (
        _resting(late, world)
        .order_by()
        .values_list("venue", "symbol_id")
        .annotate(bid=Max("price", filter=Q(side=Side.BUY)), ask=Min("price", filter=Q(side=Side.SELL)))
    ),
    datetime,
    str,
)


def ask_about_passed_orders(now: datetime, last_trades: LastTrades | None = None) -> None:
    """Has the exchange asked about open orders that the market has traded through: their report may be missing.

    Reconciliation would find them as well, but only each minute.
    """
    late = now - UNHEARD
    resting, places = _resting(late), _PLACES_OF_RESTING(late, mock_world().value)
    names = _names({symbol_id for _, symbol_id, *_ in places})
    best = {(venue, names[symbol_id]): each for venue, symbol_id, *each in places}
    for venues, name, trade, price in _reached(best, last_trades or _last_trades):
        passed = Q(side=Side.BUY, price__gt=price) | Q(side=Side.SELL, price__lt=price)
        since = _made_at(trade)
        for order in resting.filter(passed, venue__in=venues, symbol__name=name, submitted_at__lt=since):
            enqueue.ask(order.pk, order.trader_id, name)


def cancel_unwanted(now: datetime) -> None:
    """Has each open order cancelled that its trader, a halt or a symbol's turning off no longer wants."""
    unwanted = _UNWANTED_ORDERS[kill_switch.wants_buys_back()]
    for order in _to_enqueue(unwanted(now - STUCK_AFTER, mock_world().value)):
        enqueue.cancel(*order)


def _to_enqueue(rows: Sequence[OrderRow]) -> Iterator[tuple[int, int, str]]:
    """What a task for each order is called with: its row, its trader, its symbol."""
    names = _names({symbol_id for _, _, symbol_id in rows})
    return ((pk, trader_id, names[symbol_id]) for pk, trader_id, symbol_id in rows)


def _names(symbols: Collection[int]) -> dict[int, str]:
    return dict(Symbol.objects.filter(pk__in=symbols).values_list("pk", "name")) if symbols else {}


def recheck_due(now: datetime, behind: Collection[str] = ()) -> None:
    """Queues a check for traders whose retry is due, and for those that nothing else would ever wake.

    Those whose queue is among `behind` wait until its workers have caught up.
    """
    for pk, symbol, holds in _DUE(now, mock_world().value):
        _recheck(pk, symbol, holds, DUE, behind)


def _due(now: datetime, live: QuerySet[Trader]) -> "QuerySet[Trader, tuple[int, str, bool]]":
    due = live.filter(retry_at__lte=now)
    # Neither trigger, nor clock, nor open order: a process died at the wrong moment.
    forgotten = live.filter(retry_at=None, wake_below=None, wake_above=None).exclude(orders__status__is_open=True)
    return (due | forgotten).distinct().values_list("pk", "symbol__name", "holds")


_DUE: Compiled[tuple[int, str, bool]] = Compiled(lambda now, world: _due(now, _live(world)), datetime, str)


def watch_triggers() -> None:
    """Rebuilds the triggers where Redis lost them, and has the books compared: reports may be lost with them."""
    client = connect()
    if not triggers.is_built(client, mock_world()):
        log.warning("triggers rebuilt from the database: traders=%s", rebuild_triggers(client))
        for venue in venues_in_use():
            enqueue.reconcile(venue)


def enqueue_again(behind: Collection[str] = ()) -> None:
    """Queues a check for traders whose last task was not processed; those whose queue is among `behind` later."""
    client = connect()
    unheard = triggers.fired_before(client, UNHEARD_S)
    # A fall of the market may fire those of all traders at once, and a query takes only so many values.
    for start in range(0, len(unheard), IN_ONE_QUERY):
        _enqueue_again(client, unheard[start : start + IN_ONE_QUERY], behind)


def _enqueue_again(client: "redis.Redis", unheard: Sequence[int], behind: Collection[str]) -> None:
    live = _live().filter(pk__in=unheard)
    woken = set() if EXITS in behind else wake_crossed(live, _last_trades)
    gone = set(unheard)
    for pk, symbol, holds in live.values_list("pk", "symbol__name", "holds"):
        gone.discard(pk)
        if pk not in woken and _recheck(pk, symbol, holds, "its last task was not processed", behind):
            woken.add(pk)
    triggers.fired_now(client, woken)
    if gone:
        triggers.drop(client, gone)


def _recheck(pk: int, symbol: str, holds: bool, why: str, behind: Collection[str] = ()) -> bool:
    queue = enqueue.queue_of(holds)
    if queue in behind:
        return False
    enqueue.nudge(pk, symbol, why, queue=queue)
    return True


def _asleep(late: datetime, world: str = "") -> QuerySet[Trader]:
    return _live(world).filter(armed_at__lt=late)


_PLACES_OF_SLEEPERS: Compiled[Any] = Compiled(lambda late, world: _places(_asleep(late, world)), datetime, str)


def rearm_sleepers(now: datetime, behind: Collection[str] = ()) -> int:
    """Arms traders anew whose trigger the market has crossed without waking them: Redis lost it. How many.

    Those that hold something are woken at once, also where the market had crossed it before they were armed.
    """
    client = connect()
    late = now - UNHEARD
    woken, count = set[int](), 0
    for trade, crossed in _crossed_of(_asleep(late), _PLACES_OF_SLEEPERS(late, mock_world().value), _last_trades):
        if EXITS not in behind:
            holders = list(crossed.filter(holds=True).values_list("pk", flat=True))
            fired = triggers.fired(client, holders)
            woken |= _wake(trade, [pk for pk in holders if pk not in fired])
        since = _made_at(trade) - UNHEARD
        asleep = list(crossed.filter(holds=False, armed_at__lt=since).select_related("symbol"))
        # Who fired was woken: armed anew, the next trade would queue another task beside the one that waits.
        fired = triggers.fired(client, [trader.pk for trader in asleep])
        for trader in asleep:
            if trader.pk in fired:
                continue
            if not triggers.set_trigger(client, trigger_for(trader)):
                _overrule(client, trader.pk)
            count += 1
    triggers.fired_now(client, woken)
    return count


def _overrule(client: "redis.Redis", trader_id: int) -> None:
    """Redis remembers a later version, or an end: of the database before it was restored or made anew, unless the row
    says the same by now. Where the trader is just being woken instead, it is woken once for nothing.
    """
    was_seen = triggers.seen(client, trader_id)
    trader = Trader.objects.filter(pk=trader_id, finished_at=None).select_related("symbol").first()
    if trader is not None:
        triggers.overrule(client, trigger_for(trader), was_seen)


def prune_triggers() -> int:
    """Each minute: takes out of Redis whatever belongs to no live trader of a world that runs; of how many."""
    client = connect()
    if not take(client, "triggers:pruned", PRUNED_EVERY_S):
        return 0
    count = triggers.prune(client, lambda: set(_live().values_list("pk", flat=True)))
    if count:
        log.info("triggers of ended traders removed: traders=%s", count)
    return count


def _last_trades(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[list[Venue], str, TradeEvent]]:
    """The newest trade of each of these (venue, symbol), with the venues that look at that market."""
    wanted = set(pairs)
    for market in sorted({market_of(Venue(venue)) for venue, _ in wanted}):
        venues = [venue for venue in running() if market_of(venue) == market]
        names = sorted({name for venue, name in wanted if venue in venues})
        for name, trade in last_trades(connect(), market, names).items():
            yield venues, name, trade


def _made_at(trade: TradeEvent) -> datetime:
    """When it was made, by the clock that the rows' times are of."""
    return timezone.now() - timedelta(seconds=trade.age_s)


def rebuild_triggers(client: "redis.Redis") -> int:
    """Puts the triggers of all rows back into Redis; how many."""
    world = mock_world()
    triggers.forget_other_worlds(client, world)
    waiting = _live().filter(armed_at__isnull=False).select_related("symbol")
    return triggers.rebuild(client, (trigger_for(trader) for trader in waiting.iterator()), world)
