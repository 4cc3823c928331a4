"""The queues on a real Redis, with messages as Celery writes them."""

import itertools
import json
import logging
import time
from typing import Any

import pytest
import redis
from celery import current_app

from hedgehog_project import queues, shared_clock
from hedgehog_project.queues import ENQUEUED_AT, ENTRIES, EXITS, LEADER, REPORTS
from trading.waking import enqueue

NIGHT = 8 * 3600.0


def put(count: int, name: str = "trading.tasks.nudge") -> None:
    for _ in range(count):
        current_app.send_task(name, kwargs={"n": next(_numbers)}, retry=False)


_numbers = itertools.count()


def age(client: "redis.Redis", queue: str, seconds: float) -> None:
    """Makes what waits in a queue so much older."""
    messages = [json.loads(message) for message in client.lrange(queue, 0, -1)]
    for message in messages:
        message["headers"][ENQUEUED_AT] -= seconds
    client.delete(queue)
    client.rpush(queue, *map(json.dumps, messages))


def test_each_task_has_its_queue(redis_client: "redis.Redis") -> None:
    enqueue.ask(1, 1, "ETHUSDT")
    enqueue.cancel(1, 1, "ETHUSDT")
    enqueue.report("mock", "1-0", {"c": "x", "s": "ETHUSDT"})
    enqueue.nudge(1, "ETHUSDT", "a stop", queue=EXITS)
    enqueue.nudge(1, "ETHUSDT", "test")
    enqueue.reconcile("mock")
    current_app.send_task("trading.tasks.lead")
    current_app.send_task("somebody.elses")
    waiting = {queue.name: queue.length for queue in queues.look(redis_client, shared_clock.now())}
    assert waiting == {LEADER: 1, EXITS: 3, REPORTS: 1, ENTRIES: 3}


def test_a_queue_tells_how_old_its_oldest_task_is(redis_client: "redis.Redis") -> None:
    assert [(each.length, each.oldest_s) for each in queues.look(redis_client, time.time())] == [(0, 0.0)] * 4
    put(1)
    age(redis_client, ENTRIES, 12)
    put(2)
    entries = queues.look(redis_client, shared_clock.now())[-1]
    assert (entries.name, entries.length) == (ENTRIES, 3)
    assert entries.oldest_s == pytest.approx(12, abs=2)


def test_what_is_stale_is_dropped_and_what_was_queued_just_now_stays(redis_client: "redis.Redis") -> None:
    put(7)
    age(redis_client, ENTRIES, queues.STALE_S + 1)
    put(3)
    assert queues.drop_stale(redis_client, ENTRIES, shared_clock.now()) == 7
    # Another worker that starts at the same moment finds nothing to drop.
    assert queues.drop_stale(redis_client, ENTRIES, shared_clock.now()) == 0
    assert redis_client.llen(ENTRIES) == 3


@pytest.mark.parametrize("fresh", [0, 1, 2, 5])
@pytest.mark.parametrize("stale", [0, 1, 2, 5])
def test_however_many_are_stale_the_cut_is_in_the_right_place(
    redis_client: "redis.Redis", stale: int, fresh: int
) -> None:
    put(stale)
    if stale:
        age(redis_client, ENTRIES, NIGHT)
    put(fresh)
    assert queues.drop_stale(redis_client, ENTRIES, shared_clock.now()) == stale
    assert redis_client.llen(ENTRIES) == fresh


def test_a_queue_of_yesterday_is_dropped_in_a_moment_and_said_in_one_line(
    redis_client: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    put(1)
    age(redis_client, ENTRIES, NIGHT)
    message = redis_client.lindex(ENTRIES, 0)
    pipeline = redis_client.pipeline(transaction=False)
    for _ in range(100):
        pipeline.lpush(ENTRIES, *[str(message, "utf-8")] * 1_000)  # type: ignore[arg-type]
    pipeline.execute()
    put(2)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "hedgehog_project"):
        assert queues.drop_stale(redis_client, ENTRIES, shared_clock.now()) == 100_001
    assert time.monotonic() - began < 0.5
    assert redis_client.llen(ENTRIES) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "dropped 100001 stale tasks from the queue celery: due tasks are queued again"
    ]


@pytest.mark.parametrize("message", [b"{", b"7", b"[]", b'{"headers": {}}', b'{"headers": {"enqueued_at": "soon"}}'])
def test_a_task_without_a_time_is_dropped(redis_client: "redis.Redis", message: bytes) -> None:
    """It is of a version before this one, or another program's."""
    redis_client.rpush(ENTRIES, message)
    put(1)
    assert queues.look(redis_client, shared_clock.now())[-1].oldest_s == queues.STALE_S
    assert queues.drop_stale(redis_client, ENTRIES, shared_clock.now()) == 1
    assert redis_client.llen(ENTRIES) == 1


def test_a_worker_serves_exits_first_then_reports_then_everything_else() -> None:
    with current_app.connection() as connection:
        channel: Any = connection.default_channel
        channel._active_queues = [ENTRIES, "somebody", REPORTS, LEADER, EXITS]
        channel._update_queue_cycle()
        assert channel._queue_cycle.consume(9) == [EXITS, REPORTS, LEADER, ENTRIES, "somebody"]
        channel._queue_cycle.rotate(EXITS)
        assert channel._queue_cycle.consume(1) == [EXITS], "however often it has been served"
        channel._active_queues = []
