"""A real worker and a real beat: their connections and their heartbeats."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from kombu.exceptions import OperationalError

from hedgehog_project.broker import Transport
from hedgehog_project.heartbeats import beats
from hedgehog_project.ports import free_port
from tests.hedgehog_project.tasks import take_a_while, tell_connection
from tests.support.environment import start_redis
from tests.support.postgres import Cluster
from tests.support.processes import Processes

TASKS = 40
KILLS = 6


def test_threads_keep_their_connections_and_survive_a_restart_of_the_database(
    processes: Processes, postgres: Cluster, redis_client: "redis.Redis"
) -> None:
    database = postgres.create()
    processes.celery(
        "worker", "-P", "threads", "-c", "4", "-E", "-I", "tests.hedgehog_project.tasks", DATABASE_URL=database
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
    processes.wait_for(lambda: {"worker", "beat"} <= beats(redis_client).keys(), 30, "both heartbeats")
    seen = beats(redis_client)
    assert (seen["worker"].pid, seen["beat"].pid) == (worker.pid, beat.pid)
    redis_client.delete("heartbeats")
    processes.wait_for(lambda: {"worker", "beat"} <= beats(redis_client).keys(), 10, "the next heartbeats")
    worker.kill()
    redis_client.delete("heartbeats")
    processes.wait_for(lambda: "beat" in beats(redis_client), 10, "beat alone")
    assert "worker" not in beats(redis_client)


def test_worker_lives_on_when_its_redis_is_killed_under_its_tasks(processes: Processes, tmp_path: Path) -> None:
    """Kombu's own ended it with every second kill; each time its tasks were under way."""
    port = free_port()
    server, address = start_redis(tmp_path / "redis", port)
    client = redis.Redis.from_url(address)
    worker = processes.celery(
        "worker", "-P", "threads", "-c", "8", "-I", "tests.hedgehog_project.tasks", REDIS_URL=address
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
