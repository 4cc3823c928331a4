"""Beat's scheduler: what it queues when clocks are set, and when it may not."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from hedgehog_project import beat as beat_module
from hedgehog_project.beat import Scheduler
from hedgehog_project.celery import app
from hedgehog_project.models import Lease

pytestmark = pytest.mark.django_db


class Clock:
    """Both clocks of a host. The wall clock can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steady, self.set_by = 5000.0, 0.0
        self.began = datetime(2026, 11, 29, 12, tzinfo=UTC)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)
        monkeypatch.setattr(time, "time", lambda: self.now.timestamp())
        monkeypatch.setattr(beat_module.ScheduledTask, "_default_now", lambda entry: self.now)
        monkeypatch.setattr("django_celery_beat.models.now", lambda: self.now)

    @property
    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.steady - 5000.0 + self.set_by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def enqueue(scheduler: Scheduler, entry: Any, **_: Any) -> None:
        names.append(entry.name)

    monkeypatch.setattr(Scheduler, "apply_async", enqueue)
    return names


@pytest.fixture
def scheduler(clock: Clock, enqueued: list[str], redis_client: "redis.Redis") -> Iterator[Scheduler]:
    PeriodicTask.objects.all().delete()
    for name, every in (("second", 1), ("five", 5), ("minute", 60)):
        interval, _ = IntervalSchedule.objects.get_or_create(every=every, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.create(name=name, task=f"tests.{name}", interval=interval, last_run_at=clock.now)
    made = Scheduler(app=app, lazy=True)
    yield made
    made._finalize.cancel()


def run(scheduler: Scheduler, clock: Clock, enqueued: list[str], seconds: float) -> dict[str, int]:
    """Lets it tick for so long; how often it queued what."""
    enqueued.clear()
    end = clock.steady + seconds
    while clock.steady < end:
        wait_s = scheduler.tick()
        clock.steady += max(0.05, min(wait_s, 1.0))
    return {name: enqueued.count(name) for name in ("second", "five", "minute")}


def about(expected: int) -> Any:
    return pytest.approx(expected, abs=max(2, expected * 0.08))


@pytest.mark.parametrize("hours", [-6, -0.01, 0.01, 6])
def test_a_clock_that_is_set_does_not_put_it_to_sleep(
    scheduler: Scheduler, clock: Clock, enqueued: list[str], hours: float
) -> None:
    assert run(scheduler, clock, enqueued, 120) == {"second": about(120), "five": about(24), "minute": about(2)}
    clock.set_by = hours * 3600
    assert run(scheduler, clock, enqueued, 120) == {"second": about(120), "five": about(24), "minute": about(2)}


def test_a_last_run_in_the_future_is_now(scheduler: Scheduler, clock: Clock, enqueued: list[str]) -> None:
    """As a beat finds it that starts after the clock was set back."""
    PeriodicTask.objects.update(last_run_at=clock.now + timedelta(hours=6))
    assert run(scheduler, clock, enqueued, 65) == {"second": about(65), "five": about(13), "minute": about(1)}


def test_a_change_in_the_admin_is_noticed_also_when_the_clock_was_set_back(
    scheduler: Scheduler, clock: Clock, enqueued: list[str]
) -> None:
    PeriodicTasks.objects.update_or_create(ident=1, defaults={"last_update": clock.now + timedelta(hours=6)})
    run(scheduler, clock, enqueued, 5)
    PeriodicTask.objects.filter(name="second").update(enabled=False)
    PeriodicTasks.objects.update(last_update=clock.now)
    run(scheduler, clock, enqueued, 2)
    assert run(scheduler, clock, enqueued, 20) == {"second": 0, "five": about(4), "minute": about(0)}


def test_it_queues_nothing_while_another_one_leads_and_goes_on_when_that_dies(
    scheduler: Scheduler, clock: Clock, enqueued: list[str]
) -> None:
    lease = Lease.objects.create(name="beat", holder="elsewhere:1")

    def other_lives(seconds: int) -> None:
        for _ in range(seconds):
            lease.turn += 1
            lease.save()
            run(scheduler, clock, enqueued, 1)
            assert enqueued == []

    other_lives(20)
    assert run(scheduler, clock, enqueued, 5)["second"] > 0
    lease.refresh_from_db()
    assert lease.holder.startswith(f"{socket.gethostname()}:")
    # It stands still for a while, and the other one takes over: it queues nothing more.
    lease.holder = "elsewhere:1"
    other_lives(5)


def test_it_queues_nothing_while_nobody_can_tell_who_leads(
    scheduler: Scheduler, clock: Clock, enqueued: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(scheduler, clock, enqueued, 3)

    def away() -> bool:
        raise OperationalError("the server is away")

    monkeypatch.setattr(scheduler._lease, "has_it", away)
    assert run(scheduler, clock, enqueued, 10) == {"second": 0, "five": 0, "minute": 0}


def test_who_ends_lets_another_lead_at_once_and_writes_down_when_each_task_was_queued(
    scheduler: Scheduler, clock: Clock, enqueued: list[str]
) -> None:
    run(scheduler, clock, enqueued, 65)
    scheduler.close()
    assert Lease.objects.get().holder == ""
    last = PeriodicTask.objects.get(name="minute").last_run_at
    assert last is not None
    assert last > clock.began + timedelta(seconds=59)
