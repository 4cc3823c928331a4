"""How the streaming goes: for people one line, for machines facts."""

import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from streamer.topics import TradeEvent

log = logging.getLogger(__name__)

LINE_EVERY_S = 0.5
LOG_EVERY_S = 60.0


@dataclass(frozen=True)
class Facts:
    """What the heartbeat tells."""

    symbols: int
    frames_per_s: float
    reconnects: int
    dropped: int
    last_frame_age_s: float | None
    user_streams: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value not in (None, "")}


class Rate:
    """Events per second, from a count that only grows, over the last few seconds."""

    WINDOW_S = 3.0

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def update(self, count: int, now: float | None = None) -> float:
        now = time.monotonic() if now is None else now
        self._marks.append((now, count))
        while len(self._marks) > 2 and now - self._marks[1][0] >= self.WINDOW_S:
            self._marks.pop(0)
        (since, before), (until, after) = self._marks[0], self._marks[-1]
        return (after - before) / (until - since) if until > since else 0.0


class Progress:
    """On a terminal one line that is written over; elsewhere one log line a minute."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self.is_terminal = self._stream.isatty()
        self._due = 0.0

    def show(self, facts: Facts, last: Iterable[TradeEvent], now_ms: float) -> None:
        """Shows it where it is time to."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (LINE_EVERY_S if self.is_terminal else LOG_EVERY_S)
        newest = max(last, key=lambda trade: trade.event_ms, default=None)
        if self.is_terminal:
            # The cursor waits at the line's beginning: a log line then takes its place.
            self._stream.write(f"\r\x1b[K{line_for_people(facts, newest, now_ms)}\r")
            self._stream.flush()
        else:
            log.info("%s", line_for_machines(facts, newest, now_ms))

    def end(self) -> None:
        if self.is_terminal:
            self._stream.write("\n")
            self._stream.flush()


def line_for_people(facts: Facts, newest: TradeEvent | None, now_ms: float) -> str:
    parts = [f"{facts.symbols} symbol{'s' if facts.symbols != 1 else ''}", f"{facts.frames_per_s:,.1f} frames/s"]
    if newest is None:
        parts.append("no trade yet")
    else:
        price = newest.price.rstrip("0").rstrip(".") if "." in newest.price else newest.price
        parts.append(f"{newest.symbol} {price}, {_age_s(newest, now_ms):.1f} s ago")
    parts.append(f"{facts.reconnects} reconnects")
    if facts.dropped:
        parts.append(f"{facts.dropped:,} dropped")
    if facts.user_streams:
        parts.append(f"own orders: {facts.user_streams}")
    return "  ".join(parts)


def line_for_machines(facts: Facts, newest: TradeEvent | None, now_ms: float) -> str:
    parts = [f"{name}={value}" for name, value in facts.as_dict().items()]
    if newest is not None:
        parts.append(f"last_symbol={newest.symbol} last_price={newest.price} age_s={_age_s(newest, now_ms):.1f}")
    return f"streaming {' '.join(parts)}"


def _age_s(trade: TradeEvent, now_ms: float) -> float:
    # By our clock against the exchange's: a clock that is a little behind must not show a trade of the future.
    return max(0.0, (now_ms - trade.event_ms) / 1000)
