"""The Celery tasks: each takes ids, fetches, calls one function, and may run twice and late."""

import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import redis
from celery import Task, current_app, shared_task
from celery.signals import worker_ready
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project import shared_clock, watchdog
from hedgehog_project.database.errors import passes
from hedgehog_project.queues import ENTRIES, EXITS, REPORTS, drop_stale
from hedgehog_project.redis import connect, take
from hedgehog_project.venues import Venue, market_of, rests
from streamer.topics import last_trade
from trading import leader
from trading.archive import runs as archive_runs
from trading.archive.files import ArchiveError
from trading.books import equity, transfers
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Cause, Kind, Source
from trading.dispatch import acknowledge, deliveries
from trading.exchange import remote
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.exchange.replies import from_execution_report, own_id
from trading.identity import runs
from trading.models import Order, Trader
from trading.models.journal import write
from trading.one_by_one import each
from trading.reconciliation.reconcile import alone, venues_in_use
from trading.reconciliation.reconcile import reconcile as compare_books
from trading.risk import balances
from trading.strategies import registry, time_limit
from trading.symbols import refreshing
from trading.task_base import BaseTask, queue_of, waited_s
from trading.traders import acting
from trading.waking import enqueue

log = logging.getLogger(__name__)

# A report that could not be booked so many times never will be; they are three seconds apart.
GIVE_UP_AFTER = 5
# What asks about every symbol waits for the exchange's limits again and again.
LONG_S = 900.0
FILL_EVERY_S = 0.5
# An entry whose task has waited for longer looks at the newest trade instead.
LATE_S = 5.0
# What a piece of the nightly archive may take: a worker's thread is free again soon, and so is a killed one's task.
PIECE_S = 10.0

watchdog.also(watchdog.Check(time_limit.does_not_end, time_limit.rest_after))


@shared_task(bind=True, base=BaseTask)
def wake(self: Task[Any, Any], trader: int, symbol: str, trade: dict[str, Any]) -> None:
    """A trade reached the trader's trigger."""
    # How old it was when the task was queued, and how long that is ago: no clock is compared with the exchange's.
    age_s = trade["age_s"] + waited_s(self)
    event = TradeSeen(symbol, trade["trade_id"], Decimal(trade["price"]), trade["at_ms"], age_s)
    # A stop that was reached is carried out however late; who has time shall not go by a price of long ago.
    if waited_s(self) > LATE_S and queue_of(self) != EXITS:
        event = _newest(trader, event)
    _let_act(trader, lambda: acting.wake(trader, event, exchange_at, _id(self)), _id(self))


@shared_task(bind=True, base=BaseTask)
def nudge(
    self: Task[Any, Any], trader: int, symbol: str, why: str, is_urgent: bool = False, source: str = Source.LEADER
) -> None:
    """The leader, or a person, wants the trader to look again."""
    event = Recheck(why, is_urgent, Source(source))
    _let_act(trader, lambda: acting.wake(trader, event, exchange_at, _id(self)), _id(self))


@shared_task(bind=True, base=BaseTask)
def report(
    self: Task[Any, Any], trader: int | None, symbol: str, venue: str, entry: str, data: dict[str, Any]
) -> None:
    """The exchange reported something of an order of ours."""
    if rests(venue):
        return  # Not acknowledged: it is handed on again once the mock exchange runs that world.
    try:
        has_ended = acting.hear(from_execution_report(data), Source.REPORT, exchange_at, _id(self), Venue(venue))
    except Exception as error:
        if passes(error):
            raise
        # By its row: an adopted order's name tells a trader of another database.
        whose = Order.objects.filter(client_order_id=own_id(data)).values_list("trader_id", flat=True).first()
        _note_failure(whose, error, _id(self))
        if deliveries(connect(), venue, entry) < GIVE_UP_AFTER:
            raise
        # It will never be booked. What it told is asked for instead.
        log.exception("execution report dropped after repeated failures: venue=%s entry=%s", venue, entry)
        _ask_instead(own_id(data), trader, symbol)
        has_ended = False
    acknowledge(connect(), venue, entry)
    if has_ended:
        _fill_slots()


@shared_task(base=BaseTask)
def transfer(venue: str, entry: str, data: dict[str, Any]) -> None:
    """The exchange told of a deposit, a withdrawal or another transfer."""
    try:
        is_news = transfers.record_event(Venue(venue), data)
    except (KeyError, ValueError, ArithmeticError) as error:
        # The balances will show it.
        log.error("unreadable transfer skipped: venue=%s error=%r data=%.300s", venue, error, data)
        is_news = False
    acknowledge(connect(), venue, entry)
    if is_news:
        enqueue.refresh_balances_once(venue)


@shared_task(bind=True, base=BaseTask)
def ask(self: Task[Any, Any], trader: int, symbol: str, order: int) -> None:
    """An order of ours has been unclear for too long."""
    _let_act(trader, lambda: acting.ask(order, exchange_at, _id(self)), _id(self), is_asked_again=True)


@shared_task(bind=True, base=BaseTask)
def cancel(self: Task[Any, Any], trader: int, symbol: str, order: int) -> None:
    """An order of ours is to be cancelled."""
    _let_act(trader, lambda: acting.cancel(order, exchange_at, _id(self)), _id(self), is_asked_again=True)


@shared_task(bind=True, base=BaseTask, takes_s=LONG_S)
def reconcile(self: Task[Any, Any], venue: str, entry: str | None = None) -> None:
    """The books shall be compared with the exchange's; `entry` is the "connected" that asked for it."""
    if _reconcile(Venue(venue), _id(self)) and entry:
        acknowledge(connect(), venue, entry)


# Without events: one a second would leave no room in Flower for any other task.
@shared_task(base=BaseTask, is_enqueued_again=False, takes_s=30.0, send_events=False)
def lead() -> None:
    """Every second: what is missing, stuck or forgotten. However late it comes: beat lets no second one wait."""
    client = connect()
    for name in (EXITS, REPORTS, ENTRIES):
        drop_stale(client, name, shared_clock.now())
    leader.lead()


@shared_task(bind=True, base=BaseTask, of_use_s=50, is_enqueued_again=False, takes_s=LONG_S)
def reconcile_all(self: Task[Any, Any]) -> None:
    """Every minute: whatever report was lost is learnt here."""
    each(venues_in_use(), lambda venue: _reconcile(venue, _id(self)))


@shared_task(base=BaseTask, of_use_s=50, is_enqueued_again=False, takes_s=LONG_S)
def record_equity() -> None:
    """Every minute: what trading has brought so far; an hour keeps its last."""
    each(venues_in_use(), equity.record)


@shared_task(base=BaseTask, is_enqueued_again=False)
def archive() -> None:
    """Every night, piece by piece: each queues the next one. One that is lost goes on in the next night."""
    until, rows = time.monotonic() + PIECE_S, 0
    try:
        rows = sum(done.rows for done in archive_runs.run(timezone.now(), until))
    except archive_runs.Busy as error:
        log.info("no archiving now: %s", error)
    except ArchiveError as error:
        log.error("%s", error)
    else:
        if time.monotonic() >= until:
            enqueue.archive()
    if rows:
        log.info("archived or deleted: rows=%d", rows)


@shared_task(base=BaseTask, of_use_s=30, is_enqueued_again=False, takes_s=LONG_S)
def refresh_listings() -> None:
    """Every five seconds for symbols that are new, every ten minutes for each that is known."""
    refreshing.follow_the_switch()
    refreshing.refresh_listings(exchange_at)


@shared_task(base=BaseTask)
def refresh_listing(symbol: str, venue: str) -> None:
    """An order was refused by a filter: the symbol's listing is out of date."""
    refreshing.refresh_listing(symbol, Venue(venue), exchange_at)


@shared_task(base=BaseTask, is_enqueued_again=False)
def ask_exchange(venue: str, method: str, args: list[Any], kwargs: dict[str, Any], reply_to: str) -> None:
    """A process without keys, which waits for the reply, wants to know something of an exchange."""
    remote.serve(venue, method, args, kwargs, reply_to, exchange_at)


@shared_task(base=BaseTask)
def refresh_balances(venue: str) -> None:
    """A limit or a budget wants to know what is free now."""
    try:
        balances.refresh(Venue(venue), exchange_at(Venue(venue)))
    except ExchangeError as error:
        # Whoever wants to know asks again.
        log.warning("balances not refreshed: venue=%s error=%s", venue, error)


def _newest(trader_id: int, event: TradeSeen) -> TradeSeen:
    """The newest trade of a trader's symbol, where there is one after this."""
    venue = Trader.objects.filter(pk=trader_id).values_list("venue", flat=True).first()
    try:
        trade = last_trade(connect(), market_of(Venue(venue)), event.symbol) if venue else None
    except redis.RedisError:
        return event
    if trade is None or trade.age_s >= event.age_s:
        return event
    return TradeSeen(event.symbol, trade.trade_id, Decimal(trade.price), trade.event_ms, trade.age_s)


def _ask_instead(client_order_id: str, trader: int | None, symbol: str) -> None:
    row = Order.objects.select_related("trader").filter(client_order_id=client_order_id).first()
    if row is None or trader is None:
        return  # Nobody's here: reconciliation tells what it is.
    text = "the exchange is queried instead"
    write(row.trader, Cause(Source.REPORT), Kind.NOT_BOOKED, "report dropped", text, row)
    enqueue.ask(row.pk, row.trader_id, symbol)


@worker_ready.connect
def _compare_at_once(**_: Any) -> None:
    """Whatever happened while no worker was up is learnt when one begins."""
    try:
        current_app.send_task("trading.tasks.reconcile_all", retry=False)
    except OperationalError as error:
        log.warning("reconciliation runs within a minute, not now: %s", error)


@worker_ready.connect
def _tell_of_strategies(**_: Any) -> None:
    """A worker runs the system checks and shows nothing of them."""
    registry.log_problems()


def _let_act(trader_id: int, act: Callable[[], bool], task_id: str, is_asked_again: bool = False) -> None:
    """`act` returns whether the leader should run. `is_asked_again`: no response is no news, its sender queues it
    again.
    """
    try:
        needs_leader = act()
    except Exception as error:
        # The trader keeps its state, shows the error, and is tried again after a growing wait.
        _note_failure(trader_id, error, task_id)
        if is_asked_again and isinstance(error, ExchangeError):
            return
        raise
    if needs_leader:
        _fill_slots()


def _fill_slots() -> None:
    """Once for many cycles that end at a time: what gets out must not wait for it. Beat does it each second."""
    try:
        if take(connect(), "slots:filled", FILL_EVERY_S) is None:
            return
    except redis.RedisError:
        pass
    leader.fill_slots_when_quiet()


def _note_failure(trader_id: int | None, error: Exception, task_id: str) -> None:
    """Shows it on the trader. A database that is busy is nobody's failure: see task_base.py."""
    if trader_id is not None and not passes(error):
        acting.note_failure(trader_id, error, task_id)


def _reconcile(venue: Venue, task_id: str) -> bool:
    """Whether the books could be compared."""
    if rests(venue):
        return False
    # Also where the leader's tasks wait: what is placed from now on is placed while this installation runs.
    runs.beat()
    with alone(venue) as is_alone:
        return is_alone and not compare_books(venue, exchange_at, task_id).stopped


def _id(task: Task[Any, Any]) -> str:
    return task.request.id or ""
