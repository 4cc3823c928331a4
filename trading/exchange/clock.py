"""How far the exchange's clock is from ours: learned once for each address, by whichever thread needs it first."""

import threading
import time
from collections.abc import Callable
from functools import cache


class Clock:
    """`offset_ms` is what to add to our time to have the exchange's."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self._lock = threading.Lock()

    def correct(self, wrong_ms: int, ask_server_ms: Callable[[], int]) -> None:
        """Learns the offset anew, unless another thread has done so since `wrong_ms` was used."""
        with self._lock:
            if self.offset_ms != wrong_ms:
                return
            before = time.time()
            server_ms = ask_server_ms()
            self.offset_ms = server_ms - round((before + time.time()) / 2 * 1000)


@cache
def clock_at(rest_url: str) -> Clock:
    """The clock that this process's threads share for an address."""
    return Clock()
