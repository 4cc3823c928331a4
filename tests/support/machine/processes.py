"""Starting the real processes in a test, watching them, killing them, and never leaving one behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.support.environment import ROOT, tethered

T = TypeVar("T")
TAIL_LINES = 60


class Process:
    """One process of ours, its output in a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.command, self.log = name, command, log
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                tethered(command),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A group of its own: its children go with it, and a Ctrl-C at the tests does not hit it twice.
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of the signal that killed it."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def tail(self) -> str:
        return "\n".join(self.output.splitlines()[-TAIL_LINES:])

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = 10) -> int:
        """The exit code. Fails the test with the end of the log if it does not end in time."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {timeout_s} s:\n{self.tail}") from None

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM, as supervisor sends it; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """kill -9, with all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


class Processes:
    """Starts processes with one environment, and ends those that are left when the test is over."""

    # Comes before each command: a program that becomes it, on another host.
    prefix: Sequence[str] = ()

    def __init__(self, folder: Path, **environment: object) -> None:
        """`environment` is added to the test run's own; logs go to `folder`."""
        self._folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "hedgehog_project.settings",
            "PYTHONUNBUFFERED": "1",
            **{name: str(value) for name, value in environment.items()},
        }
        self.started: list[Process] = []

    def start(self, *command: str, name: str = "", **environment: object) -> Process:
        """Starts `command` in the project's folder."""
        name = name or Path(command[0]).name
        process = Process(
            name,
            [*self.prefix, *command],
            self.environment | {key: str(value) for key, value in environment.items()},
            self._folder / f"{name}-{len(self.started)}.log",
        )
        self.started.append(process)
        return process

    def manage(self, *arguments: str, **environment: object) -> Process:
        """Starts `manage.py ARGUMENTS`."""
        return self.start(sys.executable, "manage.py", *arguments, name=arguments[0], **environment)

    def celery(self, *arguments: str, **environment: object) -> Process:
        """Starts `celery -A hedgehog_project ARGUMENTS`."""
        command = (sys.executable, "-m", "celery", "-A", "hedgehog_project", *arguments)
        return self.start(*command, name=arguments[0], **environment)

    def worker(self, **environment: object) -> Process:
        """Starts a Celery worker that serves all queues."""
        return self.celery("worker", "-c", "8", "-E", "--loglevel=INFO", **environment)

    def run(self, *arguments: str, timeout_s: float = 60, **environment: object) -> subprocess.CompletedProcess[str]:
        """`manage.py ARGUMENTS` to its end: its exit code, stdout and stderr."""
        return subprocess.run(
            [*self.prefix, sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | {key: str(value) for key, value in environment.items()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def last_words(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {process.name}\n{process.tail}" for process in self.started)

    def wait_for(self, condition: Callable[[], T], timeout_s: float = 10, what: str = "") -> T:
        """What `condition` gives once it is true. Fails the test with the ends of all logs if it stays false."""
        give_up = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > give_up:
                raise AssertionError(f"{what or condition} did not come true within {timeout_s} s\n{self.last_words}")
            time.sleep(0.05)

    def stop_all(self) -> None:
        """SIGTERM for all; whoever is left after three seconds is killed."""
        running = [process for process in self.started if process.is_running]
        for process in running:
            process.signal(signal.SIGTERM)
        give_up = time.monotonic() + 3
        while time.monotonic() < give_up and any(process.is_running for process in running):
            time.sleep(0.02)
        for process in self.started:
            process.kill()
