"""What is getting done, and not only who is alive: the tasks that run in this process, and the leader's last run."""

import threading
import time
from typing import Any

import redis

KEY = "progress"
LED = "led"  # When the leader last came to its end.

_NOTE = "return redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1])"


class Running:
    """The tasks of this process. For all of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, tuple[str, float, float]] = {}
        self._done = 0

    def begins(self, task_id: str, name: str, takes_s: float) -> None:
        """`takes_s`: whoever takes longer is stuck."""
        with self._lock:
            self._tasks[task_id] = (name.rpartition(".")[2], time.monotonic(), takes_s)

    def ends(self, task_id: str) -> None:
        with self._lock:
            self._done += self._tasks.pop(task_id, None) is not None

    def facts(self) -> dict[str, Any]:
        """For the heartbeat: how many tasks were done, how long the oldest one has run, and which is stuck."""
        now = time.monotonic()
        with self._lock:
            tasks = [(now - began, name, takes_s) for name, began, takes_s in self._tasks.values()]
            done = self._done
        facts: dict[str, Any] = {"done": done, "running": len(tasks)}
        if tasks:
            facts["oldest_s"] = round(max(tasks)[0], 1)
        stuck = [(age_s, name) for age_s, name, takes_s in tasks if age_s > takes_s]
        if stuck:
            age_s, name = max(stuck)
            facts["stuck"] = f"{name} for {age_s:.0f} s"
        return facts


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
