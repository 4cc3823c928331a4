"""Runs the tests that need the machine, and beside them, at the lowest priority, those that only compute.

python -m tests.support.machine.lanes

The former wait for real processes most of the time; meanwhile the latter get on. The outputs of the lanes follow each
other, each whole. The exit code is 0 if all tests passed. Ctrl-C ends all lanes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from types import FrameType

from tests.support.environment import ROOT, tethered
from tests.support.machine.marked import MARKED

LOOK_EVERY_S = 0.1
# After a Ctrl-C: pytest ends what its tests have started.
ENDS_WITHIN_S = 30.0

Command = tuple[str, ...]


class Lane:
    """Commands that run one after the other, whatever becomes of each. Their output goes to a file."""

    def __init__(self, title: str, *commands: Command) -> None:
        self.codes: list[int] = []
        self._commands = commands
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 open as long as the lane is
        self._output.write(f"{title}:\n".encode())
        self._output.flush()
        self._shown = 0

    def go_on(self) -> bool:
        """Starts the next command if none runs. Returns whether one does."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return True
            self.codes.append(code)
            self._process = None
        if len(self.codes) == len(self._commands):
            return False
        self._process = subprocess.Popen(
            tethered(list(self._commands[len(self.codes)])),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            process_group=0,  # A Ctrl-C reaches it once: by signal().
        )
        return True

    def signal(self, number: signal.Signals) -> None:
        """To all processes of the command that runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def wait(self, timeout_s: float) -> None:
        """For the end of the command that runs; kills what is left of it."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            self.signal(signal.SIGKILL)
            self._process.wait()

    def show(self) -> None:
        """What it has put out since the last time."""
        # Read at a place of our own: the commands go on writing where the file ends.
        while new := os.pread(self._output.fileno(), 1 << 16, self._shown):
            self._shown += len(new)
            sys.stdout.buffer.write(new)
        sys.stdout.buffer.flush()

    def close(self) -> None:
        self._output.close()


def run(*lanes: Lane) -> int:
    """The first exit code that is not 0, or 0. KeyboardInterrupt: every lane has been ended and shown."""
    try:
        for number, lane in enumerate(lanes):  # Shown in this order; all of them run.
            is_running = True
            while is_running:
                is_running = [each.go_on() for each in lanes][number]
                lane.show()
                time.sleep(LOOK_EVERY_S if is_running else 0)
    except KeyboardInterrupt:
        for lane in lanes:
            lane.signal(signal.SIGINT)
        give_up = time.monotonic() + ENDS_WITHIN_S
        for lane in lanes:
            lane.wait(max(0.0, give_up - time.monotonic()))
            lane.show()
        raise
    finally:
        for lane in lanes:
            lane.close()
    return next((code for lane in lanes for code in lane.codes if code), 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def tests(mark: str, *options: str) -> Command:
    """By their files: to collect all tests takes a quarter of a minute."""
    return (sys.executable, "-m", "pytest", "-q", *options, *map(str, MARKED[mark]))


def nice(niceness: int, command: Command) -> Command:
    return ("nice", "-n", str(niceness), *command)


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run(
            Lane(
                "The tests that need the machine",
                tests("alone"),
            ),
            Lane(
                "The tests that only compute",
                nice(19, tests("computes")),
                # Some of these wait for each other for seconds: they give way, and are not starved.
                nice(5, (sys.executable, "-m", "tests.support.machine.databases")),
            ),
        )
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
