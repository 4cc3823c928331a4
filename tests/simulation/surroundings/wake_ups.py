"""What stands in for Redis and Celery: triggers, tasks and the stream of reports, each of which may be lost.

The functions of trading.waking.triggers keep their promises here on dictionaries; the tasks that are queued are the
real ones.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import redis
from kombu.exceptions import OperationalError

from hedgehog_project import shared_clock
from hedgehog_project.queues import ENQUEUED_AT, ENTRIES
from streamer.topics import TradeEvent
from tests.simulation.surroundings.line import Broken
from tests.simulation.surroundings.standing_by import Refusing
from trading import tasks
from trading.books.booking import is_news
from trading.core.events import TradeSeen
from trading.exchange.errors import ExchangeError
from trading.exchange.replies import from_execution_report, own_id
from trading.identity.names import Names
from trading.models import Order
from trading.waking import enqueue
from trading.waking.triggers import Trigger

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

# A report that nobody acknowledged is taken over by a dispatcher and handed on again.
TAKEN_OVER_AFTER_MS = 4_000


class WakeUps:
    def __init__(self, world: "World") -> None:
        self.world = world
        # By symbol and trader: the prices at or below which, at or above which a trade wakes it.
        self.below: dict[str, dict[int, float]] = {}
        self.above: dict[str, dict[int, float]] = {}
        self.fired_at: dict[int, datetime] = {}
        self.versions: dict[int, int] = {}
        self.ended: set[int] = set()
        self.has_been_built = False
        self.kept_until: dict[str, datetime] = {}
        self.noted: set[str] = set()  # what is told to be getting done
        self._handed_on: Counter[str] = Counter()
        self.last: dict[str, TradeEvent] = {}
        self.refusing = Refusing(world)
        self.gaps: dict[str, datetime] = {}  # by symbol: until when trades of it are missing
        self._entries = count(1)
        self._times_emptied = 0
        self._unacknowledged: dict[str, dict[str, Any]] = {}

    def _write(self) -> None:
        """What each command that writes does first."""
        if self.refusing:
            raise redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

    # --- trading.waking.triggers, in Redis ---------------------------------------------------------------
    def set_trigger(self, client: object, trigger: Trigger) -> bool:
        self.world.point()
        self._write()
        if self.world.chance.strikes("copy_lost"):
            raise redis.ConnectionError("Redis is away")
        if trigger.has_ended:
            self.versions.pop(trigger.trader, None)
            self.ended.add(trigger.trader)
        elif trigger.trader in self.ended or self.versions.get(trigger.trader, 0) > trigger.version:
            return False
        else:
            self.versions[trigger.trader] = trigger.version
        for side, price in ((self.below, trigger.below), (self.above, trigger.above)):
            waiting = side.setdefault(trigger.symbol, {})
            if price is None:
                waiting.pop(trigger.trader, None)
            else:
                waiting[trigger.trader] = float(price)
        self.fired_at.pop(trigger.trader, None)
        return True

    def set_triggers(self, client: object, of_one_symbol: Sequence[Trigger]) -> int:
        return sum(self.set_trigger(client, trigger) for trigger in of_one_symbol)

    def seen(self, client: object, trader: int) -> tuple[int, bool]:
        return self.versions.get(trader, 0), trader in self.ended

    def overrule(self, client: object, trigger: Trigger, was_seen: tuple[int, bool]) -> bool:
        if self.seen(client, trigger.trader) != was_seen:
            return False
        self.versions.pop(trigger.trader, None)
        self.ended.discard(trigger.trader)
        return self.set_trigger(client, trigger)

    def drop(self, client: object, traders: Iterable[int], sets: Iterable[str] = ()) -> None:
        self._write()
        for trader in traders:
            self.ended.add(trader)
            self.fired_at.pop(trader, None)
            self.versions.pop(trader, None)
            for waiting in (*self.below.values(), *self.above.values()) if sets else ():
                waiting.pop(trader, None)

    def prune(self, client: object, live: Callable[[], set[int]]) -> int:
        waiting = {trader for side in (self.below, self.above) for of in side.values() for trader in of}
        gone = (waiting | self.versions.keys() | self.fired_at.keys()) - live()
        self.drop(client, sorted(gone), sets=("all",))
        return len(gone)

    def fired_before(self, client: object, seconds: float) -> list[int]:
        return [trader for trader, at in self.fired_at.items() if (self.world.now - at).total_seconds() > seconds]

    def fired(self, client: object, traders: Iterable[int]) -> set[int]:
        return self.fired_at.keys() & set(traders)

    def fired_now(self, client: object, traders: Iterable[int]) -> None:
        self._write()
        self.fired_at |= dict.fromkeys(sorted(traders), self.world.now)

    def forget_other_worlds(self, client: object, world: str) -> None:
        """This one's mock exchange runs one world."""

    def rebuild(self, client: object, triggers: Iterable[Trigger], world: str) -> int:
        self._write()
        count = 0
        for trigger in triggers:
            if trigger.trader in self.ended or self.versions.get(trigger.trader, 0) > trigger.version:
                continue
            for side, price in ((self.below, trigger.below), (self.above, trigger.above)):
                if price is not None:
                    side.setdefault(trigger.symbol, {})[trigger.trader] = float(price)
            count += 1
        self.has_been_built = True
        return count

    def is_built(self, client: object, world: str) -> bool:
        return self.has_been_built

    def take(self, client: object, name: str, seconds: float) -> str | None:
        self._write()
        if self.kept_until.get(name, self.world.now) > self.world.now:
            return None
        self.kept_until[name] = self.world.now + timedelta(seconds=seconds)
        return "token"

    def note(self, client: object, what: str) -> None:
        self._write()
        self.noted.add(what)

    def forget(self, client: object, what: str) -> None:
        self._write()
        self.noted.discard(what)

    def age_s(self, client: object, what: str) -> float | None:
        return 0.0 if what in self.noted else None

    def give_back(self, client: object, name: str, token: str) -> None:
        if not self.world.is_dying:  # The dead clear nothing away.
            self.kept_until.pop(name, None)

    def is_behind(self, client: object, queue: str = "") -> bool:
        return self.world.chance.strikes("queue_is_long")

    def last_trades(self, client: object, market: str, names: Iterable[str]) -> dict[str, TradeEvent]:
        return {name: self.last[name] for name in names if name in self.last}

    def last_trade(self, client: object, market: str, name: str) -> TradeEvent | None:
        return self.last.get(name)

    def has_gap(self, client: object, market: str, name: str) -> bool:
        return self.gaps.get(name, self.world.now) > self.world.now

    def empty(self) -> None:
        """Redis lost everything it held, the waiting tasks as well."""
        self._times_emptied += 1
        self.below.clear()
        self.above.clear()
        self.fired_at.clear()
        self.versions.clear()
        self.ended.clear()
        self._unacknowledged.clear()
        self.has_been_built = False

    # --- dispatch ---------------------------------------------------------------------------------
    def traded(self, symbol: str, trade_id: int, price: Decimal, quantity: Decimal) -> None:
        """A public trade: wakes whoever waits for its price."""
        if self.refusing:
            return  # No topic takes it.
        at_ms = self.world.now_ms
        made_ms = round(shared_clock.now() * 1000)
        self.last[symbol] = TradeEvent(symbol, trade_id, str(price), str(quantity), at_ms, at_ms, False, made_ms)
        below, above = self.below.get(symbol, {}), self.above.get(symbol, {})
        crossed = [trader for trader, minimum in below.items() if float(price) <= minimum]
        crossed += [trader for trader, maximum in above.items() if float(price) >= maximum]
        for trader in crossed:
            below.pop(trader, None)
            above.pop(trader, None)
            self.fired_at[trader] = self.world.now
            enqueue.wake(trader, symbol, TradeSeen(symbol, trade_id, price, at_ms))

    def reported(self, event: dict[str, Any]) -> None:
        """An execution report, as the user data stream brings it."""
        if not Names(self.world.identity).is_ours(own_id(event)) or self.world.chance.strikes("report_lost"):
            return
        if self.refusing:
            # The streamer keeps it in memory.
            wait_ms = round((self.refusing.until - self.world.now).total_seconds() * 1000) + 1
            self.world.later(wait_ms, lambda: self.reported(event))
            return
        for _ in range(2 if self.world.chance.strikes("report_twice") else 1):
            entry = f"{next(self._entries)}-0"
            self._unacknowledged[entry] = event
            self._hand_over(entry)

    def _hand_over(self, entry: str) -> None:
        event = self._unacknowledged.get(entry)
        if event is not None and self.refusing:
            self.world.later(TAKEN_OVER_AFTER_MS, lambda: self._hand_over(entry))
        elif event is not None:
            self._handed_on[entry] += 1
            enqueue.report("mock", entry, event)
            self.world.later(TAKEN_OVER_AFTER_MS, lambda: self._hand_over(entry))

    def deliveries(self, client: object, venue: str, entry: str) -> int:
        return self._handed_on[entry] if entry in self._unacknowledged else 0

    def acknowledge(self, client: object, venue: str, entry: str) -> None:
        """Takes the place of dispatch's: what is acknowledged comes never again, so it must be in the books."""
        event = self._unacknowledged.get(entry)
        if event is not None:
            row = Order.objects.filter(client_order_id=own_id(event)).first()
            if row is not None and is_news(row, from_execution_report(event)):
                raise Broken(f"I4: a report of {row.client_order_id} is acknowledged, and not booked")
        self.world.point()
        if not self.world.chance.strikes("report_unacknowledged"):
            self._unacknowledged.pop(entry, None)

    # --- Celery -----------------------------------------------------------------------------------
    def note_given_up(self, client: object, name: str, now: float, count: int = 1) -> None:
        self._write()

    def send_task(self, name: str, kwargs: dict[str, Any], headers: dict[str, Any], **options: Any) -> None:
        """Takes the place of Celery's: a task is lost, run at once, later, or twice."""
        if self.refusing:
            raise OperationalError("Redis refuses writes")
        chance, task = self.world.chance, getattr(tasks, name.removeprefix("trading.tasks."))
        if chance.strikes("wake_up_lost"):
            return
        queue = options.get("queue") or ENTRIES
        headers = {**headers, ENQUEUED_AT: shared_clock.now(), "delivery_info": {"routing_key": queue}}
        era = self._times_emptied
        for _ in range(2 if chance.strikes("wake_up_twice") else 1):
            wait_ms = chance.randint(500, 6_000) if chance.strikes("wake_up_late") else chance.randint(0, 100)
            self.world.later(wait_ms, lambda: self._answer(task, kwargs, headers, era))

    def _answer(self, task: Any, kwargs: dict[str, Any], headers: dict[str, Any], era: int) -> None:
        if era != self._times_emptied:
            return
        task.push_request(**headers)
        try:
            self.world.run_process(lambda: task(**kwargs))
        finally:
            task.pop_request()


ORDINARY = (ExchangeError, redis.RedisError, OperationalError)
