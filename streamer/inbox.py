"""Where readers hand over trades: bounded, the newest stay, and the one who waits is woken at once."""

import threading
from collections import deque

from streamer.gaps import Filled
from streamer.topics import TradeEvent

Batch = tuple[str, list[TradeEvent]]  # market, trades
Item = Batch | Filled

CAPACITY = 50_000


class Inbox:
    """Trades on their way to Redis, and the answers of gap fillers among them."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._trades = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, market: str, trades: list[TradeEvent]) -> None:
        """Hands over trades of a market. Where there are too many, the oldest fall away."""
        with self._changed:
            self._items.append((market, trades))
            self._trades += len(trades)
            if self._trades > self._capacity:
                self._drop_oldest()
            self._changed.notify()

    def deliver(self, filled: Filled) -> None:
        with self._changed:
            self._items.append(filled)
            self._changed.notify()

    def take(self) -> list[Item] | None:
        """All there is; waits for something. None when closed and empty."""
        with self._changed:
            while not self._items:
                if self._closed:
                    return None
                self._changed.wait()
            items = list(self._items)
            self._items.clear()
            self._trades = 0
            return items

    def take_dropped(self) -> int:
        """How many trades have fallen away since the last call."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _drop_oldest(self) -> None:
        kept: list[Item] = []
        while self._trades > self._capacity:
            item = self._items.popleft()
            if isinstance(item, Filled):  # A symbol waits for it: it stays, in front.
                kept.append(item)
                continue
            market, trades = item
            surplus = min(len(trades), self._trades - self._capacity)
            self._trades -= surplus
            self._dropped += surplus
            if surplus < len(trades):
                self._items.appendleft((market, trades[surplus:]))
        self._items.extendleft(reversed(kept))
