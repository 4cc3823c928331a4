"""Our hosts' wall clock, which is set now and then; the world's own time is what really passes.

It has luck of its own: a world in which it is set goes as it would have gone otherwise, up to that moment.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

# It is off by a multiple of this, so that a row's time tells when it was written: no world lives that long.
UNIT = timedelta(minutes=20)
MAX = 18  # units: six hours
# Whoever waits does so for less.
WAITS = timedelta(minutes=2)
# What is proven by two answers is asked for that long.
APART = timedelta(seconds=20)


class WallClock:
    def __init__(self, seed: int, now: Callable[[], datetime]) -> None:
        """`now` is the time that really passes."""
        self._now = now
        self._chance = Random(f"{seed}:clock")
        # Since when it is off by how much.
        self._sets: list[tuple[datetime, timedelta]] = [(now(), timedelta(0))]
        # On a single host Redis's clock is set with ours.
        self.is_redis_here = self._chance.random() < 0.5
        self.is_left_alone = False

    @property
    def off(self) -> timedelta:
        return self._sets[-1][1]

    def may_be_set(self, likely: float) -> bool:
        """Sets it, or not; whether it did. Six hours at most at a time, and off by six hours at most."""
        now = self._now()
        if self.is_left_alone or self._chance.random() >= likely or now < self._sets[-1][0] + APART:
            return False
        was = round(self.off / UNIT)
        units = [each for each in range(max(-MAX, was - MAX), min(MAX, was + MAX) + 1) if each != was]
        self._sets.append((now, self._chance.choice(units) * UNIT))
        return True

    def was_set_within(self, span: timedelta) -> bool:
        return len(self._sets) > 1 and self._now() < self._sets[-1][0] + span

    def real(self, wall: datetime) -> datetime:
        """When that really was, or will be: by the clock's setting at the moment at which it was written."""
        ends = [*(at for at, _ in self._sets[1:]), self._now()]
        for patience in (timedelta(0), WAITS):
            for (began, off), end in reversed(list(zip(self._sets, ends, strict=True))):
                if began <= wall - off <= end + patience:
                    return wall - off
        return wall - self.off
