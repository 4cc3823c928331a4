"""When a market's trades were made, by the clock that our hosts share, whatever their wall clocks are set to.

The exchange is asked for its time once a minute, and at once when its trades do not fit what it said. Between two
questions our steady clock counts.
"""

import logging
import threading
import time

import msgspec

from hedgehog_project import shared_clock
from streamer import rest

log = logging.getLogger(__name__)

ASK_EVERY_S, ASK_AGAIN_S = 60.0, 5.0
# Trades that are newer than the exchange's time by so much, or older, make us ask: one of the clocks was set.
AHEAD_MS, BEHIND_MS = 2_000, 10_000


class _Time(msgspec.Struct):
    server_time: int = msgspec.field(name="serverTime")


class ExchangeClock:
    """One market's clock: `run` in a thread of its own asks for it, the publisher's thread uses it."""

    def __init__(self, rest_url: str) -> None:
        self._rest_url = rest_url
        self._ahead_ms: float | None = None  # of our steady clock; None: the exchange has not told yet
        self._doubts = threading.Event()
        self._stopping = False

    def shift_ms(self) -> int:
        """What to add to the exchange's times to have them by the shared clock."""
        if self._ahead_ms is None:
            # Our wall clock stands in for the exchange's: with most, they are a second apart at most.
            return round((shared_clock.now() - time.time()) * 1000)
        return round(shared_clock.now() * 1000 - time.monotonic() * 1000 - self._ahead_ms)

    def look_at(self, event_ms: int) -> None:
        """Has the exchange asked again where a trade that came just now does not fit."""
        if self._ahead_ms is None:
            return
        age_ms = time.monotonic() * 1000 + self._ahead_ms - event_ms
        if not -AHEAD_MS <= age_ms <= BEHIND_MS:
            self._doubts.set()

    def run(self) -> None:
        while not self._stopping:
            wait_s = ASK_EVERY_S if self._learn() else ASK_AGAIN_S
            asked_at = time.monotonic()
            if self._doubts.wait(wait_s):
                self._doubts.clear()
                # A feed that is really behind is not asked about without end.
                left_s = asked_at + ASK_AGAIN_S - time.monotonic()
                while left_s > 0 and not self._stopping:
                    time.sleep(min(left_s, 0.25))
                    left_s = asked_at + ASK_AGAIN_S - time.monotonic()

    def stop(self) -> None:
        self._stopping = True
        self._doubts.set()

    def _learn(self) -> bool:
        before = time.monotonic()
        try:
            answer = rest.get(self._rest_url, "time", {}, _Time)
        except (rest.Unreachable, rest.Refused) as error:
            log.info("exchange_time_unknown url=%s reason=%r", self._rest_url, str(error))
            return False
        # It was told somewhere on the way.
        self._ahead_ms = answer.server_time - (before + time.monotonic()) / 2 * 1000
        return True
