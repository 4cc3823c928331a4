"""A process whose tasks do not end restarts itself, says why, and not again and again."""

import json
import logging
import time
from pathlib import Path

import pytest
import redis

from hedgehog_project import health, restarts, watchdog
from hedgehog_project.heartbeats import Beat, beats
from hedgehog_project.progress import Running
from hedgehog_project.watchdog import Check, Watchdog
from tests.hedgehog_project.celery_processes.tasks import hold_the_lock, say, take_a_thread
from tests.support.heartbeats import all_well, plant
from tests.support.machine.processes import Process, Processes

LEAD = "trading.tasks.lead"


class Ended(Exception):
    """In the place of the process's end."""


@pytest.fixture
def tasks() -> Running:
    return Running()


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> None:
        raise Ended

    monkeypatch.setattr(watchdog, "_end", end)


def of(home: Path, tasks: Running, threads: int = 4, up_s: float = 1e6, checks: tuple[Check, ...] = ()) -> Watchdog:
    """A watchdog of a process that has been up for so long."""
    made = Watchdog("worker", home, threads, {LEAD: 1}, tasks, checks)
    made._began = time.monotonic() - up_s
    return made


def hang(tasks: Running, *names: str, symbol: str = "") -> None:
    """Tasks that run for longer than they ever may."""
    for name in names:
        tasks.begins(object(), name, takes_s=-1.0, about=symbol)


def test_half_of_the_threads_taken_for_good_are_enough(tmp_path: Path, tasks: Running) -> None:
    found = of(tmp_path, tasks)
    tasks.begins("well", "trading.tasks.reconcile_all", takes_s=900)
    hang(tasks, "trading.tasks.wake", symbol="ETHUSDT")
    found.look()
    assert (found.why(), found.facts()) == ("", {})
    hang(tasks, "trading.tasks.report")
    with pytest.raises(Ended):
        found.look()
    why = "2 of 4 threads taken by tasks that do not end (wake of ETHUSDT for 0 s, report for 0 s)"
    assert found.facts() == {"stuck": why}
    hang(tasks, *["trading.tasks.wake"] * 2)
    assert ", 1 more of wake)" in found.why()


def test_the_leaders_thread_is_one_of_its_own(tmp_path: Path, tasks: Running) -> None:
    hang(tasks, LEAD)
    with pytest.raises(Ended):
        of(tmp_path, tasks, threads=8).look()


def test_what_does_not_end_otherwise_is_a_reason_as_well(tmp_path: Path, tasks: Running) -> None:
    for why in ("", "3 calls do not end"):
        found = of(tmp_path, tasks, checks=(Check(lambda: "", lambda *_: ""), Check(lambda: why, lambda *_: "")))  # noqa: B023
        assert found.why() == why


def test_each_restart_has_to_wait_for_longer_than_the_one_before(
    tmp_path: Path, tasks: Running, caplog: pytest.LogCaptureFixture
) -> None:
    hang(tasks, LEAD)
    pauses: list[float] = []
    for _ in range(7):
        young = of(tmp_path, tasks, up_s=0)
        for _ in range(3):
            young.look()
        pauses.append(young.restarts.pause_s)
        assert sum("restarts itself in" in record.message for record in caplog.records) == 1, "said once"
        caplog.clear()
        with pytest.raises(Ended):
            of(tmp_path, tasks, up_s=pauses[-1] + 1).look()
        caplog.clear()
    assert pauses == [120, 240, 480, 960, 1800, 1800, 1800]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * len(caplog.records)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"count": "x"}', '{"count": 2, "at": NaN, "why": ""}', "old"])
def test_what_was_written_long_ago_or_can_not_be_read_counts_for_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "restarts"
    old = {"count": 3, "at": time.time() - restarts.FORGOTTEN_AFTER_S - 1, "why": "stuck"}
    path.write_text(json.dumps(old) if text == "old" else text)
    assert restarts.read(path).pause_s == restarts.FIRST_PAUSE_S


def test_a_full_disk_keeps_nobody_from_restarting(tmp_path: Path, tasks: Running) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    hang(tasks, LEAD)
    with pytest.raises(Ended):
        of(tmp_path, tasks).look()


def test_people_are_told_by_the_next_process(tmp_path: Path, tasks: Running, redis_client: "redis.Redis") -> None:
    hang(tasks, LEAD)
    with pytest.raises(Ended):
        of(tmp_path, tasks).look()
    facts = of(tmp_path, Running(), up_s=10).facts()
    assert facts == {"restarted": "itself: its thread taken by tasks that do not end (lead for 0 s)"}
    all_well(redis_client)
    plant(redis_client, "worker", pid=8, up_s=10, queues="celery", restarted=facts["restarted"])
    text = f"worker on here (process 8) has restarted {facts['restarted']}."
    assert [each.text for each in health.findings(health.look())] == [text]
    plant(redis_client, "worker", pid=8, up_s=health.RESTARTED_S + 1, queues="celery", restarted=facts["restarted"])
    assert health.findings(health.look()) == []
    assert of(tmp_path, Running(), up_s=watchdog.TOLD_FOR_S + 1).facts() == {}


# --- real workers ---------------------------------------------------------------------------------
@pytest.fixture
def kept(processes: Processes, redis_client: "redis.Redis", tmp_path: Path) -> Process:
    """`manage.py worker` with two threads, up."""
    processes.environment["HEDGEHOG_HOME"] = str(tmp_path / "home")
    assert processes.run("migrate", "--verbosity=0").returncode == 0
    modules = "tests.hedgehog_project.celery_processes.tasks,tests.hedgehog_project.celery_processes.impatient"
    worker = processes.manage("worker", "-c", "2", "-I", modules)
    processes.wait_for(lambda: beats(redis_client), 40, "a worker's heartbeat")
    return worker


def another(processes: Processes, client: "redis.Redis", pid: int, within_s: float = 60) -> Beat:
    """The heartbeat of the worker that comes after that process, and tells of it."""

    def found() -> list[Beat]:
        return [each for each in beats(client) if each.pid != pid and "restarted" in each.facts]

    return processes.wait_for(found, within_s, "the next worker's heartbeat")[0]


def test_worker_whose_threads_are_all_taken_restarts_itself_and_serves_again(
    kept: Process, processes: Processes, redis_client: "redis.Redis"
) -> None:
    pid = beats(redis_client)[0].pid
    for _ in range(2):
        take_a_thread.delay("let_go", symbol="ETHUSDT")
    processes.wait_for(lambda: redis_client.get("let_go:taken") == b"2", 20, "both threads to be taken")
    processes.wait_for(lambda: "is stuck" in kept.output, 20, "that to be noticed")
    say.delay("said")
    why = "2 of 2 threads taken by tasks that do not end (take_a_thread of ETHUSDT for"
    processes.wait_for(lambda: "It has ended (exit code 75)" in kept.output, 20, "its end")
    assert f"worker is stuck, and restarts itself: {why}" in kept.output
    redis_client.set("let_go", 1)
    beat = another(processes, redis_client, pid)
    assert why in beat.facts["restarted"]
    processes.wait_for(lambda: redis_client.exists("said"), 20, "the task that waited")
    told = [each.text for each in health.findings(health.look()) if each.about == "worker"]
    assert any(f"(process {beat.pid}) has restarted itself: {why}" in text for text in told)
    assert kept.stop(15) == 0
    assert "Traceback" not in kept.output


def test_worker_in_which_no_thread_runs_is_ended_and_the_next_one_tells_where_it_stood(
    kept: Process, processes: Processes, redis_client: "redis.Redis"
) -> None:
    pid = beats(redis_client)[0].pid
    hold_the_lock.delay()
    beat = another(processes, redis_client, pid)
    assert beat.facts["restarted"] == "itself: no thread ran for 3 s"
    assert "in hold_the_lock" in kept.output
    say.delay("said")
    processes.wait_for(lambda: redis_client.exists("said"), 20, "the next task")
    assert kept.stop(15) == 0
