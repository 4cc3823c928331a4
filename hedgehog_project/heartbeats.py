"""Who is alive: each long-running process says so once a second in one Redis hash."""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

KEY = "heartbeats"
PERIOD_S = 1.0
# A process that has been silent for longer is shown as down.
SILENT_S = 10.0


@dataclass(frozen=True)
class Beat:
    """The last sign of life of one process."""

    name: str
    at: float  # seconds since the epoch
    pid: int
    host: str
    facts: Mapping[str, Any]

    def age_s(self, now: float | None = None) -> float:
        return max(0.0, (time.time() if now is None else now) - self.at)


class Heart:
    """Beats for one process; called from its loop as often as it likes, writes once a second."""

    def __init__(self, client: "redis.Redis", name: str) -> None:
        self._client = client
        self._name = name
        self._due = 0.0

    def beat(self, **facts: Any) -> bool:
        """Says that this process is alive; `facts` are shown beside it. False where Redis does not answer."""
        now = time.monotonic()
        if now < self._due:
            return True
        self._due = now + PERIOD_S
        value = {"at": time.time(), "pid": os.getpid(), "host": socket.gethostname(), "facts": facts}
        try:
            self._client.hset(KEY, self._name, json.dumps(value))
        except redis.RedisError:
            return False  # The process itself says what a missing Redis means to it.
        return True


def beats(client: "redis.Redis") -> dict[str, Beat]:
    """The last beat of every process that ever beat, by name. Raises redis.RedisError."""
    found = {}
    for key, value in client.hgetall(KEY).items():
        name = str(key, "utf-8") if isinstance(key, bytes) else key
        fields = json.loads(value)
        found[name] = Beat(name, fields["at"], fields["pid"], fields["host"], fields.get("facts", {}))
    return found
