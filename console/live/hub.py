"""Who listens to which topics, and the newest frames, from which a page that was away for a moment goes on."""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from console.chart.standing import Value

Bar = list[Any]  # [s, open, high, low, close, volume]

# Frames kept for those who come back: a minute of a busy page.
KEPT = 2_000
MAX_PAGES = 200
# Of a frame's number; what is longer was not given out here.
MAX_DIGITS = 18


@dataclass
class Frame:
    """What one or several topics have to say; empty parts say nothing."""

    values: dict[str, Value] = field(default_factory=dict)
    bars: dict[str, list[Bar]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.values or self.bars or self.changed)

    def add(self, other: "Frame") -> None:
        """What follows: a later text takes the place of an earlier one, bars go on."""
        self.values |= other.values
        self.changed |= other.changed
        for topic, bars in other.bars.items():
            merge_bars(self.bars.setdefault(topic, []), bars)

    def as_json(self) -> dict[str, Any]:
        return {"values": self.values, "bars": self.bars, "changed": sorted(self.changed)}


def merge_bars(bars: list[Bar], more: Iterable[Bar]) -> None:
    """Adds trades by the second to those before them."""
    for second, opened, high, low, closed, volume in more:
        if bars and bars[-1][0] == second:
            last = bars[-1]
            bars[-1] = [second, last[1], max(last[2], high), min(last[3], low), closed, last[5] + volume]
        else:
            bars.append([second, opened, high, low, closed, volume])


class Full(Exception):
    """So many pages are open that another would be too much: it is to poll."""


class Page:
    """One open page. On the event loop: `wait()` for news, then `take()` them."""

    def __init__(self, topics: frozenset[str], loop: asyncio.AbstractEventLoop) -> None:
        self.topics = topics
        self.last = 0
        self._loop = loop
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, seconds: float) -> bool:
        """Whether there may be news within that time."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Hub:
    """For all threads. `on_first`: called with the first page, to begin reading."""

    def __init__(self, on_first: Callable[["Hub"], None]) -> None:
        self._on_first = on_first
        self._lock = threading.Lock()
        self._pages: set[Page] = set()
        self._frames: deque[tuple[int, str, Frame]] = deque(maxlen=KEPT)
        self._number = 0
        self.epoch = ""
        self.is_closing = False
        # What the beats tell: problems in words, by what does not answer.
        self.problems: dict[str, str] = {}

    # --- pages ------------------------------------------------------------------------------------
    def join(self, page: Page, last_event_id: str = "") -> bool:
        """Whether the page goes on from the frame of that id; where not, it needs the whole state first.

        Raises Full.
        """
        with self._lock:
            if len(self._pages) >= MAX_PAGES or self.is_closing:
                raise Full
            is_first = not self._pages
            if is_first:
                # What is kept has a gap: nobody has read meanwhile.
                self.epoch = secrets.token_hex(4)
                self._frames.clear()
            epoch, _, number = last_event_id.partition("-")
            oldest = self._frames[0][0] if self._frames else self._number + 1
            came_to = int(number) if number.isdecimal() and len(number) < MAX_DIGITS else -1
            goes_on = epoch == self.epoch and oldest - 1 <= came_to <= self._number
            page.last = came_to if goes_on else self._number
            self._pages.add(page)
        if is_first:
            self._on_first(self)
        return goes_on

    def leave(self, page: Page) -> None:
        with self._lock:
            self._pages.discard(page)

    def take(self, page: Page) -> tuple[str, Frame]:
        """All that is new for the page since it last took anything, and the id to go on from."""
        found = Frame()
        with self._lock:
            fresh = []
            for number, topic, frame in reversed(self._frames):
                if number <= page.last:
                    break
                if topic in page.topics:
                    fresh.append(frame)
            page.last = self._number
            event_id = f"{self.epoch}-{page.last}"
        for frame in reversed(fresh):
            found.add(frame)
        return event_id, found

    def close(self) -> None:
        """All pages end: the server does."""
        self.is_closing = True
        with self._lock:
            pages = list(self._pages)
        for page in pages:
            page.wake()

    def see_to_reader(self) -> None:
        """Begins reading again where that has ended while pages are open."""
        self._on_first(self)

    # --- the reader -------------------------------------------------------------------------------
    def topics(self) -> frozenset[str]:
        """What somebody listens to; empty where nobody does."""
        with self._lock:
            return frozenset().union(*(page.topics for page in self._pages))

    def tell(self, frames: dict[str, Frame]) -> None:
        """News by topic."""
        said = {topic: frame for topic, frame in frames.items() if frame}
        if not said:
            return
        with self._lock:
            for topic, frame in said.items():
                self._number += 1
                self._frames.append((self._number, topic, frame))
            pages = [page for page in self._pages if page.topics & said.keys()]
        for page in pages:
            page.wake()
