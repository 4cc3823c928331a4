"""`manage.py worker`, and what keeps it running: it comes back, ever later, and ends with whoever keeps it."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import redis

from hedgehog_project import keeper
from hedgehog_project.heartbeats import beats
from hedgehog_project.keeper import Keeper
from tests.support.machine.processes import Processes
from tests.support.machine.stack import command_of
from trading.management.commands.worker import WORKER


class After(threading.Event):
    """Set after so many waits, which take no time."""

    def __init__(self, count: int, waits: list[str]) -> None:
        super().__init__()
        self._count, self._waits = count, waits

    def wait(self, timeout: float | None = None) -> bool:
        if len(self._waits) == self._count:
            self.set()
        return self.is_set()


def test_it_is_the_worker_of_make_run_for_all_queues() -> None:
    command = " ".join(command_of("worker")).replace(" -Q exits,reports,celery -c 8 ", " -c 32 ")
    assert " ".join(("python", *WORKER)) == command


def test_worker_that_is_killed_comes_back_and_ends_with_its_keeper(
    processes: Processes, redis_client: "redis.Redis"
) -> None:
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    kept = processes.manage("worker", "-n", "second@%h", "--concurrency", "2")

    def pid() -> int:
        return next((each.pid for each in beats(redis_client) if each.is_fresh and each.pid != first), 0)

    first = 0
    first = processes.wait_for(pid, 40, "a worker's heartbeat")
    assert "second@" in Path(f"/proc/{first}/cmdline").read_text()
    os.kill(first, signal.SIGKILL)
    processes.wait_for(pid, 40, "another worker's heartbeat")
    assert "worker: It has ended (killed by SIGKILL), and is started again in 1 s." in kept.output
    second = pid()
    assert kept.stop(15) == 0
    assert not Path(f"/proc/{second}").exists()


def test_who_does_not_stay_up_is_started_ever_later(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    kept = Keeper(["false"], lambda text: waits.extend(re.findall(r"in (\d+) s", text)))
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    monkeypatch.setattr(kept, "_stopped", After(7, waits))
    assert kept.run() == 1
    assert waits == ["1", "2", "4", "8", "16", "30", "30"]


def test_who_has_stayed_up_comes_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    kept = Keeper(["false"], lambda text: waits.extend(re.findall(r"in (\d+) s", text)))
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    monkeypatch.setattr(keeper, "STAYED_UP_S", 0.0)
    monkeypatch.setattr(kept, "_stopped", After(3, waits))
    began = time.monotonic()
    kept.run()
    assert (waits, time.monotonic() - began < 10) == (["1", "1", "1"], True)
