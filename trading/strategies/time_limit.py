"""How long a strategy may think. Those that ship are trusted; a user's own runs beside its trader's task, on a clock.

A function that loops is ended from outside. One that can't be ended is left behind in its thread: it waits in C code,
which costs little, or it *burns*: it uses the CPU, and slows down everybody in this process. A trader whose last call
burns, and a strategy that has left many behind, is not asked here any more; after a while the process restarts itself
(watchdog.py), which ends them all.

C code that holds Python's lock stops the whole process. The next one does not ask that strategy for a while.
"""

import ctypes
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

from trading.core.guard import StrategyFails
from trading.core.strategy import Strategy
from trading.strategies.registry import known, ships

Answer = TypeVar("Answer")

LIMIT_S = 5.0
# An exception that is raised in another thread comes when that one next runs Python code.
ENDS_WITHIN_S = 0.5
# A strategy with so many calls that do not end is not asked here any more: burning ones, or of either kind.
MAX_BURNING, MAX_LEFT_BEHIND = 4, 32
# Used for such a part of the time since it was given up, it burns. (Several share one lock.)
BURNS = 0.05
# One that burns for so long is worth a restart of the process.
BURNS_FOR_S = 60.0


@dataclass(frozen=True)
class LeftBehind:
    """A call that was given up and still runs. `clock`: of its thread's CPU time; None where the system has none."""

    strategy: str
    whose: Hashable
    clock: int | None
    since: float
    cpu_s: float

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.since

    @property
    def burns(self) -> bool:
        """Nobody knows within the first second."""
        return self.age_s > 1.0 and (self.clock is None or _cpu_s(self.clock) - self.cpu_s > BURNS * self.age_s)


# By their threads.
_left_behind: dict[int, LeftBehind] = {}
# Strategies that have stopped a whole process, and until when they are not asked (time.monotonic()).
_resting: dict[str, float] = {}
_lock = threading.Lock()


class TookTooLong(BaseException):
    """Raised within a strategy that thinks too long. Not an Exception: `except Exception` is not to swallow it."""


def within_time(
    strategy: Strategy, function: Callable[[], Answer], limit_s: float | None = None, whose: Hashable = None
) -> Answer:
    """What the function gives, for `whose` trader. Raises what it raises, and StrategyFails where it takes longer
    than the limit, or where calls before it did and still run.
    """
    limit_s = LIMIT_S if limit_s is None else limit_s
    if ships(strategy):
        return function()
    if why_not := _why_not(strategy.name, whose):
        raise StrategyFails(f"{strategy.name} is not called: {why_not}")
    answers: list[Answer] = []
    errors: list[BaseException] = []
    clocks: list[int] = []

    def run() -> None:
        try:
            if hasattr(time, "pthread_getcpuclockid"):
                clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
            answers.append(function())
        except BaseException as error:  # noqa: BLE001 handed on to the caller's thread
            errors.append(error)
        finally:
            with _lock:
                _left_behind.pop(threading.get_ident(), None)

    thread = threading.Thread(target=run, name=f"strategy-{strategy.name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        _end(thread, strategy.name, whose, clocks[0] if clocks else None)
        raise StrategyFails(f"{strategy.name} took longer than {limit_s:g} s: the call was abandoned")
    if errors:
        raise errors[0]
    return answers[0]


def left_behind(strategy: str | None = None) -> list[LeftBehind]:
    """The calls, of one strategy or all, that could not be ended and still run in this process."""
    with _lock:
        return [each for each in _left_behind.values() if strategy in (None, each.strategy)]


def does_not_end() -> str:
    """Why this process should be started anew; empty where it need not."""
    for name in sorted({each.strategy for each in left_behind()}):
        calls = left_behind(name)
        burning = [each for each in calls if each.burns]
        oldest_s = max((each.age_s for each in burning), default=0.0)
        if oldest_s > BURNS_FOR_S:
            return f"calls of the strategy {name} do not return and use the CPU: {len(burning)}, for {oldest_s:.0f} s"
        if len(calls) >= MAX_LEFT_BEHIND:
            return f"{len(calls)} calls of the strategy {name} do not return"
    return ""


def rest_after(dump: str, pause_s: float) -> str:
    """Lets the strategies rest that were asked when a process stopped, by the stacks of its threads; which those are.

    One of them may have been asked by chance, just then: it goes on after the pause as well.
    """
    names = sorted(
        name
        for name, strategy in known().strategies.items()
        if not ships(strategy) and f'File "{_file(strategy)}"' in dump
    )
    with _lock:
        _resting.update(dict.fromkeys(names, time.monotonic() + pause_s))
    return f"the strategy {', '.join(names)} was called and is paused for {pause_s:.0f} s" if names else ""


def _why_not(name: str, whose: Hashable) -> str:
    with _lock:
        left_s = _resting.get(name, 0.0) - time.monotonic()
    if left_s > 0:
        return f"it blocked a whole process; retried in {left_s:.0f} s"
    calls = left_behind(name)
    burning = [each for each in calls if each.burns]
    if len(burning) >= MAX_BURNING or len(calls) >= MAX_LEFT_BEHIND:
        return f"{len(calls)} of its calls do not return"
    if whose is not None and (own := [each for each in burning if each.whose == whose]):
        return f"its last call has not returned for {own[0].age_s:.0f} s and uses the CPU"
    return ""


def _end(thread: threading.Thread, name: str, whose: Hashable, clock: int | None) -> None:
    assert thread.ident is not None
    cpu_s = 0.0 if clock is None else _cpu_s(clock)
    with _lock:
        _left_behind[thread.ident] = LeftBehind(name, whose, clock, time.monotonic(), cpu_s)
    # Python's own way to interrupt a thread that runs Python code (c-api/init, PyThreadState_SetAsyncExc).
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TookTooLong))
    thread.join(ENDS_WITHIN_S)
    if not thread.is_alive():
        with _lock:
            _left_behind.pop(thread.ident, None)


def _cpu_s(clock: int) -> float:
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0  # Its thread has just ended.


def _file(strategy: Strategy) -> str:
    code = getattr(strategy.decide, "__code__", None)
    return code.co_filename if code else str(getattr(strategy, "__file__", ""))
