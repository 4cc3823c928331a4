"""The standby: while Redis carries no tasks, what can't wait is done in this process, by the same functions.

Redis that is away, full or read-only takes no tasks and no prices: the database still says what is due, and the
exchange what a symbol costs. So exits go on, unclear orders are asked about, and orders are cancelled. Nothing is
bought. Once Redis is well again this goes on until a leader has led: a worker may need a moment longer.

Two of them, or one beside a worker, do no harm: traders are locked, and orders are asked about twice at most.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import redis
from celery import current_app
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project import progress, redis_health
from hedgehog_project.progress import running
from hedgehog_project.redis_health import Health
from hedgehog_project.venues import Venue
from streamer.topics import TradeEvent
from trading import leader, tasks
from trading.core.money import plain
from trading.exchange.errors import ExchangeError
from trading.exchange.protocol import ExchangeAt
from trading.reconciliation.reconcile import venues_in_use
from trading.risk import kill_switch
from trading.task_base import BaseTask
from trading.waking import enqueue

log = logging.getLogger(__name__)

EVERY_S = 1.0
# Prices that were asked for are as good for so long.
PRICES_KEPT_S = 0.9
RECONCILE_EVERY_S = 60.0
# Tasks that run side by side; each mainly waits for the exchange.
THREADS = 16
# No more than these wait for a thread: the next beat queues the others again.
MAX_UNDER_WAY = 500
# One look that Redis does not answer may be a moment's; a refusal is none.
LOOKS_UNTIL_AWAY = 2
# Redis is well again, and no leader has led for so long: something else is wrong, which is not this one's to repair.
HANDS_BACK_WITHIN_S = 60.0
# The module of the tasks, by whose names they are queued.
TASKS = tasks.__name__

Key = tuple[str, Any]


class Standby:
    """One loop; `step` is to be called about each second."""

    def __init__(self, client: "redis.Redis", exchange_at: ExchangeAt) -> None:
        self._client = client
        self._prices = _Prices(exchange_at)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="standby")
        self._under_way: dict[Key, Future[None]] = {}
        self._away_looks = 0
        self._well_since: float | None = None
        self._reconcile_at = 0.0
        self.is_acting = False

    def step(self) -> None:
        """Looks, and acts where it has to. Raises Django's database errors."""
        kill_switch.keep_request()
        health = redis_health.look(self._client)
        self._away_looks = self._away_looks + 1 if health.away else 0
        if health.refuses or self._away_looks >= LOOKS_UNTIL_AWAY:
            self._well_since = None
            self._take_over(health)
        elif self.is_acting and health.is_well:
            self._hand_back_if_led()
        if self.is_acting:
            self._act()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Lets what is under way end, for a moment."""
        enqueue.answer_here(None)
        self._pool.shutdown(wait=False, cancel_futures=True)
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up and any(not each.done() for each in self._under_way.values()):
            time.sleep(0.05)

    def _take_over(self, health: Health) -> None:
        if not self.is_acting:
            log.warning("%s: positions can still exit, the standby queries and cancels orders", health.text)
            enqueue.answer_here(self._answer)
            self._reconcile_at = time.monotonic() + EVERY_S
        self.is_acting = True

    def _hand_back_if_led(self) -> None:
        """Lets the workers go on, once somebody has led since Redis is well."""
        now = time.monotonic()
        try:
            if self._well_since is None:
                progress.forget(self._client, progress.LED)
                self._well_since = now
                return
            has_led = progress.age_s(self._client, progress.LED) is not None
            if has_led or now > self._well_since + HANDS_BACK_WITHIN_S:
                self._hand_back()
        except (redis.RedisError, OperationalError) as error:
            log.warning("Redis is not ready yet: %s", error)

    def _hand_back(self) -> None:
        # Copies of triggers that Redis did not take, and reports that it did not carry.
        count = leader.rebuild_triggers(self._client)
        enqueue.answer_here(None)
        self.is_acting = False
        log.warning("Redis is up again: workers continue, triggers rebuilt: traders=%s", count)
        for venue in venues_in_use():
            enqueue.reconcile(venue)

    def _act(self) -> None:
        self._under_way = {key: each for key, each in self._under_way.items() if not each.done()}
        self._submit(("beat", None), partial(leader.stand_in, timezone.now(), self._prices.last_trades))
        if time.monotonic() >= self._reconcile_at:
            self._reconcile_at = time.monotonic() + RECONCILE_EVERY_S
            self._answer(f"{TASKS}.reconcile_all", {})

    def _answer(self, task: str, kwargs: dict[str, Any]) -> None:
        """Runs a task in a thread of this process; not twice at a time for the same trader, order or venue."""
        whom = kwargs.get("order") or kwargs.get("trader") or kwargs.get("venue")
        self._submit((task, whom), partial(current_app.tasks[task], **kwargs))

    def _submit(self, key: Key, do: Callable[[], object]) -> None:
        if key not in self._under_way and len(self._under_way) < MAX_UNDER_WAY:
            self._under_way[key] = self._pool.submit(_run, key, do)


def _run(key: Key, do: Callable[[], object]) -> None:
    """What a worker does for a task: what it raises was shown on the trader, and it is queued again."""
    close_old_connections()
    try:
        task = key[0]
        with running.task(task, takes_s(task)):
            do()
    except (ExchangeError, DatabaseError, redis.RedisError) as error:
        log.warning("%s of %s failed: %s", *key, error)
        if isinstance(error, DatabaseError):
            connection.close()
    except Exception:
        log.exception("%s of %s failed", *key)


def takes_s(task: str) -> float:
    """After which time it is stuck."""
    return float(getattr(current_app.tasks.get(task), "takes_s", BaseTask.takes_s))


class _Prices:
    """What symbols cost by the exchange itself."""

    def __init__(self, exchange_at: ExchangeAt) -> None:
        self._exchange_at = exchange_at
        self._told: dict[Venue, tuple[float, dict[str, TradeEvent]]] = {}

    def last_trades(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[list[Venue], str, TradeEvent]]:
        """In the place of the topics' newest trades, one price for each of these (venue, symbol)."""
        wanted: dict[Venue, set[str]] = {}
        for venue, name in pairs:
            wanted.setdefault(Venue(venue), set()).add(name)
        for venue, names in wanted.items():
            for name, trade in self._ask(venue, names).items():
                yield [venue], name, trade

    def _ask(self, venue: Venue, names: set[str]) -> dict[str, TradeEvent]:
        asked_at, told = self._told.get(venue, (0.0, {}))
        now = time.monotonic()
        if now > asked_at + PRICES_KEPT_S or not names <= told.keys():
            try:
                found = self._exchange_at(venue).prices(names | told.keys())
            except ExchangeError as error:
                log.warning("prices unknown: venue=%s error=%s", venue, error)
                return {}
            # A price that is asked for is at least as new as the question.
            told = {name: _trade(name, price) for name, price in found.items()}
            self._told[venue] = (now, told)
        return {name: told[name] for name in sorted(names) if name in told}


def _trade(name: str, price: Decimal) -> TradeEvent:
    at_ms = round(time.time() * 1000)
    return TradeEvent(name, 0, plain(price), "0", at_ms, at_ms, False)
