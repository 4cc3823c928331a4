"""Which price wakes which trader: the copy in Redis that dispatch looks at. Rows are the truth, this can be rebuilt.

    triggers:below:{market}:{SYMBOL}   sorted set: trader id by the price at or below which a trade wakes it
    triggers:above:{market}:{SYMBOL}   the same by the price at or above which one does
    triggers:fired                     sorted set: trader id by the time (s, shared clock) at which it fired and was
                                       not heard since
    triggers:versions                  hash: trader id to the version of its row that was copied last; live ones alone
    triggers:holding                   set: the live traders that have bought something, and may want to get out
    triggers:ended                     sorted set: trader id by the time (s) at which it was heard that it has ended
    triggers:built                     the mock's world whose traders are in the copy, while that is whole; gone when
                                       Redis was emptied

A crossed trigger moves to `fired` in one step, so that a dispatcher may die at any moment: the leader wakes those
again whose task was not processed.

A copy may come late, after its trader has ended. While `ended` remembers that, nothing arms the trader any more; then
the leader, which takes away each minute what has no live row (prune), is the one who sees to it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import redis

from hedgehog_project import shared_clock

FIRED = "triggers:fired"
VERSIONS = "triggers:versions"
ENDED = "triggers:ended"
HOLDING = "triggers:holding"
BUILT = "triggers:built"
# Hosts know the shared clock a little differently.
AHEAD_S = 10.0
REBUILT_AT_ONCE = 1_000

# KEYS: fired, holding, then for each symbol below, above. ARGV: now, max, then for each symbol its newest, lowest
# and highest price. Moves the traders one of whose triggers a price has reached, those of the newest price first. For
# each price that has reached some: which symbol, which price, how many of them hold something, those, and the others.
_FIRE = """
local left, found = tonumber(ARGV[2]), {}
local function fire(symbol, which)
  local below, above, price = KEYS[2 * symbol + 1], KEYS[2 * symbol + 2], ARGV[3 * symbol + which]
  local ids = redis.call('ZRANGE', below, price, '+inf', 'BYSCORE', 'LIMIT', 0, left)
  for _, id in ipairs(redis.call('ZRANGE', above, '-inf', price, 'BYSCORE', 'LIMIT', 0, left - #ids)) do
    table.insert(ids, id)
  end
  if #ids == 0 then return end
  local holding, others, told = {}, {}, {}
  for _, id in ipairs(ids) do
    if redis.call('ZREM', below, id) + redis.call('ZREM', above, id) > 0 then
      table.insert(redis.call('SISMEMBER', KEYS[2], id) == 1 and holding or others, id)
    end
    redis.call('ZADD', KEYS[1], ARGV[1], id)
  end
  told = {symbol - 1, which, #holding}
  for _, id in ipairs(holding) do table.insert(told, id) end
  for _, id in ipairs(others) do table.insert(told, id) end
  table.insert(found, told)
  left = left - #ids
end
for symbol = 1, #KEYS / 2 - 1 do
  local low, high = ARGV[3 * symbol + 1], ARGV[3 * symbol + 2]
  if left > 0 and (#redis.call('ZRANGE', KEYS[2 * symbol + 1], low, '+inf', 'BYSCORE', 'LIMIT', 0, 1) > 0
      or #redis.call('ZRANGE', KEYS[2 * symbol + 2], '-inf', high, 'BYSCORE', 'LIMIT', 0, 1) > 0) then
    for which = 0, 2 do fire(symbol, which) end
  end
end
return found
"""

# How long it is remembered that a trader has ended. A later copy comes from a process that was held up so long.
ENDED_KEPT_S = 3_600

# KEYS: below, above, fired, versions, ended, holding. ARGV from `first` on, for each trader: its id, its version, two
# prices or empty, 1 if it has ended, 1 if it holds something. Two threads that have saved one trader may come here in
# the wrong order: the older one then changes nothing.
_SET = """
local now, count = redis.call('TIME')[1], 0
for i = first, #ARGV, 6 do
  local id, version, is_news = ARGV[i], ARGV[i + 1], true
  if ARGV[i + 4] == '1' then
    redis.call('HDEL', KEYS[4], id)
    redis.call('ZADD', KEYS[5], now, id)
  elseif redis.call('ZSCORE', KEYS[5], id)
      or tonumber(redis.call('HGET', KEYS[4], id) or '0') > tonumber(version) then
    is_news = false
  else
    redis.call('HSET', KEYS[4], id, version)
  end
  if is_news then
    for side = 1, 2 do
      local price = ARGV[i + 1 + side]
      if price == '' then redis.call('ZREM', KEYS[side], id) else redis.call('ZADD', KEYS[side], price, id) end
    end
    redis.call('ZREM', KEYS[3], id)
    redis.call(ARGV[i + 5] == '1' and ARGV[i + 4] ~= '1' and 'SADD' or 'SREM', KEYS[6], id)
    count = count + 1
  end
end
return count
"""
_SET_ALL = f"local first = 1 {_SET}"

# KEYS: versions, ended. ARGV: trader.
_SEEN = """
return {redis.call('HGET', KEYS[1], ARGV[1]) or '', redis.call('ZSCORE', KEYS[2], ARGV[1]) or ''}
"""
# KEYS: those of _SET. ARGV: what `seen` found, and one trader.
_OVERRULE = f"""
local first = 3
if (redis.call('HGET', KEYS[4], ARGV[3]) or '') ~= ARGV[1] then return 0 end
if (redis.call('ZSCORE', KEYS[5], ARGV[3]) or '') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[4], ARGV[3])
redis.call('ZREM', KEYS[5], ARGV[3])
{_SET}
"""


@dataclass(frozen=True)
class Trigger:
    """A trader's triggers at one version of its row. None: no price wakes it."""

    trader: int
    market: str
    symbol: str
    below: Decimal | None
    version: int = 0
    has_ended: bool = False
    above: Decimal | None = None
    holds: bool = False  # it has bought something: whatever wakes it may be an exit


def key_below(market: str, symbol: str) -> str:
    return f"triggers:below:{market}:{symbol}"


def key_above(market: str, symbol: str) -> str:
    return f"triggers:above:{market}:{symbol}"


def set_trigger(client: "redis.Redis", trigger: Trigger) -> bool:
    """Arms or disarms a trader that has been heard; False where a later version was quicker.

    Raises redis.RedisError.
    """
    return bool(set_triggers(client, [trigger]))


def set_triggers(client: "redis.Redis", of_one_symbol: Sequence[Trigger]) -> int:
    """As set_trigger, for traders of one symbol and market; how many were changed. Raises redis.RedisError."""
    keys = _keys(of_one_symbol[0].market, of_one_symbol[0].symbol)
    args = [arg for trigger in of_one_symbol for arg in _args(trigger)]
    return int(client.eval(_SET_ALL, len(keys), *keys, *args))


def seen(client: "redis.Redis", trader: int) -> tuple[bytes, bytes]:
    """Its version and its end, as remembered; to be asked before its row. Raises redis.RedisError."""
    version, ended = client.eval(_SEEN, 2, VERSIONS, ENDED, trader)
    return version, ended


def overrule(client: "redis.Redis", trigger: Trigger, was_seen: tuple[bytes, bytes]) -> bool:
    """As set_trigger, whatever is remembered, for a row that was read after that was seen; False where it is more by
    now.

    What Redis remembers may be of a database from before a backup was restored. Raises redis.RedisError.
    """
    keys = _keys(trigger.market, trigger.symbol)
    return bool(client.eval(_OVERRULE, len(keys), *keys, *was_seen, *_args(trigger)))


def _keys(market: str, symbol: str) -> list[str]:
    return [key_below(market, symbol), key_above(market, symbol), FIRED, VERSIONS, ENDED, HOLDING]


def _args(trigger: Trigger) -> list[str | int]:
    # A float keeps the order of prices, equal ones stay equal: that is all that a score is for.
    scores = ["" if price is None else repr(float(price)) for price in (trigger.below, trigger.above)]
    return [trigger.trader, trigger.version, *scores, int(trigger.has_ended), int(trigger.holds)]


def drop(client: "redis.Redis", traders: Iterable[int], sets: Iterable[str] = ()) -> None:
    """Takes away traders that have ended, also out of these sets of triggers, and remembers that they have.

    Raises redis.RedisError.
    """
    names = [str(trader) for trader in traders]
    seconds, _ = client.time()
    pipeline = client.pipeline(transaction=False)
    # First: from here on no late copy arms them again.
    pipeline.zadd(ENDED, dict.fromkeys(names, seconds))
    pipeline.hdel(VERSIONS, *names)
    pipeline.srem(HOLDING, *names)
    for key in (FIRED, *sets):
        pipeline.zrem(key, *names)
    pipeline.execute()


def prune(client: "redis.Redis", live: Callable[[], set[int]]) -> int:
    """Takes away whatever belongs to no live trader; how many such traders there were. Raises redis.RedisError.

    `live` is asked after Redis was: a trader is copied once its row is there, so none that lives is missed.
    """
    sets = [str(key, "utf-8") for key in client.scan_iter("triggers:*:*:*", count=1000)]
    seconds, _ = client.time()
    pipeline = client.pipeline(transaction=False)
    pipeline.zremrangebyscore(ENDED, "-inf", seconds - ENDED_KEPT_S)
    pipeline.hkeys(VERSIONS)
    pipeline.smembers(HOLDING)
    for key in (FIRED, *sets):
        pipeline.zrange(key, 0, -1)
    _, *known = pipeline.execute()
    gone = {int(each) for found in known for each in found} - live()
    if gone:
        drop(client, gone, sets)
    return len(gone)


class Seen(NamedTuple):
    """What a batch of one symbol's trades has reached. Prices are decimals as the exchange wrote them."""

    below: str  # key_below, key_above
    above: str
    newest: bytes
    lowest: bytes
    highest: bytes


@dataclass(frozen=True)
class Fired:
    """Traders whose price has come."""

    batch: int  # which of those that were seen
    price: int  # which one they were waiting for: 0 the newest, 1 the lowest, 2 the highest
    holding: list[int]  # may want to get out
    others: list[int]

    def __len__(self) -> int:
        return len(self.holding) + len(self.others)


def fire(client: "redis.Redis", seen: Sequence[Seen], maximum: int = 1000) -> list[Fired]:
    """Traders one of whose triggers was reached; they count as fired from now on. Raises redis.RedisError.

    None are left if there are fewer than `maximum`. One round trip, and no reply for whom nothing concerns.
    """
    keys: list[str] = [FIRED, HOLDING]
    args: list[Any] = [shared_clock.now(), maximum]
    for each in seen:
        keys += (each.below, each.above)
        args += (each.newest, each.lowest, each.highest)
    found = []
    for batch, which, count, *ids in client.eval(_FIRE, len(keys), *keys, *args):
        traders = [int(each) for each in ids]
        found.append(Fired(batch, which, traders[:count], traders[count:]))
    return found


def fired_before(client: "redis.Redis", seconds: float) -> list[int]:
    """The traders that fired more than `seconds` ago and not heard since. Raises redis.RedisError.

    A time ahead of now is one of before the clock was set back.
    """
    now = shared_clock.now()
    pipeline = client.pipeline(transaction=False)
    pipeline.zrangebyscore(FIRED, "-inf", now - seconds)
    pipeline.zrangebyscore(FIRED, now + AHEAD_S, "+inf")
    return [int(each) for found in pipeline.execute() for each in found]


def fired(client: "redis.Redis", traders: Sequence[int]) -> set[int]:
    """Those of them that fired and were not heard since. Raises redis.RedisError."""
    if not traders:
        return set()
    times: Any = client.zmscore(FIRED, [str(trader) for trader in traders])
    return {trader for trader, at in zip(traders, times, strict=True) if at is not None}


def fired_now(client: "redis.Redis", traders: Iterable[int]) -> None:
    """Notes that they fired just now, and are not waited for twice. Raises redis.RedisError."""
    times = dict.fromkeys(map(str, traders), shared_clock.now())
    if times:
        client.zadd(FIRED, times)


def forget_other_worlds(client: "redis.Redis", world: str) -> None:
    """Takes away a copy of when the mock ran another world: of those that rest now, nobody is to be woken, and those
    of this one are not to be taken for ended. Raises redis.RedisError.
    """
    if client.get(BUILT) in (None, world.encode()):
        return
    sets = list(client.scan_iter("triggers:*:*:*", count=1000))
    # The sign comes first: where this ends half-way, the copy is not whole.
    for start in range(0, len(sets) + 1, 1000):
        client.delete(BUILT, FIRED, VERSIONS, ENDED, HOLDING, *sets[start : start + 1000])


def rebuild(client: "redis.Redis", triggers: Iterable[Trigger], world: str) -> int:
    """Puts back what Redis has lost; of how many traders. What was copied later stays. Raises redis.RedisError."""
    count = 0
    of_symbols: dict[tuple[str, str], list[str | int]] = {}
    for trigger in triggers:
        args = of_symbols.setdefault((trigger.market, trigger.symbol), [])
        args += _args(trigger)
        count += trigger.below is not None or trigger.above is not None
        if len(args) >= REBUILT_AT_ONCE * 6:
            _set_all(client, trigger.market, trigger.symbol, args)
            args.clear()
    for (market, symbol), args in of_symbols.items():
        _set_all(client, market, symbol, args)
    client.set(BUILT, world)
    return count


def _set_all(client: "redis.Redis", market: str, symbol: str, args: list[str | int]) -> None:
    keys = _keys(market, symbol)
    client.eval(_SET_ALL, len(keys), *keys, *args)


def is_built(client: "redis.Redis", world: str) -> bool:
    return bool(client.get(BUILT) == world.encode())
