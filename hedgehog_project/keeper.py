"""Keeps one command running where no supervisor does: it is started again, ever later while it does not stay up."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from hedgehog_project.env import BASE_DIR

EXEC_WITH_PARENT = BASE_DIR / "hedgehog_project" / "exec_with_parent.py"
# From one start to the next: so long at first and at most, twice as long each time.
FIRST_WAIT_S, MAX_WAIT_S = 1.0, 30.0
# Who has run for so long begins anew with the first.
STAYED_UP_S = 60.0
# From SIGTERM to kill: time to finish the tasks at hand.
STOP_S = 8.0


class Keeper:
    """Runs the command until SIGTERM or SIGINT. `say` is told of each end."""

    def __init__(self, command: Sequence[str], say: Callable[[str], None]) -> None:
        # On Linux the kernel ends the command when this process ends, however that does.
        self._command = [sys.executable, "-IS", str(EXEC_WITH_PARENT), "0", "-", *command]
        self._say = say
        self._stopped = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """The exit code of the last one."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        wait_s = FIRST_WAIT_S
        while True:
            began = time.monotonic()
            # A group of its own: a Ctrl-C in the terminal is passed on once, as SIGTERM.
            self._child = subprocess.Popen(self._command, cwd=BASE_DIR, process_group=0)
            code = self._wait(self._child)
            if self._stopped.is_set():
                return code
            wait_s = FIRST_WAIT_S if time.monotonic() > began + STAYED_UP_S else wait_s
            self._say(f"It has ended ({_in_words(code)}), and is started again in {wait_s:.0f} s.")
            self._stopped.wait(wait_s)
            if self._stopped.is_set():
                return code
            wait_s = min(2 * wait_s, MAX_WAIT_S)

    def _wait(self, child: "subprocess.Popen[bytes]") -> int:
        while not self._stopped.is_set():
            try:
                return child.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        child.terminate()
        try:
            return child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped.set()


def _in_words(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
