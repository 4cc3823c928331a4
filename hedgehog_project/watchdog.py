"""Ends a process whose tasks do not end; supervisor, or `manage.py worker`, starts it again.

What was under way comes back: the database knows what is due. Each process that runs tasks has one, in a thread of
its own. It says in one line why, and the next process tells people, in its heartbeat.

Code that holds Python's lock for ever lets no thread run, this one neither. So each look sets an alarm, of the C
library's own threads (faulthandler), that ends the process unless the next look comes in time.
"""

import faulthandler
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TextIO

from hedgehog_project import restarts
from hedgehog_project.progress import Running, RunningTask, running

log = logging.getLogger(__name__)

EVERY_S = 1.0
# A task that has run for so many times as long as it may will not end.
OVERDUE = 2.0
# No thread has run for so long.
FROZEN_S = 30.0
# os.EX_TEMPFAIL: start it again.
EXIT_CODE = 75
# Who ends itself is started again within this time, on a busy machine.
STARTS_WITHIN_S = 120.0
# So long the heartbeat tells that this process follows one that ended itself.
TOLD_FOR_S = 3600.0
FOLDER = "run"
# Tasks that are named one by one, in the line that says why.
MAX_NAMED = 3


class Check(NamedTuple):
    """Something else that may not end, known to the rooms above."""

    # Why this process can't go on; empty where it can.
    why: Callable[[], str]
    # Told of the stacks of a process in which no thread ran, and of the pause before this one may restart itself:
    # what it knows and does about it; empty where it knows nothing.
    look_back: Callable[[str, float], str]


_checks: list[Check] = []


def also(check: Check) -> None:
    """Adds it to the watchdogs of all processes."""
    _checks.append(check)


class Watchdog:
    """`threads`: how many do the tasks; `own` names tasks that have threads of their own, and how many."""

    def __init__(
        self,
        name: str,
        home: Path,
        threads: int,
        own: Mapping[str, int] | None = None,
        tasks: Running = running,
        checks: Sequence[Check] = _checks,
    ) -> None:
        self.name = name
        self._threads, self._own = threads, dict(own or {})
        self._tasks, self._checks = tasks, checks
        self._began = time.monotonic()
        self._path = home / FOLDER / f"restarts-{name}.json"
        self._dump_path = home / FOLDER / f"frozen-{name}.txt"
        self._dump: TextIO | None = None
        self._over = threading.Event()
        self._told = False
        self._why = ""
        self.restarts = restarts.read(self._path)
        # Whether it was the last one that ended itself which this one follows.
        self._follows = bool(self.restarts.why) and time.time() - self.restarts.at < STARTS_WITHIN_S

    def start(self) -> None:
        """From here on."""
        self._look_back()
        try:
            self._dump_path.parent.mkdir(parents=True, exist_ok=True)
            self._dump = self._dump_path.open("a")
        except OSError as error:
            log.warning("%s cannot be written, stacks go to stderr: %s", self._dump_path, error.strerror)
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """This process ends as it was asked to."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()

    def facts(self) -> dict[str, str]:
        """For the heartbeat: what does not end, and why the process before ended itself."""
        facts = {"stuck": self._why} if self._why else {}
        if self._follows and self._up_s < TOLD_FOR_S:
            facts["restarted"] = f"itself: {self.restarts.why}"
        return facts

    def why(self) -> str:
        """Why this process can't go on; empty where it can."""
        overdue = self._tasks.overdue(OVERDUE)
        for name, threads in self._own.items():
            if why := _taken([task for task in overdue if task.name == name], threads):
                return why
        if why := _taken([task for task in overdue if task.name not in self._own], self._threads):
            return why
        return next(filter(None, (check.why() for check in self._checks)), "")

    def look(self) -> None:
        """Ends this process where it can't go on, and has been up for long enough."""
        self._why = self.why()
        if not self._why:
            self._told = False
            return
        left_s = self.restarts.pause_s - self._up_s
        if left_s > 0:
            if not self._told:
                log.error("%s is stuck, and restarts itself in %.0f s: %s", self.name, left_s, self._why)
            self._told = True
            return
        log.error("%s is stuck, and restarts itself: %s", self.name, self._why)
        restarts.write(self._path, self.restarts.another(self._why))
        _end()

    @property
    def _up_s(self) -> float:
        return time.monotonic() - self._began

    def _look_back(self) -> None:
        """The process before may have been ended in the middle of anything: then its stacks tell why."""
        dump = restarts.take_dump(self._dump_path)
        if dump:
            log.error(
                "the %s before was ended, for none of its threads ran any more. They were at:\n%s", self.name, dump
            )
            again = self.restarts.another("")
            known = [each for each in (check.look_back(dump, again.pause_s) for check in self._checks) if each]
            self.restarts = replace(again, why="; ".join([f"no thread ran for {FROZEN_S:.0f} s", *known]))
            self._follows = True
            restarts.write(self._path, self.restarts)
        if self._follows:
            log.warning("the %s before restarted itself: %s", self.name, self.restarts.why)

    def _watch(self) -> None:
        while not self._over.is_set():
            if self._dump is None:
                faulthandler.dump_traceback_later(FROZEN_S, exit=True)
            else:
                faulthandler.dump_traceback_later(FROZEN_S, exit=True, file=self._dump)
            self.look()
            self._over.wait(EVERY_S)
        faulthandler.cancel_dump_traceback_later()


def _taken(overdue: Sequence[RunningTask], threads: int) -> str:
    """Half of the threads are enough: what has taken those takes the rest."""
    if not overdue or 2 * len(overdue) < threads:
        return ""
    named = ", ".join(map(str, overdue[:MAX_NAMED]))
    more = Counter(task.name.rpartition(".")[2] for task in overdue[MAX_NAMED:])
    rest = "".join(f", {count} more of {name}" for name, count in more.items())
    whose = f"{len(overdue)} of {threads} threads" if threads > 1 else "its thread"
    return f"{whose} taken by tasks that do not end ({named}{rest})"


def _end() -> None:
    # Not sys.exit: that waits for the very threads that do not end.
    for handler in logging.root.handlers:
        handler.flush()
    os._exit(EXIT_CODE)
