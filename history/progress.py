"""How far a download is: one line with a bar, the share, bytes, speed and time left."""

import threading
import time
from collections import deque
from collections.abc import Callable

from hedgehog_project.tables import size

BAR = 24
# The speed is that of the last seconds: what an hour ago was does not tell when it ends.
SPEED_OF_S = 10.0
SHOWN_EVERY_S = 0.2


class Progress:
    """Counts what has arrived of all files together. For several threads at once."""

    def __init__(
        self,
        total: int,
        show: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` in bytes. `show` is given the line, not more often than one can read."""
        self._total, self._show, self._clock = total, show, clock
        self._lock = threading.Lock()
        self._arrived: dict[str, int] = {}
        # Times, and how many bytes had come over the line by then: what was here already has no speed.
        self._steps: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._over_the_line = 0
        self._shown_at = 0.0
        self.doing = ""

    def arrived(self, name: str, count: int) -> None:
        """So many bytes of a file are here; less than before where it was begun anew."""
        with self._lock:
            before = self._arrived.get(name)
            self._arrived[name] = count
            now = self._clock()
            if before is not None and count > before:
                self._over_the_line += count - before
            self._steps.append((now, self._over_the_line))
            while len(self._steps) > 2 and self._steps[1][0] < now - SPEED_OF_S:
                self._steps.popleft()
            if self._show is None or now < self._shown_at + SHOWN_EVERY_S:
                return
            self._shown_at = now
            line = self._line()
        self._show(line)

    def adds(self, count: int) -> None:
        """There is more to do than was known."""
        with self._lock:
            self._total += count

    def tell(self, doing: str) -> None:
        """What is done at the moment, after the figures."""
        with self._lock:
            self.doing = doing
            line = self._line()
        if self._show is not None:
            self._show(line)

    def _line(self) -> str:
        done = sum(self._arrived.values())
        total = max(self._total, done)
        share = done / total if total else 1.0
        bar = f"[{'#' * int(share * BAR):<{BAR}}] {share:4.0%}  {size(done)} of {size(total)}"
        (began, before), (now, here) = self._steps[0], self._steps[-1]
        speed = (here - before) / (now - began) if now > began else 0.0
        if speed > 0:
            bar += f"  {size(speed)}/s  {duration((total - done) / speed)} left"
        return f"{bar}  {self.doing}".rstrip()


def counted(number: int, of: str) -> str:
    """1 file, 2 files."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """As people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
