"""One clock for all hosts: Redis's. No host's own clock, and nobody who sets one, moves an age that is told by it."""

import threading
import time

import redis

from hedgehog_project.redis import connect

# So often the distance to our steady clock is asked anew: one of the two may drift, or Redis's own be set.
ASK_EVERY_S = 10.0


class SharedClock:
    """Cheap to ask: Redis itself is asked only every ASK_EVERY_S."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_s: float | None = None  # of time.monotonic()
        self._ask_at = 0.0

    def now(self) -> float:
        """Seconds since the epoch by Redis's clock; by ours as long as Redis has never answered."""
        steady = time.monotonic()
        if steady >= self._ask_at and self._lock.acquire(blocking=False):
            try:
                self._ask_at = steady + ASK_EVERY_S
                seconds, micros = connect().time()
                self._ahead_s = seconds + micros / 1e6 - time.monotonic()
            except redis.RedisError:
                self._ask_at = steady + 1.0  # What was learned before still holds.
            finally:
                self._lock.release()
        return time.time() if self._ahead_s is None else time.monotonic() + self._ahead_s


_clock = SharedClock()


def now() -> float:
    """Seconds since the epoch by the clock that all hosts share."""
    return _clock.now()
