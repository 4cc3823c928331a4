"""Queues tasks by name: dispatch and the leader queue them, tasks.py runs them. Nobody waits for the result.

CELERY_TASK_ROUTES in settings.py says which queue a task goes to by its name; a wake or a nudge that may end in an
exit is sent to EXITS by the caller.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
from celery import current_app

from hedgehog_project import queues, shared_clock
from hedgehog_project.queues import ENTRIES, EXITS, IS_AGAIN, OF_USE_S, STALE_S
from hedgehog_project.redis import connect, take
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.money import plain
from trading.exchange.order_ids import trader_of
from trading.exchange.replies import own_id

# Listings and balances that are wanted for longer are asked for again.
REFRESH_EXPIRES_S = 5
# However many reports of unknown orders come, the books are compared for them once in so long.
ONCE_S = 5

# Characters of a task's arguments that Flower shows.
SHOWN = 1_000

# Where so many tasks wait, or one for so long, another may just not have had its turn.
MANY, BEHIND_S = 200, 2.0


def is_behind(client: "redis.Redis", queue: str = ENTRIES) -> bool:
    """Whether a queue's workers are. Queueing a waiting task again would only make the queue longer."""
    [waiting] = queues.look(client, shared_clock.now(), [queue])
    return waiting.length > MANY or waiting.oldest_s > BEHIND_S


def do_exits_wait(client: "redis.Redis") -> bool:
    """Whether stops wait for a thread; then nothing is begun that can wait. Raises redis.RedisError."""
    return queues.length(client, EXITS) > 0


def queue_of(holds: bool) -> str:
    """The queue of a trader's tasks: one with a position may be about to exit."""
    return EXITS if holds else ENTRIES


def wake(trader_id: int, symbol: str, event: TradeSeen, queue: str = ENTRIES) -> None:
    """Wakes a trader with the trade that it waited for. Raises kombu's OperationalError without a broker."""
    trade = {
        "trade_id": event.trade_id,
        "price": plain(event.price),
        "at_ms": event.at_ms,
        "age_s": round(event.age_s, 3),
    }
    _enqueue("trading.tasks.wake", {"trader": trader_id, "symbol": symbol, "trade": trade}, STALE_S, queue)


def nudge(
    trader_id: int,
    symbol: str,
    why: str,
    is_urgent: bool = False,
    queue: str = ENTRIES,
    source: Source = Source.LEADER,
) -> None:
    """Asks a trader to look again; where it is urgent, also before its next try is due."""
    whose = {"trader": trader_id, "symbol": symbol}
    _enqueue("trading.tasks.nudge", {**whose, "why": why, "is_urgent": is_urgent, "source": source}, STALE_S, queue)


def ask(order_id: int, trader_id: int, symbol: str) -> None:
    """Has the exchange asked about an order."""
    _enqueue("trading.tasks.ask", {"trader": trader_id, "symbol": symbol, "order": order_id}, STALE_S)


def cancel(order_id: int, trader_id: int, symbol: str) -> None:
    """Has an order cancelled."""
    _enqueue("trading.tasks.cancel", {"trader": trader_id, "symbol": symbol, "order": order_id}, STALE_S)


def refresh_listing(symbol: str, venue: str) -> None:
    """Has a venue asked about a symbol whose filters seem to have changed."""
    _enqueue("trading.tasks.refresh_listing", {"symbol": symbol, "venue": venue}, REFRESH_EXPIRES_S)


def report(venue: str, entry_id: str, data: dict[str, Any]) -> None:
    """Hands over an execution report; the task acknowledges its entry."""
    whose = {"trader": trader_of(own_id(data)), "symbol": data.get("s")}
    _enqueue("trading.tasks.report", {**whose, "venue": venue, "entry": entry_id, "data": data})


def transfer(venue: str, entry_id: str, data: dict[str, Any]) -> None:
    """Hands over what came into the account or left it; the task acknowledges its entry."""
    _enqueue("trading.tasks.transfer", {"venue": venue, "entry": entry_id, "data": data})


def reconcile(venue: str, entry_id: str | None = None) -> None:
    """Has the books compared with the exchange's."""
    _enqueue("trading.tasks.reconcile", {"venue": venue, "entry": entry_id}, None if entry_id else 60)


def reconcile_once(venue: str) -> None:
    """As reconcile, but not again within ONCE_S: many reports may tell of one unknown order."""
    if _is_first(f"reconcile:enqueued:{venue}"):
        reconcile(venue)


def refresh_balances_once(venue: str) -> None:
    """Has a venue asked for the account's balances, but not again within ONCE_S."""
    if _is_first(f"balances:enqueued:{venue}"):
        _enqueue("trading.tasks.refresh_balances", {"venue": venue}, REFRESH_EXPIRES_S)


def archive() -> None:
    """Has the next piece of what is too old archived."""
    _enqueue("trading.tasks.archive", {})


# What runs tasks in this process, instead of a worker; None: they go to the broker.
_instead: Callable[[str, dict[str, Any]], None] | None = None
# What this process has queued, and until when not again, where Redis can't be asked.
_enqueued_until: dict[str, float] = {}


def answer_here(run: Callable[[str, dict[str, Any]], None] | None) -> None:
    """From now on gives each task that this process queues, its name and its arguments, to `run`.

    For the standby, while the broker takes none. None: tasks go to the broker again.
    """
    global _instead
    _instead = run


def forget() -> None:
    """What this process has queued does not count any more."""
    _enqueued_until.clear()


def _is_first(key: str) -> bool:
    """Whether nobody has queued this within ONCE_S; where Redis can't be asked, nobody in this process."""
    try:
        return take(connect(), key, ONCE_S) is not None
    except redis.RedisError:
        now = time.monotonic()
        is_first = now >= _enqueued_until.get(key, 0.0)
        if is_first:
            _enqueued_until[key] = now + ONCE_S
        return is_first


def again(task: str, kwargs: dict[str, Any], of_use_s: float | None, queue: str | None) -> None:
    """Queues a task once more that could not run just now."""
    _enqueue(task, kwargs, of_use_s, queue, is_again=True)


def _enqueue(
    task: str,
    kwargs: dict[str, Any],
    of_use_s: float | None = None,
    queue: str | None = None,
    is_again: bool = False,
) -> None:
    if _instead is not None:
        _instead(task, kwargs)
        return
    # Not Celery's own `expires`, which compares the clocks of two hosts: task_base.py looks at it.
    headers: dict[str, Any] = {IS_AGAIN: True} if is_again else {}
    if of_use_s is not None:
        headers[OF_USE_S] = of_use_s
    # A broker that is away is the caller's to wait for, not to be retried here while events queue up behind.
    # What Flower shows of the arguments.
    shown = repr(kwargs)[:SHOWN]
    current_app.send_task(
        task, kwargs=kwargs, headers=headers, retry=False, queue=queue, argsrepr="()", kwargsrepr=shown
    )
