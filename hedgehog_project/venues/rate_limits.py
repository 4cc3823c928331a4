"""One budget for all processes: request weight per exchange address, orders per account, and stops that were ordered.

Counted in Redis, in Binance's fixed windows (limits.md: the minute, 10 s, the day in UTC). What the exchange says in
its answers' headers counts more than what we have counted: another program may use the same address.

A window holds two numbers: what the exchange is known to have counted (`used`), and what is under way (`flying`). A
header changes only the first, so a late one can't undo what others have reserved. It replaces the first where its
request began after the last header was heard, for then it is newer for sure. Of requests that overlapped either may
be the newer one, and the higher count stands.
"""

import hashlib
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from hedgehog_project import shared_clock
from hedgehog_project.outside import whole_number
from hedgehog_project.venues import rate_limit_scripts as steps

log = logging.getLogger(__name__)

# The part of every limit that entries and background reads may use. The rest is kept for exits.
ENTRIES_SHARE = 0.8
# An order limit that is reached may be free again before the day is over, for fills give back: look again.
MAX_WAIT_S = 600.0
# A ban lasts from two minutes to three days (limits.md): whoever is told of a longer one is told wrong.
LONGEST_BAN_S = 259_200.0
_LIMITS_KEPT_S = 86_400


@dataclass(frozen=True)
class Window:
    """A count that the exchange begins anew with every multiple of its length since the epoch."""

    name: str
    length_ms: int
    limit: int  # Binance's documents, until its exchangeInfo was seen
    of: str  # for people
    header: str
    rate_limit: tuple[str, str, int | None]  # as exchangeInfo calls it

    def number(self, now_ms: int) -> int:
        return now_ms // self.length_ms

    def left_s(self, now_ms: int) -> float:
        return (self.length_ms - now_ms % self.length_ms) / 1000


WEIGHT = Window(
    "weight",
    60_000,
    6_000,
    "request weight per minute",
    "x-mbx-used-weight-1m",
    ("REQUEST_WEIGHT", "MINUTE", 1),
)
ORDERS_10S = Window(
    "orders_10s", 10_000, 50, "unfilled orders per 10 s", "x-mbx-order-count-10s", ("ORDERS", "SECOND", 10)
)
ORDERS_1D = Window(
    "orders_1d", 86_400_000, 160_000, "unfilled orders per day", "x-mbx-order-count-1d", ("ORDERS", "DAY", 1)
)
WINDOWS = (WEIGHT, ORDERS_10S, ORDERS_1D)


class OverRateLimit(Exception):
    """The request may not be sent now. Its text is for people; ask again after `wait_s` seconds."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


@dataclass(frozen=True)
class Reservation:
    """What one request has reserved; give it back to `settle`."""

    at_ms: int
    weight: int
    places_order: bool
    ticks: tuple[int, ...] = ()  # one for each window; empty where Redis did not answer

    @property
    def windows(self) -> tuple[tuple[Window, int], ...]:
        """The windows that it counts in, each with its amount."""
        return _windows(self.weight, self.places_order)


@dataclass(frozen=True)
class Count:
    used: int  # with what is under way
    limit: int


@dataclass(frozen=True)
class State:
    """What is left, for people. `is_shared` is false where Redis does not answer: then it is this process's own."""

    host: str
    weight: Count
    orders_10s: Count
    orders_1d: Count
    stopped_until: datetime | None
    why: str
    is_shared: bool


class RateLimits:
    """The budget of one address and one key. For all threads of a process: see `rate_limits_at`.

    Where Redis is away, what this process knows by itself stands in; nothing here raises a Redis error.
    """

    def __init__(self, host: str, account: str) -> None:
        self.host = host
        self._keys = {WEIGHT: f"rate_limits:{host}:weight"} | {
            window: f"rate_limits:{host}:{account}:{window.name}" for window in (ORDERS_10S, ORDERS_1D)
        }
        self._stop_key, self._limits_key = f"rate_limits:{host}:stop", f"rate_limits:{host}:limits"
        self._own = _Own()

    def reserve(self, weight: int, is_exit: bool = False, places_order: bool = False) -> Reservation:
        """Reserves what a request is going to use. Raises OverRateLimit, and then has reserved nothing."""
        now_ms = _now_ms()
        self._own.check(weight, is_exit, places_order, now_ms, self.host, is_alone=False)
        answer = self._ask_redis(weight, is_exit, places_order, now_ms, reserve=True)
        if answer is None:
            self._own.check(weight, is_exit, places_order, now_ms, self.host, is_alone=True)
        reservation = Reservation(now_ms, weight, places_order, tuple(answer or ()))
        for window, amount in reservation.windows:
            self._own.add(window, amount, now_ms)
        return reservation

    def why_wait(self, is_exit: bool) -> tuple[str, float] | None:
        """Why an order would have to wait now, and for how many seconds; None where it may go. Reserves nothing."""
        now_ms = _now_ms()
        try:
            self._own.check(1, is_exit, True, now_ms, self.host, is_alone=False)
            if self._ask_redis(1, is_exit, True, now_ms, reserve=False) is None:
                self._own.check(1, is_exit, True, now_ms, self.host, is_alone=True)
        except OverRateLimit as over:
            return over.reason, over.wait_s
        return None

    def settle(self, reservation: Reservation, headers: Mapping[str, str], weight: int, orders: int) -> None:
        """The request has ended. `weight`, `orders`: what it may have cost where no header tells.

        `headers` are those of the answer, looked up in lower case.
        """
        now_ms = _now_ms()
        keys: list[str] = []
        args: list[int | str] = []
        for place, (window, amount) in enumerate(reservation.windows):
            told = whole_number(headers.get(window.header, ""))
            # Across the turn of a window nobody knows which of the two a header tells of.
            is_same = window.number(reservation.at_ms) == window.number(now_ms)
            heard = "" if told is None or not is_same else str(told)
            if heard:
                self._own.hear(window, int(heard), now_ms)
            keys += [self._key(window, reservation.at_ms), self._key(window, now_ms)]
            reserved = amount if reservation.ticks else 0
            tick = reservation.ticks[place] if reservation.ticks else 0
            args += [reserved, tick, heard, weight if window is WEIGHT else orders, 2 * window.length_ms]
        steps.run(steps.SETTLE, keys, args)

    def stop(self, until_ms: int, why: str) -> None:
        """No process calls this address before that time. An earlier end does not shorten a later one."""
        now_ms = _now_ms()
        length_ms = max(1, until_ms - now_ms)
        self._own.stop(until_ms, length_ms, why)
        is_new = steps.run(steps.STOP, [self._stop_key], [until_ms, why, length_ms, now_ms])
        if is_new or is_new is None:
            log.warning("exchange=%s requests stopped until=%s reason=%s", self.host, _time(until_ms), why)

    def stop_for(self, wait_s: float, why: str) -> None:
        """As stop, from now on."""
        self.stop(_now_ms() + round(wait_s * 1000), why)

    def orders_are_full(self, window: Window, is_exit: bool) -> None:
        """The exchange has refused one order more: entries wait for the window's end, or for a lower count.

        Exits wait as well where an exit was refused, but not for the end of the day: fills give back, and only the
        answer to an order tells.
        """
        now_ms = _now_ms()
        share = 1 if is_exit and window is ORDERS_10S else ENTRIES_SHARE
        keys = [self._limits_key, self._key(window, now_ms)]
        steps.run(steps.FULL, keys, [window.name, window.limit, str(share), 2 * window.length_ms])
        self._own.hear(window, int(self._own.limits[window] * share), now_ms)

    def learn(self, rate_limits: Iterable[Mapping[str, Any]]) -> None:
        """Keeps the limits of exchangeInfo's `rateLimits`."""
        known = {window.rate_limit: window for window in WINDOWS}
        args: list[int | str] = [_LIMITS_KEPT_S]
        for each in rate_limits:
            window = known.get((str(each.get("rateLimitType")), str(each.get("interval")), each.get("intervalNum")))
            limit = each.get("limit")
            if window is not None and isinstance(limit, int) and limit > 0:
                self._own.limits[window] = limit
                args += [window.name, limit]
        if len(args) > 1:
            steps.run(steps.LEARN, [self._limits_key], args)

    def state(self) -> State:
        """What is used and left, and whether calls are stopped."""
        now_ms = _now_ms()
        keys = [self._stop_key, self._limits_key, *(self._key(window, now_ms) for window in WINDOWS)]
        found = steps.run(steps.STATE, keys, [])
        if found is None:
            counts = {window: Count(self._own.count(window, now_ms), self._own.limits[window]) for window in WINDOWS}
            until_ms, length_ms, why = self._own.stopped_until_ms, self._own.stop_length_ms, self._own.why
        else:
            stop, limits, *counted = (
                {_text(k): _text(v) for k, v in zip(r[::2], r[1::2], strict=True)} for r in found
            )
            counts = {
                window: Count(
                    int(row.get("used", 0)) + int(row.get("flying", 0)),
                    int(limits.get(window.name, self._own.limits[window])),
                )
                for window, row in zip(WINDOWS, counted, strict=True)
            }
            until_ms, why = int(stop.get("until_ms", 0)), stop.get("why", "")
            length_ms = int(stop.get("length_ms", until_ms))
        is_stopped = 0 < until_ms - now_ms <= length_ms
        until = datetime.fromtimestamp(until_ms / 1000, UTC) if is_stopped else None
        return State(
            self.host,
            weight=counts[WEIGHT],
            orders_10s=counts[ORDERS_10S],
            orders_1d=counts[ORDERS_1D],
            stopped_until=until,
            why=why if is_stopped else "",
            is_shared=found is not None,
        )

    def _ask_redis(
        self, weight: int, is_exit: bool, places_order: bool, now_ms: int, *, reserve: bool
    ) -> list[int] | None:
        """The ticks of what was reserved; None where Redis does not answer. Raises OverRateLimit."""
        windows = _windows(weight, places_order)
        keys = [self._stop_key, self._limits_key, *(self._key(window, now_ms) for window, _ in windows)]
        args: list[int | str] = [now_ms, str(1 if is_exit else ENTRIES_SHARE), int(reserve)]
        for window, amount in windows:
            args += [amount, window.name, self._own.limits[window], 2 * window.length_ms]
        answer = steps.run(steps.TAKE, keys, args)
        if answer is None:
            return None
        match answer:
            case [b"stopped", until_ms, length_ms, why]:
                self._own.stop(int(until_ms), int(length_ms), _text(why))
                raise _stopped(self.host, int(until_ms), _text(why), now_ms)
            case [b"full", place, used, limit]:
                raise _over(windows[place][0], used, limit, is_exit, now_ms)
        return [int(tick) for tick in answer]

    def _key(self, window: Window, now_ms: int) -> str:
        return f"{self._keys[window]}:{window.number(now_ms)}"


def account_of(api_key: str) -> str:
    """What tells one account's counts from another's. It tells nothing of the key."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:12]


@cache
def rate_limits_at(rest_url: str, api_key: str = "", account: str = "") -> RateLimits:
    """The budget that this process's threads share for an address and a key, which itself is kept nowhere.

    `account`: for who has no key, but knows what account_of() has made of it.
    """
    return RateLimits(urlsplit(rest_url).netloc, account or account_of(api_key))


class _Own:
    """What this process knows by itself: its own requests, the headers of their answers, and stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Window, tuple[int, int]] = {}
        self.limits = {window: window.limit for window in WINDOWS}
        self.stopped_until_ms = self.stop_length_ms = 0
        self.why = ""

    def check(
        self, weight: int, is_exit: bool, places_order: bool, now_ms: int, host: str, *, is_alone: bool
    ) -> None:
        """Raises OverRateLimit. Its own counts matter only where it is alone: others count as well."""
        # More than its whole length is left only where the clock was set back: it is over.
        if 0 < self.stopped_until_ms - now_ms <= self.stop_length_ms:
            raise _stopped(host, self.stopped_until_ms, self.why, now_ms)
        for window, amount in _windows(weight, places_order) if is_alone else ():
            used, limit = self.count(window, now_ms), self.limits[window]
            if used + amount > max(1, int(limit * (1 if is_exit else ENTRIES_SHARE))):
                raise _over(window, used, limit, is_exit, now_ms)

    def add(self, window: Window, amount: int, now_ms: int) -> None:
        with self._lock:
            self._counts[window] = (window.number(now_ms), self.count(window, now_ms) + amount)

    def hear(self, window: Window, used: int, now_ms: int) -> None:
        with self._lock:
            self._counts[window] = (window.number(now_ms), max(used, self.count(window, now_ms)))

    def count(self, window: Window, now_ms: int) -> int:
        number, count = self._counts.get(window, (0, 0))
        return count if number == window.number(now_ms) else 0

    def stop(self, until_ms: int, length_ms: int, why: str) -> None:
        now_ms = until_ms - length_ms
        with self._lock:
            is_over = self.stopped_until_ms - now_ms > self.stop_length_ms
            if until_ms > self.stopped_until_ms or is_over:
                self.stopped_until_ms, self.stop_length_ms, self.why = until_ms, length_ms, why


def _windows(weight: int, places_order: bool) -> tuple[tuple[Window, int], ...]:
    weighs = (WEIGHT, weight)
    return (weighs, (ORDERS_10S, 1), (ORDERS_1D, 1)) if places_order else (weighs,)


def _over(window: Window, used: int, limit: int, is_exit: bool, now_ms: int) -> OverRateLimit:
    kept = "" if is_exit else f", {limit - max(1, int(limit * ENTRIES_SHARE)):,} reserved for exits"
    reason = f"{used:,} of {limit:,} {window.of} used{kept}"
    return OverRateLimit(reason, min(window.left_s(now_ms), MAX_WAIT_S))


def _stopped(host: str, until_ms: int, why: str, now_ms: int) -> OverRateLimit:
    return OverRateLimit(f"no requests to {host} until {_time(until_ms)}: {why}", (until_ms - now_ms) / 1000)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _now_ms() -> int:
    # All processes count in the same windows and know the same end of a stop, whatever their hosts' clocks say.
    return round(shared_clock.now() * 1000)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
