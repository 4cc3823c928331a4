"""Threads of which none dies silently: the first one that fails ends the process."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class ThreadGroup:
    """Starts threads and knows the first that failed. They are daemons: a stuck one does not keep the process."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.failure: str | None = None
        self.alarm = threading.Event()  # set when there is a failure

    def start(self, name: str, body: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._run, args=(name, body), name=name, daemon=True)
        self._threads = [t for t in self._threads if t.is_alive()]
        self._threads.append(thread)
        thread.start()

    def join(self, within_s: float, but: str = "") -> list[str]:
        """Waits for all threads but one; the names of those that are still busy afterwards."""
        until = time.monotonic() + within_s
        awaited = [thread for thread in self._threads if thread.name != but]
        for thread in awaited:
            thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in awaited if thread.is_alive()]

    def _run(self, name: str, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:
            self.failure = self.failure or f"{name} failed: {type(error).__name__}: {error}"
            self.alarm.set()
            log.critical("thread=%s failed", name, exc_info=True)
            raise SystemExit from error  # Ends this thread; the main thread ends the process.
