"""A strategy that loops, sleeps or wants to end the process: its trader shows it, and everybody else trades on."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.trading.traders.test_traders import TRADE, fresh
from trading.core.decisions import Triggers, Wait
from trading.core.guard import StrategyFails
from trading.core.journal import Kind
from trading.models import JournalEntry, Order, Trader
from trading.strategies import naive, registry, time_limit
from trading.strategies.time_limit import left_behind, within_time
from trading.traders import acting, looks

STRATEGY: Any = SimpleNamespace(name="mine")


def loops() -> None:
    while True:
        pass


def loops_whatever_is_raised() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:  # noqa: BLE001
            continue


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Python 3.11 stands still under a tracer, as that of coverage, while an exception is pending for another thread:
    it looks at a function's beginning again and again, until that thread has taken it.
    """
    tracer, tracer_of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(tracer_of_threads)
    sys.settrace(tracer)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "LIMIT_S", 0.2)


@pytest.mark.parametrize("function", [loops, loops_whatever_is_raised])
def test_function_that_loops_is_given_up_and_ended(function: Any) -> None:
    with pytest.raises(StrategyFails, match=r"mine took longer than 0\.2 s"):
        within_time(STRATEGY, function, 0.2)
    assert left_behind() == []
    assert not [thread for thread in threading.enumerate() if thread.name == "strategy-mine"]


def test_function_that_can_not_be_ended_is_counted_until_it_ends() -> None:
    gate = threading.Event()
    with pytest.raises(StrategyFails):
        within_time(STRATEGY, lambda: gate.wait(10), 0.1)
    assert [each.strategy for each in left_behind()] == ["mine"]
    gate.set()
    deadline = time.monotonic() + 5
    while left_behind() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left_behind() == []


def burns(gate: threading.Event) -> None:
    """Can't be ended: whatever is raised in it is swallowed."""
    while not gate.is_set():
        try:
            while not gate.is_set():
                pass
        except BaseException:  # noqa: BLE001
            continue


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Set in the end: all calls that wait for it have ended when the test is over."""
    gate = threading.Event()
    yield gate
    gate.set()
    deadline = time.monotonic() + 10
    while left_behind() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left_behind() == []


def leave_behind(function: Callable[[], object], whose: int | None = None) -> None:
    with pytest.raises(StrategyFails, match="took longer than"):
        within_time(STRATEGY, function, 0.05, whose)


def until_it_burns(count: int = 1) -> None:
    deadline = time.monotonic() + 20
    while sum(each.burns for each in left_behind()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_trader_whose_last_call_uses_the_cpu_is_not_asked_and_others_are(gate: threading.Event) -> None:
    leave_behind(lambda: burns(gate), whose=1)
    until_it_burns()
    with pytest.raises(StrategyFails, match=r"mine is not called: its last call has not returned for \d+ s"):
        within_time(STRATEGY, lambda: 7, whose=1)
    assert within_time(STRATEGY, lambda: 7, whose=2) == 7


def test_a_trader_whose_last_call_merely_waits_is_asked_again(gate: threading.Event) -> None:
    leave_behind(lambda: gate.wait(20), whose=1)
    time.sleep(1.1)
    assert not left_behind()[0].burns
    assert within_time(STRATEGY, lambda: 7, whose=1) == 7


def test_a_strategy_with_many_calls_that_use_the_cpu_is_not_asked_for_anybody(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "MAX_BURNING", 2)
    for trader in (1, 2):
        leave_behind(lambda: burns(gate), whose=trader)
    until_it_burns(2)
    with pytest.raises(StrategyFails, match="mine is not called: 2 of its calls do not return"):
        within_time(STRATEGY, lambda: 7, whose=3)
    other: Any = SimpleNamespace(name="another")
    assert within_time(other, lambda: 7) == 7


def test_calls_that_use_the_cpu_for_long_are_worth_a_restart_and_so_are_many_that_wait(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(lambda: burns(gate))
    until_it_burns()
    assert time_limit.does_not_end() == ""
    monkeypatch.setattr(time_limit, "BURNS_FOR_S", 0.5)
    assert "calls of the strategy mine do not return and use the CPU: 1, for" in time_limit.does_not_end()
    monkeypatch.setattr(time_limit, "BURNS_FOR_S", 60.0)
    monkeypatch.setattr(time_limit, "MAX_LEFT_BEHIND", 3)
    for _ in range(2):
        leave_behind(lambda: gate.wait(20))
    assert time_limit.does_not_end() == "3 calls of the strategy mine do not return"
    with pytest.raises(StrategyFails, match="3 of its calls do not return"):
        within_time(STRATEGY, lambda: 7)


@pytest.mark.usefixtures("patient")
def test_a_strategy_that_was_asked_when_a_process_stopped_rests_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time_limit, "_resting", {})
    patient = registry.find("patient")
    stack = f'Timeout (0:00:30)!\nThread 0x1:\n  File "{patient.decide.__code__.co_filename}", line 3 in decide\n'
    assert time_limit.rest_after('Thread 0x1:\n  File "/elsewhere.py", line 3 in decide\n', 120) == ""
    assert within_time(patient, lambda: 7) == 7
    assert time_limit.rest_after(stack, 120) == "the strategy patient was called and is paused for 120 s"
    with pytest.raises(StrategyFails, match="patient is not called: it blocked a whole process; retried in 1"):
        within_time(patient, lambda: 7)
    time_limit.rest_after(stack, 0)
    assert within_time(patient, lambda: 7) == 7


def test_what_it_gives_and_what_it_raises_is_handed_on() -> None:
    assert within_time(STRATEGY, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within_time(STRATEGY, lambda: 1 // 0)


def test_those_that_ship_cost_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", lambda *args, **kwargs: pytest.fail("a thread"))
    assert within_time(naive, lambda: 7) == 7


# --- and its trader -------------------------------------------------------------------------------
@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, trader: Trader) -> Iterator[Any]:
    """The trader's strategy: one of the user's own, which the test says what to do."""
    strategy: Any = SimpleNamespace(
        name="naive",
        Settings=naive.Settings,
        decide=lambda *_: Wait("thinks"),
        triggers=lambda *_: Triggers(below=D(1)),
    )
    monkeypatch.setattr(registry, "find", lambda name: strategy)
    monkeypatch.setattr("trading.models.traders.find", lambda name: strategy)
    yield strategy


@pytest.mark.django_db(transaction=True)
@pytest.mark.databases
class TestItsTrader:
    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize("where", ["decide", "triggers"])
    def test_shows_that_it_is_failing(
        self, trader: Trader, mine: Any, where: str, exchange: ScriptedExchange
    ) -> None:
        setattr(mine, where, lambda *_: loops())
        acting.wake(trader.pk, TRADE, exchange)
        row = fresh(trader)
        assert "took longer than 0.2 s" in row.error
        assert (row.failures, row.retry_at is not None) == (1, True)
        assert JournalEntry.objects.filter(trader=trader, kind=Kind.FAILED).count() == 1

    @pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), MemoryError("no")])
    def test_takes_no_thread_with_it(
        self, trader: Trader, mine: Any, error: BaseException, exchange: ScriptedExchange
    ) -> None:
        def leaves(*_: object) -> None:
            raise error

        mine.decide = leaves
        acting.wake(trader.pk, TRADE, exchange)
        assert type(error).__name__ in fresh(trader).error

    def test_thinks_with_no_transaction_open_and_no_row_locked(
        self, trader: Trader, mine: Any, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time_limit, "ships", lambda strategy: True)  # in the task's own thread
        seen = []

        def looks_around(*_: object) -> Wait:
            seen.append(connection.in_atomic_block)
            return Wait("looks around")

        mine.decide = looks_around
        acting.wake(trader.pk, TRADE, exchange)
        assert seen == [False]

    def test_changed_by_somebody_else_meanwhile_thinks_again(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two tasks for one trader: the slower one finds that the other has bought."""
        think, thoughts = looks.think, []

        def slowly(snapshot: looks.Snapshot) -> looks.Thought:
            thought = think(snapshot)
            thoughts.append(thought)
            if len(thoughts) == 1:
                acting.wake(trader.pk, TRADE, exchange)
            return thought

        monkeypatch.setattr(looks, "think", slowly)
        acting.wake(trader.pk, TRADE, exchange)
        assert Order.objects.filter(trader=trader).count() == len(exchange.placed) == 1
        assert len(thoughts) > 2

    def test_changed_all_the_time_gives_up(
        self, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looks, "claim", lambda row: False)
        with pytest.raises(looks.Overtaken, match="keeps being changed"):
            acting.wake(trader.pk, TRADE, exchange)
        assert exchange.placed == []
