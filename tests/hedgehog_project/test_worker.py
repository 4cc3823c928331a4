"""A real worker and a real beat: their connections and their heartbeats."""

import json

import redis

from hedgehog_project.heartbeats import beats
from tests.hedgehog_project.tasks import tell_connection
from tests.support.postgres import Cluster
from tests.support.processes import Processes

TASKS = 40


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
