"""What is getting done, and not only who is alive: the tasks that run in this process, and the leader's last run."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

KEY = "progress"
LED = "led"  # When the leader last came to its end.

_NOTE = "return redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1])"


@dataclass(frozen=True)
class RunningTask:
    """One task that has begun and not ended. `about`: the symbol that it concerns, where it concerns one."""

    name: str
    about: str
    age_s: float
    takes_s: float

    def __str__(self) -> str:
        of = f" of {self.about}" if self.about else ""
        return f"{self.name.rpartition('.')[2]}{of} for {self.age_s:.0f} s"


class Running:
    """The tasks of this process. For all of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By a key of their own: name, what it is about, when it began, how long it may take.
        self._tasks: dict[object, tuple[str, str, float, float]] = {}
        self._done = 0

    def begins(self, key: object, name: str, takes_s: float, about: str = "") -> None:
        """`takes_s`: whoever takes longer is stuck."""
        with self._lock:
            self._tasks[key] = (name, about, time.monotonic(), takes_s)

    def ends(self, key: object) -> None:
        with self._lock:
            self._done += self._tasks.pop(key, None) is not None

    @contextmanager
    def task(self, name: str, takes_s: float, about: str = "") -> Iterator[None]:
        """What is done within it is such a task."""
        key = object()
        self.begins(key, name, takes_s, about)
        try:
            yield
        finally:
            self.ends(key)

    def overdue(self, factor: float = 1.0) -> list[RunningTask]:
        """The tasks that have run for so many times as long as they may, the oldest first."""
        found = [task for task in self._now() if task.age_s > factor * task.takes_s]
        return sorted(found, key=lambda task: -task.age_s)

    def facts(self) -> dict[str, Any]:
        """For the heartbeat: how many tasks were done, how long the oldest one has run, and which is stuck."""
        tasks, stuck = self._now(), self.overdue()
        facts: dict[str, Any] = {"done": self._done, "running": len(tasks)}
        if tasks:
            facts["oldest_s"] = round(max(task.age_s for task in tasks), 1)
        if stuck:
            facts["stuck"] = str(stuck[0])
        return facts

    def _now(self) -> list[RunningTask]:
        now = time.monotonic()
        with self._lock:
            return [
                RunningTask(name, about, now - began, takes_s) for name, about, began, takes_s in self._tasks.values()
            ]


running = Running()


def note(client: "redis.Redis", what: str) -> None:
    """Notes that it has just been done, by Redis's clock. Raises redis.RedisError."""
    client.eval(_NOTE, 1, KEY, what)


def forget(client: "redis.Redis", what: str) -> None:
    """From here on only what is done from now on counts. Raises redis.RedisError."""
    client.hdel(KEY, what)


def age_s(client: "redis.Redis", what: str) -> float | None:
    """Seconds since it was last done; None where nobody knows of it. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    pipeline.hget(KEY, what)
    (seconds, _), noted = pipeline.execute()
    # Of before Redis's clock was set back: as good as unknown.
    return None if noted is None or int(noted) > seconds + 1 else float(max(0, seconds - int(noted)))
