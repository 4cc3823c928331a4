"""How long a strategy may think. Those that ship are trusted; a user's own runs beside its trader's task, on a clock.

A function that loops is ended from outside; one that can't be (it sleeps, or waits in C code) is left behind in its
thread, and counted: a worker that has left too many behind should be started anew.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from trading.core.guard import StrategyFails
from trading.core.strategy import Strategy
from trading.strategies.registry import ships

Answer = TypeVar("Answer")

LIMIT_S = 5.0
# An exception that is raised in another thread comes when that one next runs Python code.
ENDS_WITHIN_S = 0.5

_left_behind: set[int] = set()
_lock = threading.Lock()


class TookTooLong(BaseException):
    """Raised within a strategy that thinks too long. Not an Exception: `except Exception` is not to swallow it."""


def within_time(strategy: Strategy, function: Callable[[], Answer], limit_s: float | None = None) -> Answer:
    """What the function gives. Raises what it raises, and StrategyFails where it takes longer than the limit."""
    limit_s = LIMIT_S if limit_s is None else limit_s
    if ships(strategy):
        return function()
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(function())
        except BaseException as error:  # noqa: BLE001 handed on to the caller's thread
            errors.append(error)
        finally:
            with _lock:
                _left_behind.discard(threading.get_ident())

    thread = threading.Thread(target=run, name=f"strategy-{strategy.name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        _end(thread)
        raise StrategyFails(f"{strategy.name} thinks for more than {limit_s:g} s: it was given up")
    if errors:
        raise errors[0]
    return answers[0]


def left_behind() -> int:
    """How many strategies' threads could not be ended and still run in this process."""
    with _lock:
        return len(_left_behind)


def _end(thread: threading.Thread) -> None:
    assert thread.ident is not None
    with _lock:
        _left_behind.add(thread.ident)
    # Python's own way to interrupt a thread that runs Python code (c-api/init, PyThreadState_SetAsyncExc).
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TookTooLong))
    thread.join(ENDS_WITHIN_S)
    if not thread.is_alive():
        with _lock:
            _left_behind.discard(thread.ident)
