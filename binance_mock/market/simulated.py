"""A market of its own making: prices that swing around an anchor, calmly and in bursts, the same for the same seed.

The price is the anchor times exp(x). x is pulled back to 0 within seconds (an Ornstein-Uhlenbeck process), and now
and then somebody sweeps the book: some trades in one instant run half a per cent or more up or down, and the next is
back. So swings that finish a cycle are usual, while the price stays where it belongs. Without sweeps it would end in
silence: who always sells higher than he bought, and buys again just below that, climbs until the market comes there
no more.

Trades come in calm times and in bursts, on average RATE a second. Prices here are floats: a simulated market is no
money until a trade is made of it.
"""

import heapq
import math
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from random import Random

from binance_mock.engine.amounts import floor_to
from binance_mock.engine.orders import MarketTrade
from binance_mock.state.listings import LISTINGS, MockSymbol
from binance_mock.state.past import (
    MAX_SWEEP,
    MIN_SWEEP,
    SIZE_SPREAD,
    SWEEP_BEYOND,
    SWEEP_EVERY_S,
    Past,
    past_of,
)

# On average past.RATE trades a second.
CALM_RATE = 10.5
BURST_RATE = 60.0
CALM_S = 5.0  # how long calm times last on average
BURST_S = 1.0
SWING = 0.0015  # the standard deviation of x
PULL_S = 10.0  # how fast x is pulled back
SWEEP_TRADES = (6, 12)
# A market that was held up for longer, as by a machine asleep, goes on from now instead of making up for it.
MAX_LAG_MS = 1_000.0
# A price that a restart finds further away than this starts again at its anchor.
FARTHEST = 0.05


class SimulatedSymbol:
    """One symbol's market: when the next trade comes, and what it is."""

    def __init__(self, listing: MockSymbol, random: Random, price: Decimal | None, now_ms: int) -> None:
        self._listing = listing
        self._random = random
        self._anchor = float(listing.price)
        self._tick = float(listing.tick)
        x = math.log(float(price) / self._anchor) if price else 0.0
        self._x = x if abs(x) < FARTHEST else 0.0
        self._at_ms = float(now_ms)
        self._is_burst = False
        self._turns_ms = now_ms + 1000 * random.expovariate(1 / CALM_S)
        self._sweeps_ms = now_ms + 1000 * random.expovariate(1 / SWEEP_EVERY_S)
        self._swept: deque[MarketTrade] = deque()

    def next(self, now_ms: float) -> tuple[float, MarketTrade]:
        """The next trade, and its time in ms. Each call goes on from the one before."""
        if self._swept:
            return self._at_ms, self._swept.popleft()
        if self._at_ms < now_ms - MAX_LAG_MS:
            self._at_ms = now_ms
        random = self._random
        gap_s = random.expovariate(BURST_RATE if self._is_burst else CALM_RATE)
        self._at_ms += gap_s * 1000
        if self._at_ms >= self._turns_ms:
            self._is_burst = not self._is_burst
            self._turns_ms = self._at_ms + 1000 * random.expovariate(1 / (BURST_S if self._is_burst else CALM_S))
        # The exact step of the process over the gap: how far it is pulled, and how far it is pushed.
        keep = math.exp(-gap_s / PULL_S)
        self._x = self._x * keep + random.gauss(0.0, SWING * math.sqrt(1 - keep * keep))
        if self._at_ms >= self._sweeps_ms:
            self._sweeps_ms = self._at_ms + 1000 * random.expovariate(1 / SWEEP_EVERY_S)
            self._sweep()
        return self._at_ms, self._trade(self._x, random.random() < 0.5)

    def _sweep(self) -> None:
        random = self._random
        is_up = random.random() < 0.5
        run = min(MIN_SWEEP + random.expovariate(1 / SWEEP_BEYOND), MAX_SWEEP) * (1 if is_up else -1)
        steps = random.randint(*SWEEP_TRADES)
        self._swept.extend(self._trade(self._x + run * step / steps, not is_up) for step in range(1, steps + 1))
        # Others fill the book again at once.
        self._swept.append(self._trade(self._x, is_up))

    def _trade(self, x: float, buyer_is_maker: bool) -> MarketTrade:
        listing = self._listing
        half_spread = -0.5 if buyer_is_maker else 0.5
        ticks = max(1, round(self._anchor * math.exp(x) / self._tick + half_spread))
        size = listing.typical * Decimal(repr(round(self._random.lognormvariate(0.0, SIZE_SPREAD), 6)))
        quantity = max(floor_to(size, listing.step), listing.step)
        return MarketTrade(listing.symbol, listing.tick * ticks, quantity, buyer_is_maker)


class SimulatedMarket:
    """Moves the symbols that somebody cares for."""

    name = "simulated"

    def __init__(self, seed: int, listings: Mapping[str, MockSymbol] = LISTINGS) -> None:
        self._seed = seed
        self._listings = listings
        self._symbols: dict[str, SimulatedSymbol] = {}
        # (time in ms, symbol, the trade): the next one of each moving symbol.
        self._due: list[tuple[float, str, MarketTrade]] = []

    def opening(self, symbol: str) -> MarketTrade:
        """The trade that gives a symbol its first price."""
        listing = self._listings[symbol]
        return MarketTrade(symbol, listing.price, listing.step, False)

    def past(self, symbol: str, now_ms: int) -> Past:
        return past_of(self._listings[symbol], str(self._seed), now_ms)

    def activate(self, symbol: str, last_price: Decimal | None, last_trade_id: int, now_ms: int) -> None:
        """Begins to move a symbol from its last price; nothing for one that moves already or is not listed."""
        if symbol in self._symbols or symbol not in self._listings:
            return
        # The last trade id is part of the seed: a restart goes on instead of repeating itself.
        random = Random(f"{self._seed}:{symbol}:{last_trade_id}")
        moving = self._symbols[symbol] = SimulatedSymbol(self._listings[symbol], random, last_price, now_ms)
        at_ms, trade = moving.next(now_ms)
        heapq.heappush(self._due, (at_ms, symbol, trade))

    def marks(self) -> dict[str, str]:
        """None: a price goes on from the last trade."""
        return {}

    def until(self, now_ms: int, maximum: int) -> list[MarketTrade]:
        """The trades up to now, at most so many; the rest with the next call."""
        trades: list[MarketTrade] = []
        due = self._due
        while due and due[0][0] <= now_ms and len(trades) < maximum:
            _, symbol, trade = due[0]
            trades.append(trade)
            at_ms, following = self._symbols[symbol].next(now_ms)
            heapq.heapreplace(due, (at_ms, symbol, following))
        return trades
