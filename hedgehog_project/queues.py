"""The queues of tasks in Redis: who is served where, how long each is and how old its oldest task, and what is stale.

    leader    `lead` alone, with a thread of its own: late is better than never, and never is one behind another
    exits     what gets out of the market or clears up: sales after a stop, cancels, questions about orders
    reports   what the exchange has reported
    celery    everything else, entries above all; and what names no queue

A worker serves the first of its queues in which something waits, in the order of SERVED. The one of entries helps
with the others; `worker_exits` serves nothing but these and the leader.

Every task carries the time at which it was queued, by the clock that all hosts share. A queue holds nothing that is
lost with it: the database knows what is due, and the topics hand reports on again.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

log = logging.getLogger(__name__)

LEADER, EXITS, REPORTS, ENTRIES = "leader", "exits", "reports", "celery"
NAMES = (LEADER, EXITS, REPORTS, ENTRIES)
# Which of them is served first. A report tells what an answer has mostly told before; a stop must not wait for it.
SERVED = {EXITS: 0, REPORTS: 1, LEADER: 2, ENTRIES: 3}
# Headers of a task: when it was queued, for how many seconds it is of use, and whether it was tried before.
ENQUEUED_AT, OF_USE_S, IS_AGAIN = "enqueued_at", "of_use_s", "is_again"
# Whatever waits longer has been queued again, or is not wanted any more.
STALE_S = 30.0
# Hash: how many tasks of each queue were given up because they came too late, and when the last one was.
GIVEN_UP = "tasks:given_up"

# KEYS: the queue. ARGV: queued before. The oldest come last; of a task without a time nobody knows how old it is. How
# many were dropped. Found by halving: a queue of a night holds 100,000.
_DROP = """
local function is_old(index)
  local ok, message = pcall(cjson.decode, redis.call('LINDEX', KEYS[1], index))
  local headers = ok and type(message) == 'table' and message['headers']
  local at = type(headers) == 'table' and tonumber(headers['enqueued_at'])
  return not at or at < tonumber(ARGV[1])
end
local length = redis.call('LLEN', KEYS[1])
local fresh, old = 0, length
while fresh < old do
  local middle = math.floor((fresh + old) / 2)
  if is_old(middle) then old = middle else fresh = middle + 1 end
end
if old == length then return 0 end
if old == 0 then redis.call('DEL', KEYS[1]) else redis.call('LTRIM', KEYS[1], 0, old - 1) end
return length - old
"""


@dataclass(frozen=True)
class Queue:
    """What waits in a queue."""

    name: str
    length: int
    oldest_s: float  # since its oldest task was queued; 0 where nothing waits
    given_up: int = 0  # tasks that came too late and were not run, since Redis has its data
    given_up_s: float | None = None  # since the last one of those


def length(client: "redis.Redis", name: str) -> int:
    """How many tasks wait. Raises redis.RedisError."""
    return int(client.llen(name))


def look(client: "redis.Redis", now: float, names: Sequence[str] = NAMES) -> list[Queue]:
    """These queues, or all, in one round trip. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.llen(name)
        pipeline.lindex(name, -1)
    pipeline.hgetall(GIVEN_UP)
    *waiting, lost = pipeline.execute()
    answers, found = iter(waiting), []
    for name in names:
        count, at = int(lost.get(name.encode(), 0)), lost.get(_at(name).encode())
        ago_s = None if at is None else max(0.0, now - float(at))
        found.append(Queue(name, int(next(answers)), _age_s(next(answers), now), count, ago_s))
    return found


def note_given_up(client: "redis.Redis", name: str, now: float, count: int = 1) -> None:
    """Counts tasks that are not run because they waited too long. Raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hincrby(GIVEN_UP, name, count)
    pipeline.hset(GIVEN_UP, _at(name), now)
    pipeline.execute()


def _at(name: str) -> str:
    return f"{name}:at"


def drop_stale(client: "redis.Redis", name: str, now: float) -> int:
    """Drops the tasks that were queued more than STALE_S ago, in one step; how many. Raises redis.RedisError.

    Any number may do so at once: what was queued just now stays.
    """
    dropped = int(client.eval(_DROP, 1, name, now - STALE_S))
    if dropped:
        note_given_up(client, name, now, dropped)
        log.warning("dropped %s stale tasks from the queue %s: due tasks are queued again", dropped, name)
    return dropped


def _age_s(message: Any, now: float) -> float:
    if message is None:
        return 0.0
    try:
        return max(0.0, now - float(json.loads(message)["headers"][ENQUEUED_AT]))
    except (ValueError, KeyError, TypeError):
        return STALE_S  # Of another program, or an older version: nobody knows.
