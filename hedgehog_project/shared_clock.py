"""One clock for all hosts: Redis's. No host's own clock, and nobody who sets one, moves an age that is told by it."""

import threading
import time

import redis

from hedgehog_project.redis import hurried_client

# So often the distance to our steady clock is asked anew: one of the two may drift, or Redis's own be set. A wall
# clock that parts from the steady one by more is being set.
ASK_EVERY_S, SET_S = 10.0, 1.0


class SharedClock:
    """Cheap to ask: Redis itself is asked only every ASK_EVERY_S."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._ahead_s: float | None = None  # of time.monotonic()
        self._ask_at = self._wall_ahead_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch by Redis's clock; by ours as long as Redis has never answered."""
        steady, wall = time.monotonic(), time.time()
        # Redis may be on this very host, whose clock was set just now.
        was_set = abs(wall - steady - self._wall_ahead_s) > SET_S
        if (steady >= self._ask_at or was_set) and self._lock.acquire(blocking=False):
            try:
                self._ask_at, self._wall_ahead_s = steady + ASK_EVERY_S, wall - steady
                self._client = self._client or hurried_client()
                seconds, micros = self._client.time()
                self._ahead_s = seconds + micros / 1e6 - time.monotonic()
            except redis.RedisError:
                pass  # What was learned before still holds.
            finally:
                self._lock.release()
        return wall if self._ahead_s is None else time.monotonic() + self._ahead_s


_clock = SharedClock()


def now() -> float:
    """Seconds since the epoch by the clock that all hosts share."""
    return _clock.now()
