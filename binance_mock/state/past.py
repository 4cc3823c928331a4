"""What a simulated symbol traded before the exchange knew it: a year of candles that are derived when asked for.

A past is a function of its seed: nothing of it is kept but the few facts in `Past`. The days come first, from the
last one backwards, so that the past ends at the price at which the simulation begins. Each candle is then split into
shorter ones that add up to it exactly (hours, quarters of an hour, minutes, seconds), only where somebody looks.

Prices are whole ticks, quantities whole lots, and quotes ticks * lots: integers, so that no sum is rounded. Between
two candles the price walks; within one it also runs up and down, as where somebody sweeps the simulated market.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from binance_mock.engine.amounts import UNIT
from binance_mock.state.listings import MockSymbol
from candles.fold import Candle
from candles.intervals import DAY_MS, LEVELS

DAYS = 365
# How the simulated market trades: trades a second, and sweeps that run so far for a moment, as shares of the price.
RATE = 20.0
SWEEP_EVERY_S = 7.0
MIN_SWEEP = 0.004
SWEEP_BEYOND = 0.003  # on average beyond MIN_SWEEP
MAX_SWEEP = 0.02
SIZE_SPREAD = 1.3  # the standard deviation of the logarithm of a trade's size

_TRADES_A_DAY = int(RATE * DAY_MS / 1000)
_DAY_SWING = 0.02  # the standard deviation of a day's return
_DAY_PULL = 0.97  # how much of its distance from the last price a day keeps: a year stays within half and double
_MIN_TRADES = 4  # enough to show an open, a high, a low and a close


class Side(NamedTuple):
    """What takers bought or sold, in lots and in ticks * lots."""

    base: int
    quote: int


class Bar(NamedTuple):
    """A candle of the past in whole ticks and lots. `length_ms` is shorter than its level where the past ends."""

    opens_ms: int
    length_ms: int
    open: int
    high: int
    low: int
    close: int
    first_id: int
    trades: int
    bought: Side
    sold: Side


@dataclass(frozen=True, eq=False)
class Past:
    """`seed` and what the symbol was like at its beginning; `ends_ms` is a whole minute, `price` the last one."""

    symbol: str
    seed: str
    ends_ms: int
    price: Decimal
    tick: Decimal
    step: Decimal
    typical: Decimal

    @property
    def begins_ms(self) -> int:
        return self.ends_ms // DAY_MS * DAY_MS - DAYS * DAY_MS

    @property
    def trades(self) -> int:
        """How many trades it had: the id of its last one."""
        return _TRADES_A_DAY * (self.ends_ms - self.begins_ms) // DAY_MS

    @property
    def lot(self) -> Decimal:
        """The smallest number of steps whose worth needs no more than eight decimals at any price."""
        lot = self.step
        while (self.tick * lot) % UNIT:
            lot *= 10
        return lot

    def candles(self, level: int, from_ms: int, before_ms: int) -> Iterator[Candle]:
        """The candles of a level of LEVELS that open within a time."""
        tick, lot = self.tick, self.lot
        worth = tick * lot
        for bar in self._bars(level, from_ms, before_ms):
            bought, sold = bar.bought, bar.sold
            yield Candle(
                bar.opens_ms,
                bar.opens_ms + level - 1,
                tick * bar.open,
                tick * bar.high,
                tick * bar.low,
                tick * bar.close,
                bar.first_id,
                bar.first_id + bar.trades - 1,
                lot * (bought.base + sold.base),
                worth * (bought.quote + sold.quote),
                lot * bought.base,
                worth * bought.quote,
            )

    def _bars(self, level: int, from_ms: int, before_ms: int) -> Iterator[Bar]:
        if level == DAY_MS:
            first = max(0, -(-(from_ms - self.begins_ms) // DAY_MS))
            for number in range(first, -(-(min(before_ms, self.ends_ms) - self.begins_ms) // DAY_MS)):
                yield _day(self, number)
            return
        above = LEVELS[LEVELS.index(level) + 1]
        for bar in self._bars(above, from_ms // above * above, before_ms):
            yield from (each for each in _parts(self, bar, level) if from_ms <= each.opens_ms < before_ms)

    def text(self) -> str:
        """As it is kept; `read_past` reads it."""
        return " ".join(
            str(each) for each in (self.ends_ms, self.price, self.tick, self.step, self.typical, self.seed)
        )


def read_past(symbol: str, text: str) -> Past:
    ends_ms, price, tick, step, typical, seed = text.split(" ", 5)
    return Past(symbol, seed, int(ends_ms), Decimal(price), Decimal(tick), Decimal(step), Decimal(typical))


def past_of(listing: MockSymbol, seed: str, now_ms: int) -> Past:
    """The past of a symbol that begins to trade now."""
    return Past(
        listing.symbol, seed, now_ms // 60_000 * 60_000, listing.price, listing.tick, listing.step, listing.typical
    )


# Of as many symbols as a large listing has.
@lru_cache(maxsize=512)
def _day_prices(past: Past) -> Sequence[int]:
    """The prices between the days, from the first open on. They are drawn from the last one backwards."""
    random = Random(f"{past.seed}:{past.symbol}:days")
    last = int(past.price / past.tick)
    prices, x, ends_ms = [last], 0.0, past.ends_ms
    while ends_ms > past.begins_ms:
        opens_ms = (ends_ms - 1) // DAY_MS * DAY_MS
        share = (ends_ms - opens_ms) / DAY_MS
        x = x * _DAY_PULL**share + random.gauss(0.0, _DAY_SWING * math.sqrt(share))
        prices.append(max(1, round(last * math.exp(x))))
        ends_ms = opens_ms
    return prices[::-1]


@lru_cache(maxsize=4_096)
def _day(past: Past, number: int) -> Bar:
    """A day of the past, by its number from 0 on; the last one as far as it goes."""
    random = Random(f"{past.seed}:{past.symbol}:day {number}")
    opened, closed = _day_prices(past)[number : number + 2]
    opens_ms = past.begins_ms + number * DAY_MS
    first_id, next_id = _first_id(past, number), _first_id(past, number + 1)
    count = next_id - first_id
    reach = MAX_SWEEP + abs(random.gauss(0.0, _DAY_SWING / 2))
    mean_lots = float(past.typical / past.lot) * math.exp(SIZE_SPREAD**2 / 2)
    base = max(2, round(count * mean_lots * random.uniform(0.9, 1.1)))
    bought = round(base * random.uniform(0.45, 0.55))
    worth = (opened + closed) // 2
    return Bar(
        opens_ms,
        min(DAY_MS, past.ends_ms - opens_ms),
        opened,
        math.ceil(max(opened, closed) * (1 + reach)),
        max(1, math.floor(min(opened, closed) * (1 - reach))),
        closed,
        first_id,
        count,
        Side(bought, bought * worth),
        Side(base - bought, (base - bought) * worth),
    )


def _first_id(past: Past, number: int) -> int:
    """Of a day: on average days have as many trades as the simulation makes."""
    if past.begins_ms + number * DAY_MS >= past.ends_ms:
        return past.trades + 1
    if number in (0, DAYS):
        return 1 + _TRADES_A_DAY * number
    return 1 + int(_TRADES_A_DAY * (number + Random(f"{past.seed}:{past.symbol}:id {number}").uniform(-0.2, 0.2)))


# Some megabytes: what a few symbols' charts show.
@lru_cache(maxsize=2_048)
def _parts(past: Past, whole: Bar, level: int) -> Sequence[Bar]:
    """A candle split into those of the next shorter level, which add up to it exactly."""
    random = Random(f"{past.seed}:{past.symbol}:{level}:{whole.opens_ms}")
    count = -(-whole.length_ms // level)
    lengths = [level] * (count - 1) + [whole.length_ms - (count - 1) * level]
    nodes = _walk(random, whole, lengths)
    highs, lows = [], []
    for opened, closed, length_ms in zip(nodes, nodes[1:], lengths, strict=False):
        highs.append(min(whole.high, math.ceil(max(opened, closed) * (1 + _reach(random, length_ms)))))
        lows.append(max(whole.low, math.floor(min(opened, closed) * (1 - _reach(random, length_ms)))))
    # One of them reached the high of the whole, and one its low.
    highs[highs.index(max(highs))] = whole.high
    lows[lows.index(min(lows))] = whole.low
    weights = [length * random.uniform(0.6, 1.4) for length in lengths]
    counts = _shared(whole.trades, weights, min(_MIN_TRADES, whole.trades // count))
    sides = [_traded(side, nodes, highs, lows, weights) for side in (whole.bought, whole.sold)]
    firsts = accumulate(counts, initial=whole.first_id)
    return [
        Bar(whole.opens_ms + number * level, length_ms, nodes[number], highs[number], lows[number], nodes[number + 1],
            first_id, counts[number], sides[0][number], sides[1][number])
        for number, (length_ms, first_id) in enumerate(zip(lengths, firsts, strict=False))
    ]  # fmt: skip


def _walk(random: Random, whole: Bar, lengths: Sequence[int]) -> list[int]:
    """The prices at which the parts open, and that at which the last one closes."""
    swing = _DAY_SWING * whole.open
    steps = [random.gauss(0.0, swing * math.sqrt(length / DAY_MS)) for length in lengths]
    # The walk is bent so that it ends where the whole does.
    missing = (whole.close - whole.open - sum(steps)) / whole.length_ms
    walked = accumulate((step + missing * length for step, length in zip(steps, lengths, strict=True)), initial=0.0)
    nodes = [min(max(whole.open + round(at), whole.low), whole.high) for at in walked]
    nodes[-1] = whole.close
    return nodes


def _reach(random: Random, length_ms: int) -> float:
    """How far, as a share of the price, the widest sweep to one side runs within a time."""
    sweeps = length_ms / 1000 / SWEEP_EVERY_S / 2
    if sweeps < 1:
        if random.random() >= sweeps:
            return 0.0
        sweeps = 1
    # The widest of so many exponential ones.
    return min(MAX_SWEEP, MIN_SWEEP - SWEEP_BEYOND * math.log(1 - random.random() ** (1 / sweeps)))


def _shared(total: int, weights: Sequence[float], minimum: int = 0) -> list[int]:
    """A number as parts in proportion to the weights, each with the minimum."""
    rest = total - minimum * len(weights)
    scale = rest / sum(weights)
    parts = [minimum + int(weight * scale) for weight in weights]
    parts[weights.index(max(weights))] += total - sum(parts)
    return parts


def _traded(
    side: Side, nodes: Sequence[int], highs: Sequence[int], lows: Sequence[int], weights: Sequence[float]
) -> list[Side]:
    """One side's quantity and worth as those of the parts: each at an average price between its low and its high."""
    bases = _shared(side.base, weights)
    _shift(bases, side.quote, lows, lows.index(min(lows)))
    _shift(bases, -side.quote, [-high for high in highs], highs.index(max(highs)))
    quotes = [base * (opened + closed) // 2 for base, opened, closed in zip(bases, nodes, nodes[1:], strict=False)]
    missing = side.quote - sum(quotes)
    sign, bound = (1, highs) if missing > 0 else (-1, lows)
    rooms = [sign * (base * price - quote) for base, price, quote in zip(bases, bound, quotes, strict=True)]
    if missing:
        # Each in proportion to its room; what the divisions leave goes to the first that have room for it.
        room = sum(rooms)
        parts = [abs(missing) * each // room for each in rooms]
        rest = abs(missing) - sum(parts)
        for number, part in enumerate(parts):
            more = min(rest, rooms[number] - part)
            quotes[number] += sign * (part + more)
            rest -= more
    return [Side(base, quote) for base, quote in zip(bases, quotes, strict=True)]


def _shift(bases: list[int], quote: int, lows: Sequence[int], lowest: int) -> None:
    """Moves quantity to where it is cheapest until all of it could be worth no more than `quote`."""
    excess = sum(base * low for base, low in zip(bases, lows, strict=True)) - quote
    for number in sorted(range(len(bases)), key=lambda each: -lows[each]):
        gain = lows[number] - lows[lowest]
        if excess <= 0 or gain <= 0:
            return
        moved = min(bases[number], -(-excess // gain))
        bases[number] -= moved
        bases[lowest] += moved
        excess -= moved * gain
