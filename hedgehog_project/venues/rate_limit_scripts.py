"""The steps of rate limits in Redis, each atomic and one round trip; see rate_limits.py for what they mean."""

import logging
import time
from functools import cache
from typing import Any

import redis

from hedgehog_project.redis import hurried_client
from hedgehog_project.redis_health import words

log = logging.getLogger(__name__)

# How long Redis is left alone after it did not answer.
PAUSE_S = 2.0

# KEYS: stop, limits, each window. ARGV: now, share, whether to reserve; for each window amount, name, limit, kept ms.
TAKE = """
local stop = redis.call('HMGET', KEYS[1], 'until_ms', 'length_ms', 'why')
local until_ms = tonumber(stop[1] or 0)
local left_ms = until_ms - tonumber(ARGV[1])
-- More than its whole length is left only where the clock was set back: it is over.
if left_ms > 0 and left_ms <= tonumber(stop[2] or left_ms) then
  return {'stopped', until_ms, tonumber(stop[2] or left_ms), stop[3]}
end
for i = 3, #KEYS do
  local a = 4 * (i - 2)
  local limit = tonumber(redis.call('HGET', KEYS[2], ARGV[a + 1]) or ARGV[a + 2])
  local counts = redis.call('HMGET', KEYS[i], 'used', 'flying')
  local used = (tonumber(counts[1]) or 0) + (tonumber(counts[2]) or 0)
  if used + tonumber(ARGV[a]) > math.max(1, math.floor(limit * tonumber(ARGV[2]))) then
    return {'full', i - 3, used, limit}
  end
end
local ticks = {}
if ARGV[3] == '1' then
  for i = 3, #KEYS do
    local a = 4 * (i - 2)
    redis.call('HINCRBY', KEYS[i], 'flying', ARGV[a])
    ticks[#ticks + 1] = redis.call('HINCRBY', KEYS[i], 'tick', 1)
    redis.call('PEXPIRE', KEYS[i], ARGV[a + 3])
  end
end
return ticks
"""

# KEYS: for each window its key when the request began, and now. ARGV: for each
# what was reserved, tick, header, cost, kept ms.
SETTLE = """
for i = 1, #KEYS, 2 do
  local a = 5 * (i - 1) / 2 + 1
  local began, now = KEYS[i], KEYS[i + 1]
  local flying = tonumber(redis.call('HGET', began, 'flying') or 0)
  if flying > 0 then
    redis.call('HSET', began, 'flying', math.max(0, flying - tonumber(ARGV[a])))
  end
  if ARGV[a + 2] == '' then
    redis.call('HINCRBY', now, 'used', ARGV[a + 3])
  else
    local used, header = tonumber(redis.call('HGET', now, 'used') or 0), tonumber(ARGV[a + 2])
    if tonumber(ARGV[a + 1]) <= tonumber(redis.call('HGET', now, 'heard') or 0) then
      header = math.max(used, header)
    end
    redis.call('HSET', now, 'used', header, 'heard', redis.call('HINCRBY', now, 'tick', 1))
  end
  redis.call('PEXPIRE', now, ARGV[a + 4])
end
return 1
"""

# KEYS: stop. ARGV: until, why, its length, now. 1 where nobody had told so before: two who are told at once differ by
# less than a second. One of before the clock was set back counts for nothing.
STOP = """
local stop = redis.call('HMGET', KEYS[1], 'until_ms', 'length_ms')
local before = tonumber(stop[1] or 0)
if before - tonumber(ARGV[4]) > tonumber(stop[2] or before) then before = 0 end
if tonumber(ARGV[1]) <= before then return 0 end
redis.call('HSET', KEYS[1], 'until_ms', ARGV[1], 'why', ARGV[2], 'length_ms', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if tonumber(ARGV[1]) < before + 1000 then return 0 end
return 1
"""

FULL = """
local limit = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or ARGV[2])
local used = tonumber(redis.call('HGET', KEYS[2], 'used') or 0)
redis.call('HSET', KEYS[2], 'used', math.max(used, math.floor(limit * tonumber(ARGV[3]))))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
"""

LEARN = """
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""

STATE = """
local rows = {}
for i = 1, #KEYS do rows[i] = redis.call('HGETALL', KEYS[i]) end
return rows
"""


class _Redis:
    """Redis, left alone for a moment after it did not answer: a budget may not hold up an order."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._is_away = False

    def run(self, script: str, keys: list[str], args: list[int | str]) -> Any:
        """The script's answer, None where Redis does not give one."""
        if time.monotonic() < self._not_before:
            return None
        try:
            answer = _registered(script)(keys=keys, args=args)
        except redis.RedisError as error:
            self._not_before = time.monotonic() + PAUSE_S
            if not self._is_away:
                self._is_away = True
                log.warning("%s; each process counts its own requests", words(error))
            return None
        if self._is_away:
            self._is_away = False
            log.info("Redis is up again; all processes share the rate limits")
        return answer


_redis = _Redis()
run = _redis.run


@cache
def _registered(script: str) -> Any:
    return _client().register_script(script)


@cache
def _client() -> "redis.Redis":
    return hurried_client()
