"""Where readers hand over trades: bounded, the newest stay, and the one who waits is woken at once."""

import threading
from collections import deque

from streamer.gaps import Filled
from streamer.topics import TradeEvent

Batch = tuple[str, list[TradeEvent]]  # market, trades
Item = Batch | Filled

CAPACITY = 50_000
# While Redis takes trades but slowly, a reader waits so long at most for room: its socket keeps what comes meanwhile.
# Above all it must be back to answer pings in time.
ROOM_S = 2.0


class TradeBuffer:
    """Trades on their way to Redis, and the answers of gap fillers among them."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._trades = 0
        self._dropped = 0
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        self._taken = threading.Condition(lock)
        self._is_flowing = True
        self._closed = False

    def put(self, market: str, trades: list[TradeEvent]) -> None:
        """Hands over trades of a market. Where there is no room, waits a little, or the oldest fall away."""
        with self._changed:
            if self._trades + len(trades) > self._capacity:
                self._taken.wait_for(self._has_room, ROOM_S)
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
            self._taken.notify_all()
            return items

    def set_flowing(self, is_flowing: bool) -> None:
        """Whether somebody takes what is here. Where nobody does, no reader waits for room."""
        with self._changed:
            self._is_flowing = is_flowing
            self._taken.notify_all()

    def take_dropped(self) -> int:
        """How many trades have fallen away since the last call."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
            self._taken.notify_all()

    def _has_room(self) -> bool:
        return self._trades == 0 or self._closed or not self._is_flowing

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
