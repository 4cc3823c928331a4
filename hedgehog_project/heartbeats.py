"""Who is alive: each long-running process says so once a second, in a field of its own of one Redis hash.

Times are Redis's own, given there: the clocks of the hosts tell nothing here.
"""

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

KEY = "heartbeats"
PERIOD_S = 1.0
# A process that has been silent for longer is shown as down.
SILENT_S = 10.0
# One that was killed and is not replaced is told of for so long.
TOLD_FOR_S = 3600.0

# KEYS: the hash. ARGV: field, value, 1 for the first one of a process, for how long others are told of. A new process
# drops those that nobody is told of any more.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local value = cjson.decode(ARGV[2])
local before = redis.call('HGET', KEYS[1], ARGV[1])
value['since'] = ARGV[3] == '0' and before and cjson.decode(before)['since'] or now
value['at'] = now
if ARGV[3] == '1' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    local ok, other = pcall(cjson.decode, redis.call('HGET', KEYS[1], field))
    local at = ok and type(other) == 'table' and tonumber(other['at']) or 0
    if math.abs(now - at) > tonumber(ARGV[4]) then
      redis.call('HDEL', KEYS[1], field)
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(value))
return 1
"""


@dataclass(frozen=True)
class Beat:
    """The last sign of life of one process."""

    name: str
    host: str
    pid: int
    age_s: float  # since then
    up_s: float  # from its start to then
    facts: Mapping[str, Any]

    @property
    def is_fresh(self) -> bool:
        return self.age_s <= SILENT_S

    @property
    def field(self) -> str:
        return f"{self.name}@{self.host}:{self.pid}"


class Heart:
    """Beats for one process; called from its loop as often as it likes, writes once a second."""

    def __init__(self, client: "redis.Redis", name: str) -> None:
        self._client = client
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._name = name
        self._due = 0.0
        self._is_first = True
        self._is_heard = self._has_stopped = False

    @property
    def _field(self) -> str:
        return f"{self._name}@{self._host}:{self._pid}"

    def beat(self, **facts: Any) -> bool:
        """Says that this process is alive; `facts` are shown beside it. False where Redis does not answer."""
        now = time.monotonic()
        if now < self._due or self._has_stopped:
            return True
        self._due = now + PERIOD_S
        value = json.dumps({"name": self._name, "host": self._host, "pid": self._pid, "facts": facts})
        try:
            self._client.eval(_BEAT, 1, KEY, self._field, value, int(self._is_first), TOLD_FOR_S)
        except redis.RedisError:
            self._is_heard = False
            return False  # The process itself says what a missing Redis means to it.
        self._is_first, self._is_heard = False, True
        return True

    def stop(self) -> None:
        """This process ends as it was asked to: nobody is to miss it."""
        self._has_stopped = True
        if not self._is_heard:
            return  # A Redis that does not answer shall not hold up the end.
        try:
            self._client.hdel(KEY, self._field)
        except redis.RedisError:
            return  # It is missed for an hour.


def beats(client: "redis.Redis") -> list[Beat]:
    """The last beat of every process that nobody has stopped, by name, host and pid. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    pipeline.hgetall(KEY)
    (seconds, micros), fields = pipeline.execute()
    now, found = seconds + micros / 1e6, []
    for value in fields.values():
        try:
            row = json.loads(value)
            # One that is ahead of Redis's clock is of before that was set back, and nobody knows how old.
            age_s = now - row["at"] if row["at"] <= now + SILENT_S else SILENT_S + row["at"] - now
            beat = Beat(row["name"], row["host"], row["pid"], max(0.0, age_s), row["at"] - row["since"], row["facts"])
        except (ValueError, KeyError, TypeError):
            continue  # Of an older version.
        if age_s <= TOLD_FOR_S:
            found.append(beat)
    return sorted(found, key=lambda beat: (beat.name, beat.host, beat.pid))


def alive(client: "redis.Redis") -> set[str]:
    """The names of which a process is alive, on whatever host. Raises redis.RedisError."""
    return {beat.name for beat in beats(client) if beat.is_fresh}


def missing(known: Iterable[Beat]) -> list[Beat]:
    """The processes that fell silent and were not replaced: by one of that name that began on their host since."""
    known = list(known)
    return [
        silent
        for silent in known
        if not silent.is_fresh
        and not any(
            (other.name, other.host) == (silent.name, silent.host) and other.age_s + other.up_s < silent.age_s
            for other in known
        )
    ]


def dismiss(client: "redis.Redis") -> list[Beat]:
    """Has nobody told of the processes that are silent now; which those are. Raises redis.RedisError."""
    silent = [beat for beat in beats(client) if not beat.is_fresh]
    if silent:
        client.hdel(KEY, *(beat.field for beat in silent))
    return silent
