"""What `make run` shows: the log of every process as it grows, each line with its process's name."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

# Supervisor's own lines that people need; the rest is in its log.
WORTH_SHOWING = ("exited:", "gave up:", "spawnerr:", "CRIT", "ERRO")
COLOURS = (36, 33, 32, 35, 34, 95, 96, 93, 92)
SUPERVISOR = "supervisor"
MAX_BYTES = 1 << 18


class Log:
    """One growing file, read line by line, over rotations. What it holds at the beginning is history."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        if path.exists():
            self._file = path.open("rb")
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[str]:
        """The lines that were finished since the last call."""
        chunk = self._read()
        if not chunk and self._was_rotated():
            assert self._file
            self._file.close()
            self._file = None
            chunk = self._read()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line.decode(errors="replace").rstrip() for line in lines]

    def _read(self) -> bytes:
        if self._file is None:
            if not self._path.exists():
                return b""
            self._file = self._path.open("rb")
        return self._file.read(MAX_BYTES)

    def _was_rotated(self) -> bool:
        if self._file is None or not self._path.exists():
            return False
        now, ours = self._path.stat(), os.fstat(self._file.fileno())
        return (now.st_ino, now.st_dev) != (ours.st_ino, ours.st_dev)


class Terminal:
    """Writes to stdout. When nobody reads it any more, `is_gone` turns true and it falls silent."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """`folder` has a log of each of the `names`, and the supervisor's."""
        self._width = max(map(len, (*names, SUPERVISOR)))
        self.is_gone = False
        self._has_colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._logs = {name: Log(folder / f"{name}.log") for name in names}
        self._supervisor = Log(folder / "supervisord.log")

    def say(self, text: str) -> None:
        """Something of our own."""
        self._write(text + "\n")

    def show_new_lines(self) -> None:
        """Whatever the processes have logged since the last call."""
        for number, (name, log) in enumerate(self._logs.items()):
            prefix = f"{name:<{self._width}} |"
            if self._has_colours:
                prefix = f"\x1b[{COLOURS[number % len(COLOURS)]}m{prefix}\x1b[0m"
            for line in log.new_lines():
                self._write(f"{prefix} {line}\n")
        for line in self._supervisor.new_lines():
            if any(word in line for word in WORTH_SHOWING):
                self._write(f"{SUPERVISOR:<{self._width}} | {line}\n")

    def _write(self, text: str) -> None:
        if self.is_gone:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:  # The terminal was closed, or the reader of the pipe has ended.
            self.is_gone = True
