"""The order of one symbol's trades: which may be published now, which are old, and which are missing. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from streamer.topics import TradeEvent

# A lower id this much later by the exchange's own clock is no repetition, whatever its trade time says.
# (A replayed market's trade times lie in the past.)
ANEW_AFTER_MS = 60_000


class Verdict(Enum):
    """What to do with a trade that has arrived."""

    PUBLISH = "it is the next one"
    OLD = "it, or a later one, was published before"
    HELD = "it waits for those before it"
    ANEW = "the exchange has begun its ids anew: empty the topic, then publish it"


@dataclass(frozen=True)
class Gap:
    """Trade ids first..last, both included, that have not arrived."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Sequence:
    """What has been published of one symbol, and what waits behind a gap."""

    def __init__(self) -> None:
        self.last: TradeEvent | None = None
        self.gap: Gap | None = None
        self.held: dict[int, TradeEvent] = {}
        self._next_id = -1
        self._latest_trade_ms = 0
        self._latest_ms = 0

    def resume(self, last: TradeEvent) -> None:
        """Goes on behind a trade that was published earlier, by whomever."""
        self._take(last)

    def offer(self, trade: TradeEvent) -> Verdict:
        """Decides on a trade that has arrived. HELD may open `gap`; call `run` then, the trade may also close it."""
        if trade.trade_id == self._next_id and not self.held:
            self._take(trade)
            return Verdict.PUBLISH
        if self.last is None:
            self._take(trade)
            return Verdict.PUBLISH
        if trade.trade_id < self._next_id:
            if not self._is_anew(trade):
                return Verdict.OLD
            self.gap = None
            self.held.clear()
            self._take(trade)
            return Verdict.ANEW
        if trade.trade_id in self.held:
            return Verdict.OLD
        self.held[trade.trade_id] = trade
        return Verdict.HELD

    def run(self) -> list[TradeEvent]:
        """The held trades that may be published now, in order. Then `gap` is what is missing before the rest."""
        ready = []
        while (trade := self.held.pop(self._next_id, None)) is not None:
            self._take(trade)
            ready.append(trade)
        if not self.held:
            self.gap = None
        elif self.gap is None or self.gap.last < self._next_id:
            self.gap = Gap(self._next_id, min(self.held) - 1)
        return ready

    def close(self, gap: Gap, found: Iterable[TradeEvent]) -> list[TradeEvent]:
        """Ends a gap with what was found of it, be it all, part or nothing; the trades to publish, in order.

        A gap that is not open any more (it closed by itself, or the ids began anew) changes nothing.
        """
        if self.gap is not gap:
            return []
        inside = {trade.trade_id: trade for trade in found if self._next_id <= trade.trade_id <= gap.last}
        for trade_id in [held for held in self.held if held <= gap.last]:
            inside[trade_id] = self.held.pop(trade_id)
        ready = [inside[trade_id] for trade_id in sorted(inside)]
        for trade in ready:
            self._take(trade)
        self._next_id = gap.last + 1
        self.gap = None
        return ready + self.run()

    def _take(self, trade: TradeEvent) -> None:
        self.last = trade
        self._next_id = trade.trade_id + 1
        if trade.trade_ms > self._latest_trade_ms:
            self._latest_trade_ms = trade.trade_ms
        if trade.event_ms > self._latest_ms:
            self._latest_ms = trade.event_ms

    def _is_anew(self, trade: TradeEvent) -> bool:
        return trade.trade_ms > self._latest_trade_ms or trade.event_ms > self._latest_ms + ANEW_AFTER_MS
