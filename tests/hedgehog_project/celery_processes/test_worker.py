"""Real workers and a real beat: their connections, threads and heartbeats."""

import json
import re
import threading
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from kombu.exceptions import OperationalError

from hedgehog_project import progress, queues
from hedgehog_project.broker import Transport
from hedgehog_project.heartbeats import alive, beats
from hedgehog_project.ports import free_port
from hedgehog_project.progress import LED
from tests.hedgehog_project.celery_processes.tasks import keep_busy, take_a_while, tell_connection
from tests.support.environment import start_redis
from tests.support.machine.postgres import Cluster
from tests.support.machine.processes import Processes

TASKS = 40
KILLS = 6


def test_threads_keep_their_connections_and_survive_a_restart_of_the_database(
    processes: Processes, postgres: Cluster, redis_client: "redis.Redis"
) -> None:
    database = postgres.create()
    processes.celery(
        "worker", "-c", "4", "-E", "-I", "tests.hedgehog_project.celery_processes.tasks", DATABASE_URL=database
    )

    def connections_of(key: str) -> set[tuple[int, int]]:
        for _ in range(TASKS):
            tell_connection.delay(key)
        processes.wait_for(lambda: redis_client.llen(key) == TASKS, 30, f"{TASKS} tasks done ({key})")
        return {tuple(json.loads(entry)) for entry in redis_client.lrange(key, 0, -1)}

    before = connections_of("before")
    threads = {thread for thread, _ in before}
    assert 1 < len(threads) <= 4
    assert len(before) == len(threads), "a thread has had more than one connection"
    postgres.halt()
    postgres.start()
    after = connections_of("after")
    assert not {backend for _, backend in after} & {backend for _, backend in before}


def test_worker_and_beat_say_that_they_are_alive(processes: Processes, redis_client: "redis.Redis") -> None:
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    worker, beat = processes.worker(), processes.celery("beat", "--pidfile=")
    processes.wait_for(lambda: alive(redis_client) == {"worker", "beat"}, 30, "both heartbeats")
    assert {(beat.name, beat.pid) for beat in beats(redis_client)} == {("worker", worker.pid), ("beat", beat.pid)}
    redis_client.delete("heartbeats")
    processes.wait_for(lambda: alive(redis_client) == {"worker", "beat"}, 10, "the next heartbeats")
    worker.kill()
    redis_client.delete("heartbeats")
    processes.wait_for(lambda: alive(redis_client) == {"beat"}, 10, "beat alone")
    assert beat.stop() == 0
    assert beats(redis_client) == [], "who ends as it was asked to is missed by nobody"


def test_the_leader_has_a_thread_that_nothing_else_can_keep_busy(
    processes: Processes, redis_client: "redis.Redis"
) -> None:
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    worker = processes.celery(
        "worker",
        "-c",
        "2",
        "-E",
        "-Q",
        "exits,leader",
        "-I",
        "tests.hedgehog_project.celery_processes.tasks",
        "--loglevel=INFO",
    )
    for _ in range(9):
        keep_busy.apply_async(("let_go",), queue=queues.EXITS)
    processes.wait_for(lambda: redis_client.get("let_go:busy") == b"2", 30, "both threads to be busy")
    for _ in range(3):
        redis_client.delete(progress.KEY)
        current_app.send_task("trading.tasks.lead")
        processes.wait_for(lambda: progress.age_s(redis_client, LED) is not None, 5, "the leader's end")
    assert redis_client.llen(queues.EXITS) == 7, "others wait for a thread"
    (beat,) = processes.wait_for(
        lambda: [each for each in beats(redis_client) if each.facts.get("oldest_s", 0) > 0], 10, "its heartbeat"
    )
    assert (beat.name, beat.facts["queues"], beat.facts["running"]) == ("worker_exits", "exits leader", 2)
    redis_client.set("let_go", 1)
    processes.wait_for(lambda: redis_client.get("let_go:done") == b"9", 10, "all of them to be done")
    processes.wait_for(lambda: beats(redis_client)[0].facts["done"] >= 12, 10, "that to be told")
    assert worker.stop() == 0
    assert "Traceback" not in worker.output


def test_the_leader_floods_no_list_of_tasks(processes: Processes, redis_client: "redis.Redis") -> None:
    """Flower keeps the last events, and the leader runs each second."""
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    with redis_client.pubsub(ignore_subscribe_messages=True) as events:
        events.psubscribe("*celeryev*")
        module = "tests.hedgehog_project.celery_processes.tasks"
        processes.celery("worker", "-c", "1", "-E", "-Q", "celery,leader", "-I", module)
        led = current_app.send_task("trading.tasks.lead")
        processes.wait_for(lambda: progress.age_s(redis_client, LED) is not None, 30, "the leader's end")
        other = take_a_while.delay("counted")
        told: list[tuple[str, str]] = []

        def is_told() -> bool:
            while message := events.get_message():
                body = json.loads(b64decode(json.loads(message["data"])["body"]))
                told.extend(
                    (each["type"], each.get("uuid", "")) for each in (body if isinstance(body, list) else [body])
                )
            return ("task-succeeded", other.id) in told

        processes.wait_for(is_told, 20, "the other task's events")
    assert [kind for kind, task in told if task == led.id] == []


def test_the_leader_goes_on_when_the_broker_was_away(processes: Processes, redis_client: "redis.Redis") -> None:
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    processes.celery("worker", "-c", "2", "-Q", "leader", "--loglevel=INFO")
    for _ in range(2):
        current_app.send_task("trading.tasks.lead")
        processes.wait_for(lambda: progress.age_s(redis_client, LED) is not None, 30, "the leader's end")
        # Every connection of the worker breaks.
        redis_client.client_kill_filter(_type="normal", skipme=True)
        redis_client.delete(progress.KEY)


def test_beat_lets_no_second_lead_wait(processes: Processes, redis_client: "redis.Redis") -> None:
    for command in (["migrate", "--verbosity=0"], ["setup", "--no-admin"]):
        assert processes.run(*command).returncode == 0
    processes.celery("beat", "--pidfile=")
    processes.wait_for(lambda: redis_client.llen(queues.LEADER), 30, "the first lead")
    others = redis_client.llen(queues.ENTRIES)
    processes.wait_for(lambda: redis_client.llen(queues.ENTRIES) >= others + 2, 20, "listings, every five seconds")
    assert redis_client.llen(queues.LEADER) == 1


def test_a_worker_drops_what_waits_from_yesterday_before_it_serves_anything(
    processes: Processes, redis_client: "redis.Redis"
) -> None:
    for _ in range(50):
        keep_busy.apply_async(("never",))
    stale = [bytes(each) for each in redis_client.lrange(queues.ENTRIES, 0, -1)]  # type: ignore[arg-type]
    redis_client.delete(queues.ENTRIES)
    redis_client.rpush(
        queues.ENTRIES, *(re.sub(rb'"enqueued_at": [\d.]+', b'"enqueued_at": 1000', each) for each in stale)
    )
    keep_busy.apply_async(("fresh",))
    redis_client.set("fresh", 1)
    worker = processes.celery("worker", "-c", "2", "-I", "tests.hedgehog_project.celery_processes.tasks")
    processes.wait_for(lambda: redis_client.get("fresh:done") == b"1", 30, "the fresh task to be done")
    assert not redis_client.exists("never:busy")
    assert "dropped 50 stale tasks from the queue celery: due tasks are queued again" in worker.output


def test_worker_lives_on_when_its_redis_is_killed_under_its_tasks(processes: Processes, tmp_path: Path) -> None:
    """Kombu's own ended it with every second kill; each time its tasks were under way."""
    port = free_port()
    server, address = start_redis(tmp_path / "redis", port)
    client = redis.Redis.from_url(address)
    worker = processes.celery(
        "worker", "-P", "threads", "-c", "8", "-I", "tests.hedgehog_project.celery_processes.tasks", REDIS_URL=address
    )

    stop = threading.Event()

    def flood() -> None:
        """Some task always ends at the moment when Redis does."""
        while not stop.wait(0.003):
            with suppress(OperationalError), current_app.connection(address) as broker:
                while not stop.wait(0.003):
                    current_app.send_task(take_a_while.name, args=("done",), connection=broker, retry=False)

    def is_done_or_has_ended() -> bool:
        with suppress(redis.RedisError):
            return int(client.get("done") or 0) > 20 or not worker.is_running
        return not worker.is_running

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        for kill in range(KILLS + 1):
            processes.wait_for(is_done_or_has_ended, 40, f"tasks done after {kill} kills")
            assert worker.is_running, worker.tail
            if kill < KILLS:
                server.kill()
                server.wait()
                server, _ = start_redis(tmp_path / f"redis-{kill}", port)
    finally:
        stop.set()
        thread.join()
        server.kill()
        server.wait()


def test_task_that_is_acknowledged_on_a_lost_connection_is_a_lost_connection() -> None:
    """Not an AttributeError, which nobody expects there."""
    connection = current_app.connection()
    channel: Any = connection.default_channel
    assert isinstance(channel.connection, Transport)
    channel._disconnect_pools()
    channel.connection.client = None
    with pytest.raises(connection.recoverable_connection_errors):
        channel.qos.ack("a tag")
    channel.qos._delivered["a tag"] = object()
    channel.qos.restore_unacked()
    assert not channel.qos._delivered
