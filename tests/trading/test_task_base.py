"""What all tasks have in common: late ones are left out, and a busy database is nobody's error."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerAway

from hedgehog_project import queues, shared_clock
from hedgehog_project.queues import ENQUEUED_AT, ENTRIES, EXITS, IS_AGAIN, OF_USE_S
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.support.rows import make_trader
from trading import leader, tasks
from trading.core.events import TradeSeen
from trading.models import JournalEntry, Symbol, Trader
from trading.traders import acting
from trading.waking import enqueue

pytestmark = pytest.mark.django_db

RECHECK = {"trader": 1, "symbol": "ETHUSDT", "why": "test"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was queued, with its options."""
    queued: list[dict[str, Any]] = []

    def send_task(name: str, **options: Any) -> None:
        assert options.pop("argsrepr") == "()" and options.pop("kwargsrepr") == repr(options["kwargs"])
        queued.append({"name": name, **options})

    monkeypatch.setattr(current_app, "send_task", send_task)
    return queued


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The traders that were woken."""
    found: list[int] = []

    def wake(trader: int, *_: object) -> bool:
        found.append(trader)
        return False

    monkeypatch.setattr(acting, "wake", wake)
    return found


@contextmanager
def received(task: Any, **headers: Any) -> Iterator[None]:
    """As a worker has it that has fetched the task with these headers."""
    task.push_request(**headers)
    try:
        yield
    finally:
        task.pop_request()


def locked() -> OperationalError:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error = OperationalError("database is locked")
    error.__cause__ = cause
    return error


def fail(error: Exception) -> Any:
    def wake(*_: object) -> bool:
        raise error

    return wake


@pytest.mark.parametrize(("age_s", "is_answered"), [(0, True), (4, True), (6, False), (-21_600, True)])
def test_a_task_that_comes_late_is_left_out_and_counted(
    woken: list[int], redis_client: "redis.Redis", age_s: float, is_answered: bool
) -> None:
    late = {ENQUEUED_AT: shared_clock.now() - age_s, OF_USE_S: 5}
    with received(tasks.nudge, **late, delivery_info={"routing_key": EXITS}):
        tasks.nudge(**RECHECK)
    assert woken == [1] * is_answered
    counted = {each.name: each.given_up for each in queues.look(redis_client, shared_clock.now())}
    assert counted == dict.fromkeys(queues.NAMES, 0) | {EXITS: int(not is_answered)}


@pytest.mark.parametrize(
    ("queue", "waited_s", "price"),
    [(ENTRIES, 4, "3000"), (ENTRIES, 6, "2990"), (EXITS, 6, "3000"), (ENTRIES, 3, "3000")],
)
def test_an_entry_whose_task_has_waited_long_goes_by_the_newest_trade(
    symbol: Symbol,
    redis_client: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
    queue: str,
    waited_s: float,
    price: str,
) -> None:
    seen: list[TradeSeen] = []

    def wake(trader: int, event: TradeSeen, *_: object) -> bool:
        seen.append(event)
        return False

    monkeypatch.setattr(acting, "wake", wake)
    trader = make_trader(symbol)
    made_ms = round(shared_clock.now() * 1000)
    newest = TradeEvent("ETHUSDT", 9, "2990", "1", made_ms, made_ms, False, made_ms)
    redis_client.xadd(trade_topic("mock", "ETHUSDT"), {"t": encode_trade(newest)}, id="9-0")
    trade = {"trade_id": 1, "price": "3000", "at_ms": made_ms, "age_s": 0.1}
    waited = {ENQUEUED_AT: shared_clock.now() - waited_s, OF_USE_S: 30, "delivery_info": {"routing_key": queue}}
    with received(tasks.wake, **waited):
        tasks.wake(trader.pk, "ETHUSDT", trade)
    assert [str(each.price) for each in seen] == [price]
    assert (seen[0].age_s < 3) == (price == "2990")


@pytest.mark.parametrize("hours", [-6, 6])
def test_a_host_whose_clock_is_wrong_leaves_nothing_out(
    woken: list[int], monkeypatch: pytest.MonkeyPatch, hours: int, redis_client: "redis.Redis"
) -> None:
    enqueued_at = shared_clock.now()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    monkeypatch.setattr(shared_clock, "_clock", shared_clock.SharedClock())
    with received(tasks.nudge, **{ENQUEUED_AT: enqueued_at, OF_USE_S: 5}):
        tasks.nudge(**RECHECK)
    assert woken == [1]


def test_the_leader_is_never_too_late(monkeypatch: pytest.MonkeyPatch, redis_client: "redis.Redis") -> None:
    led: list[int] = []
    monkeypatch.setattr(leader, "lead", lambda: led.append(1))
    with received(tasks.lead, **{ENQUEUED_AT: shared_clock.now() - 3600}):
        tasks.lead()
    assert led == [1]


def test_a_locked_database_is_no_error_of_the_trader_and_is_tried_again_once(
    symbol: Symbol, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = make_trader(symbol)
    monkeypatch.setattr(acting, "wake", fail(locked()))
    nudge = {**RECHECK, "trader": trader.pk}
    with received(tasks.nudge, **{OF_USE_S: 5}, delivery_info={"routing_key": EXITS}):
        tasks.nudge(**nudge)
    again = {IS_AGAIN: True, OF_USE_S: 5}
    assert sent == [
        {"name": "trading.tasks.nudge", "kwargs": nudge, "headers": again, "retry": False, "queue": EXITS}
    ]
    with received(tasks.nudge, **again):
        tasks.nudge(**nudge)
    assert len(sent) == 1, "after that the leader queues it when it is still due"
    assert Trader.objects.get(pk=trader.pk).error == ""
    assert not JournalEntry.objects.exists()


def test_a_report_that_meets_a_locked_database_is_never_given_up(
    symbol: Symbol, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = make_trader(symbol)
    acknowledged: list[str] = []
    monkeypatch.setattr(acting, "hear", fail(locked()))
    monkeypatch.setattr(tasks, "from_execution_report", lambda data: None)
    monkeypatch.setattr(tasks, "deliveries", lambda *_: 99)
    monkeypatch.setattr(tasks, "acknowledge", lambda client, venue, entry: acknowledged.append(entry))
    tasks.report(trader=trader.pk, symbol="ETHUSDT", venue="mock", entry="1-0", data={})
    assert [each["name"] for each in sent] == ["trading.tasks.report"]
    assert acknowledged == []
    assert Trader.objects.get(pk=trader.pk).error == ""


def test_what_the_schedule_rings_comes_again_by_itself(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "lead", fail(locked()))
    tasks.lead()
    assert sent == []


def test_a_broker_that_is_away_leaves_it_to_the_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise BrokerAway("no broker")

    monkeypatch.setattr(acting, "wake", fail(locked()))
    monkeypatch.setattr(enqueue, "again", away)
    tasks.nudge(**RECHECK)


def test_any_other_error_is_raised_and_shown(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    trader = make_trader(symbol)
    monkeypatch.setattr(acting, "wake", fail(ZeroDivisionError("oops")))
    with pytest.raises(ZeroDivisionError):
        tasks.nudge(**{**RECHECK, "trader": trader.pk})
    assert Trader.objects.get(pk=trader.pk).error == "ZeroDivisionError: oops"
