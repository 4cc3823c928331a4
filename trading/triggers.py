"""Which price wakes which trader: the copy in Redis that dispatch looks at. Rows are the truth, this can be rebuilt.

    triggers:below:{market}:{SYMBOL}   sorted set: trader id by the price at or below which a trade wakes it
    triggers:above:{market}:{SYMBOL}   the same by the price at or above which one does
    triggers:rung                      sorted set: trader id by the time (s, shared clock) at which it was rung and
                                       not heard since
    triggers:turns                     hash: trader id to the turn of its row that was copied last
    triggers:built                     there while the copy is whole; gone when Redis was emptied

A crossed trigger moves to `rung` in one step, so that a dispatcher may die at any moment: the leader rings those
again whose bell nobody answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import redis

from hedgehog_project import shared_clock

RUNG = "triggers:rung"
TURNS = "triggers:turns"
BUILT = "triggers:built"
# Hosts know the shared clock a little differently.
AHEAD_S = 10.0

# KEYS: below, above, rung. ARGV: price, now, most. Moves the traders one of whose triggers the price has reached.
_RING = """
local found = redis.call('ZRANGE', KEYS[1], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3] - #found)) do
  table.insert(found, id)
end
local ids = {}
for _, id in ipairs(found) do
  if redis.call('ZREM', KEYS[1], id) + redis.call('ZREM', KEYS[2], id) > 0 then table.insert(ids, id) end
  redis.call('ZADD', KEYS[3], ARGV[2], id)
end
return ids
"""

# KEYS: below, above, rung, turns. ARGV: trader, turn, two prices or empty, 1 if it has ended. Two threads that have
# saved one trader may come here in the wrong order: the older one then changes nothing.
_SET = """
if tonumber(redis.call('HGET', KEYS[4], ARGV[1]) or '0') > tonumber(ARGV[2]) then return 0 end
if ARGV[5] == '1' then redis.call('HDEL', KEYS[4], ARGV[1]) else redis.call('HSET', KEYS[4], ARGV[1], ARGV[2]) end
for side = 1, 2 do
  local price = ARGV[2 + side]
  if price == '' then redis.call('ZREM', KEYS[side], ARGV[1]) else redis.call('ZADD', KEYS[side], price, ARGV[1]) end
end
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
"""


@dataclass(frozen=True)
class Trigger:
    """A trader's triggers at one turn of its row. None: no price wakes it."""

    trader: int
    market: str
    symbol: str
    below: Decimal | None
    turn: int = 0
    has_ended: bool = False
    above: Decimal | None = None


def key_below(market: str, symbol: str) -> str:
    return f"triggers:below:{market}:{symbol}"


def key_above(market: str, symbol: str) -> str:
    return f"triggers:above:{market}:{symbol}"


def set_trigger(client: "redis.Redis", trigger: Trigger) -> bool:
    """Arms or disarms a trader that has been heard; False where a later turn was quicker. Raises redis.RedisError."""
    market, symbol = trigger.market, trigger.symbol
    keys = [key_below(market, symbol), key_above(market, symbol), RUNG, TURNS]
    # A float keeps the order of prices, equal ones stay equal: that is all that a score is for.
    scores = ["" if price is None else repr(float(price)) for price in (trigger.below, trigger.above)]
    return bool(client.eval(_SET, len(keys), *keys, trigger.trader, trigger.turn, *scores, int(trigger.has_ended)))


def forget(client: "redis.Redis", traders: Iterable[int]) -> None:
    """Drops traders that have ended. Raises redis.RedisError."""
    names = [str(trader) for trader in traders]
    pipeline = client.pipeline(transaction=False)
    pipeline.zrem(RUNG, *names)
    pipeline.hdel(TURNS, *names)
    pipeline.execute()


def ring(client: "redis.Redis", market: str, symbol: str, price: float, most: int = 1000) -> list[int]:
    """Traders one of whose triggers this price has reached; they count as rung from now on.

    None are left where there are fewer than `most`.
    """
    keys = [key_below(market, symbol), key_above(market, symbol), RUNG]
    return [int(each) for each in client.eval(_RING, len(keys), *keys, price, shared_clock.now(), most)]


def rung_before(client: "redis.Redis", seconds: float) -> list[int]:
    """The traders that were rung more than `seconds` ago and not heard since. Raises redis.RedisError.

    A time ahead of now is one of before the clock was set back.
    """
    now = shared_clock.now()
    pipeline = client.pipeline(transaction=False)
    pipeline.zrangebyscore(RUNG, "-inf", now - seconds)
    pipeline.zrangebyscore(RUNG, now + AHEAD_S, "+inf")
    return [int(each) for found in pipeline.execute() for each in found]


def rebuild(client: "redis.Redis", triggers: Iterable[Trigger]) -> int:
    """Puts back what Redis has lost; of how many traders. What is there already stays."""
    pipeline = client.pipeline(transaction=False)
    count = 0
    for trigger in triggers:
        keys = key_below(trigger.market, trigger.symbol), key_above(trigger.market, trigger.symbol)
        for key, price in zip(keys, (trigger.below, trigger.above), strict=True):
            if price is not None:
                pipeline.zadd(key, {str(trigger.trader): float(price)})
        count += trigger.below is not None or trigger.above is not None
    pipeline.set(BUILT, 1)
    pipeline.execute()
    return count


def is_built(client: "redis.Redis") -> bool:
    return bool(client.exists(BUILT))
