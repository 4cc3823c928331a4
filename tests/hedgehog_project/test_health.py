"""What is amiss although every process beats, or because one does not any more."""

import json

import pytest
import redis
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from hedgehog_project import health, progress, queues, shared_clock
from hedgehog_project.health import Finding
from hedgehog_project.queues import ENQUEUED_AT, EXITS
from tests.support.heartbeats import all_well, in_tens, plant
from tests.support.refusing import read_only


@pytest.fixture
def well(redis_client: "redis.Redis") -> "redis.Redis":
    all_well(redis_client)
    return redis_client


def found() -> list[str]:
    return [in_tens(each.text) for each in health.findings(health.look())]


def test_nothing_is_amiss_where_all_get_on(well: "redis.Redis") -> None:
    assert found() == []


def test_without_redis_nothing_is_known(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert [each.about for each in health.findings(health.look())] == ["redis"]


def test_a_redis_that_takes_no_writes_is_named_and_not_the_hosts_whose_signs_it_does_not_take(
    well: "redis.Redis",
) -> None:
    plant(well, "worker", "garage", age_s=30)
    with read_only(well):
        assert found() == ["Redis refuses writes: it is a read-only replica."]


def test_a_host_that_is_gone_is_named_and_what_ran_there(well: "redis.Redis") -> None:
    plant(well, "worker", "garage", age_s=30)
    plant(well, "beat", "garage", age_s=31)
    assert found() == ["No heartbeat from the host garage for 30 s: beat, worker ran there."]
    plant(well, "worker", "garage", 8, up_s=5)
    assert found() == ["No heartbeat from beat on garage (process 7) for 30 s."]


def test_a_second_worker_of_a_host_that_is_gone_is_named(well: "redis.Redis") -> None:
    plant(well, "worker", "here", 9, age_s=30, queues="celery")
    assert found() == ["No heartbeat from worker on here (process 9) for 30 s."]


def test_a_leader_that_does_not_come_to_its_end_is_told_of(well: "redis.Redis") -> None:
    well.hincrby(progress.KEY, progress.LED, -20)
    assert found() == ["The leader last finished 20 s ago: missing traders and unconfirmed orders wait for it."]
    well.delete(progress.KEY)
    assert found() == ["The leader has not finished a run yet."]
    plant(well, "worker_exits", queues=EXITS)
    assert found() == ["No worker serves the queue leader: traders are not started and orders are not queried."]


def test_a_queue_that_is_not_served_in_time_is_told_of(well: "redis.Redis") -> None:
    for age_s in (16, 20):
        well.rpush(EXITS, json.dumps({"headers": {ENQUEUED_AT: shared_clock.now() - age_s}}))
    assert found() == ["The workers of the queue exits are behind: 2 tasks in the queue, the oldest for 20 s."]
    well.lpop(EXITS)
    assert found() == ["The workers of the queue exits are behind: 1 task in the queue, the oldest for 20 s."]
    well.delete(EXITS)
    well.rpush(queues.ENTRIES, json.dumps({"headers": {ENQUEUED_AT: shared_clock.now() - 14}}))
    assert found() == []


def test_a_task_that_does_not_end_is_told_of_though_its_worker_beats(well: "redis.Redis") -> None:
    running = progress.Running()
    running.begins("a", "trading.tasks.wake", takes_s=60)
    running.begins("b", "trading.tasks.reconcile_all", takes_s=900)
    assert "stuck" not in running.facts()
    running.begins("c", "trading.tasks.nudge", takes_s=-1)
    facts = running.facts()
    assert (facts["running"], facts["done"], facts["stuck"]) == (3, 0, "nudge for 0 s")
    plant(well, "worker", queues="celery", **facts)
    assert found() == ["worker on here (process 7) makes no progress: nudge for 0 s."]
    for task in "abcc":
        running.ends(task)
    assert running.facts() == {"done": 3, "running": 0}


@pytest.mark.django_db
class TestDatabase:
    def test_nothing_is_amiss_where_it_answers(self) -> None:
        assert health.of_database() == []

    def test_one_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr(connection, "cursor", away)
        monkeypatch.setattr(connection, "close", lambda: None)
        assert health.of_database() == [Finding("database", "The database does not answer: connection refused")]

    @pytest.mark.parametrize(("number", "said"), [(1, "1 migration is missing: "), (2, "2 migrations are missing: ")])
    def test_how_many_migrations_are_missing(self, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
        monkeypatch.setattr(health, "_missing_migrations", lambda: number)
        [finding] = health.of_database()
        assert finding.text.startswith(said)

    def test_migrations_that_are_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "_migrated_until", 0.0)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'hedgehog_project'")
            deleted = cursor.rowcount
        assert [each.about for each in health.of_database()] == ["migrations"]
        assert health.of_database()[0].text.startswith(f"{deleted} migrations are missing: run `manage.py migrate`")
