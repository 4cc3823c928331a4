"""Which price wakes which trader: the copy in Redis that dispatch looks at. Rows are the truth, this can be rebuilt.

    triggers:below:{market}:{SYMBOL}   sorted set: trader id by the price at or below which a trade wakes it
    triggers:rung                      sorted set: trader id by the time (s) at which it was rung and not heard since
    triggers:turns                     hash: trader id to the turn of its row that was copied last
    triggers:built                     there while the copy is whole; gone when Redis was emptied

A crossed trigger moves to `rung` in one step, so that a dispatcher may die at any moment: the leader rings those
again whose bell nobody answered.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import redis

RUNG = "triggers:rung"
TURNS = "triggers:turns"
BUILT = "triggers:built"

# KEYS: triggers, rung. ARGV: price, now, most. Moves the traders whose trigger the price has reached.
_RING = """
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[2], ARGV[2], id)
end
return ids
"""

# KEYS: triggers, rung, turns. ARGV: trader, turn, price or empty, 1 if it has ended. Two threads that have saved one
# trader may come here in the wrong order: the older one then changes nothing.
_SET = """
if tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0') > tonumber(ARGV[2]) then return 0 end
if ARGV[4] == '1' then redis.call('HDEL', KEYS[3], ARGV[1]) else redis.call('HSET', KEYS[3], ARGV[1], ARGV[2]) end
if ARGV[3] == '' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
"""


@dataclass(frozen=True)
class Trigger:
    """A trader's trigger at one turn of its row. `below` None: no price wakes it."""

    trader: int
    market: str
    symbol: str
    below: Decimal | None
    turn: int = 0
    has_ended: bool = False


def key_below(market: str, symbol: str) -> str:
    return f"triggers:below:{market}:{symbol}"


def set_trigger(client: "redis.Redis", trigger: Trigger) -> bool:
    """Arms or disarms a trader that has been heard; False where a later turn was quicker. Raises redis.RedisError."""
    keys = [key_below(trigger.market, trigger.symbol), RUNG, TURNS]
    # A float keeps the order of prices, equal ones stay equal: that is all that a score is for.
    score = "" if trigger.below is None else repr(float(trigger.below))
    return bool(client.eval(_SET, len(keys), *keys, trigger.trader, trigger.turn, score, int(trigger.has_ended)))


def forget(client: "redis.Redis", traders: Iterable[int]) -> None:
    """Drops traders that have ended. Raises redis.RedisError."""
    names = [str(trader) for trader in traders]
    pipeline = client.pipeline(transaction=False)
    pipeline.zrem(RUNG, *names)
    pipeline.hdel(TURNS, *names)
    pipeline.execute()


def ring(client: "redis.Redis", market: str, symbol: str, price: float, most: int = 1000) -> list[int]:
    """The traders whose trigger this price has reached, at most `most`; they count as rung from now on."""
    keys = [key_below(market, symbol), RUNG]
    return [int(each) for each in client.eval(_RING, len(keys), *keys, price, time.time(), most)]


def rung_before(client: "redis.Redis", seconds: float) -> list[int]:
    """The traders that were rung more than `seconds` ago and not heard since."""
    return [int(each) for each in client.zrangebyscore(RUNG, "-inf", time.time() - seconds)]  # type: ignore[arg-type]


def rebuild(client: "redis.Redis", triggers: Iterable[Trigger]) -> int:
    """Puts back what Redis has lost; the number of triggers. What is there already stays."""
    pipeline = client.pipeline(transaction=False)
    count = 0
    for trigger in triggers:
        if trigger.below is not None:
            pipeline.zadd(key_below(trigger.market, trigger.symbol), {str(trigger.trader): float(trigger.below)})
            count += 1
    pipeline.set(BUILT, 1)
    pipeline.execute()
    return count


def is_built(client: "redis.Redis") -> bool:
    return bool(client.exists(BUILT))
