"""Ringing the tasks by name: dispatch and the leader ring, tasks.py answers. Nobody waits at the door."""

import time
from collections.abc import Callable
from typing import Any

import redis
from celery import current_app

from hedgehog_project.redis import connect
from trading.core.events import TradeSeen
from trading.core.money import plain
from trading.exchange.replies import own_id
from trading.own_orders import trader_of

# A wake that comes later than this has lost its meaning: the trader is rung again.
WAKE_EXPIRES_S = 5
# However many reports of unknown orders come, the books are compared for them once in so long.
ONCE_S = 5

# Celery's list of waiting tasks in Redis, and how many are so many that a bell may just not have had its turn.
QUEUE = "celery"
MANY = 200


def is_queue_long(client: "redis.Redis") -> bool:
    """Whether the workers are behind. Ringing again what waits in the queue would only make it longer."""
    return int(client.llen(QUEUE)) > MANY


def wake(trader_id: int, symbol: str, event: TradeSeen) -> None:
    """Wakes a trader with the trade that it waited for. Raises kombu's OperationalError without a broker."""
    trade = {"trade_id": event.trade_id, "price": plain(event.price), "at_ms": event.at_ms}
    _ring("trading.tasks.wake", {"trader": trader_id, "symbol": symbol, "trade": trade}, WAKE_EXPIRES_S)


def nudge(trader_id: int, symbol: str, why: str, is_urgent: bool = False) -> None:
    """Asks a trader to look again; where it is urgent, also before its next try is due."""
    whose = {"trader": trader_id, "symbol": symbol}
    _ring("trading.tasks.nudge", {**whose, "why": why, "is_urgent": is_urgent}, WAKE_EXPIRES_S)


def ask(order_id: int, trader_id: int, symbol: str) -> None:
    """Has the exchange asked about an order."""
    _ring("trading.tasks.ask", {"trader": trader_id, "symbol": symbol, "order": order_id}, WAKE_EXPIRES_S)


def cancel(order_id: int, trader_id: int, symbol: str) -> None:
    """Has an order taken back."""
    _ring("trading.tasks.cancel", {"trader": trader_id, "symbol": symbol, "order": order_id}, WAKE_EXPIRES_S)


def refresh_listing(symbol: str, venue: str) -> None:
    """Has a venue asked about a symbol whose filters seem to have changed."""
    _ring("trading.tasks.refresh_listing", {"symbol": symbol, "venue": venue}, WAKE_EXPIRES_S)


def report(venue: str, entry_id: str, data: dict[str, Any]) -> None:
    """Hands over an execution report; the task acknowledges its entry."""
    whose = {"trader": trader_of(own_id(data)), "symbol": data.get("s")}
    _ring("trading.tasks.report", {**whose, "venue": venue, "entry": entry_id, "data": data})


def reconcile(venue: str, entry_id: str | None = None) -> None:
    """Has the books compared with the exchange's."""
    _ring("trading.tasks.reconcile", {"venue": venue, "entry": entry_id}, None if entry_id else 60)


def reconcile_once(venue: str) -> None:
    """As reconcile, but not again within ONCE_S: many reports may tell of one unknown order."""
    if _is_first(f"reconcile:rung:{venue}"):
        reconcile(venue)


def refresh_balances_once(venue: str) -> None:
    """Has a venue asked for the account's balances, but not again within ONCE_S."""
    if _is_first(f"balances:rung:{venue}"):
        _ring("trading.tasks.refresh_balances", {"venue": venue}, WAKE_EXPIRES_S)


# Who answers in this process itself, instead of a worker; None: the broker is told.
_instead: Callable[[str, dict[str, Any]], None] | None = None
# What was rung by this process alone, and until when not again, where Redis can't be asked.
_rung_until: dict[str, float] = {}


def answer_here(ring: Callable[[str, dict[str, Any]], None] | None) -> None:
    """From now on hands each bell of this process, a task's name and what it is called with, to `ring`.

    For the standby, while the broker takes none. None: the broker is told again.
    """
    global _instead
    _instead = ring


def _is_first(key: str) -> bool:
    """Whether nobody has rung for this within ONCE_S; where Redis can't be asked, nobody in this process."""
    try:
        return bool(connect().set(key, 1, nx=True, ex=ONCE_S))
    except redis.RedisError:
        now = time.monotonic()
        is_first = now >= _rung_until.get(key, 0.0)
        if is_first:
            _rung_until[key] = now + ONCE_S
        return is_first


def _ring(task: str, kwargs: dict[str, Any], expires_s: float | None = None) -> None:
    if _instead is not None:
        _instead(task, kwargs)
        return
    # A broker that is away is the caller's to wait for, not to be retried here while events queue up behind.
    current_app.send_task(task, kwargs=kwargs, expires=expires_s, retry=False)
