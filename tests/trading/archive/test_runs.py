"""A run of the archive: batch by batch, one at a time, and the nightly task in pieces."""

import time
from contextlib import closing
from pathlib import Path

import pytest
from django.utils import timezone

from hedgehog_project.leases import Leaseholder
from hedgehog_project.models import Lease
from tests.trading.archive.conftest import days_ago, make_told_cycle
from tests.trading.conftest import make_symbol
from trading import tasks
from trading.archive import journal, runs
from trading.archive.runs import Busy
from trading.models import JournalEntry, WrongPasswords
from trading.schedule import SCHEDULE, make_schedule
from trading.waking import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases, pytest.mark.usefixtures("home")]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BATCH", 4)
    monkeypatch.setattr(runs, "WAIT_S", 0.5)


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(enqueue, "_enqueue", lambda task, kwargs: found.append(task))
    return found


def make_past(cycles: int) -> None:
    symbol = make_symbol()
    for n in range(cycles):
        make_told_cycle(symbol, days_ago(100 + n))


def test_a_run_archives_and_deletes() -> None:
    make_past(3)
    WrongPasswords.objects.create(name="ann", address="::1", last_at=days_ago(60))
    done = list(runs.run(timezone.now()))
    assert [(each.what, each.rows) for each in done] == [(runs.LINES, 4)] * 3 + [("wrong passwords", 1)]
    assert list(runs.run(timezone.now())) == []


def test_between_batches_there_is_a_break_as_long_as_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    make_past(3)
    breaks: list[float] = []
    monkeypatch.setattr(time, "sleep", breaks.append)
    list(runs.run(timezone.now()))
    assert len(breaks) == 3
    assert all(each >= runs.MIN_BREAK_S for each in breaks)


def test_a_second_run_here_is_busy() -> None:
    make_past(2)
    with closing(runs.run(timezone.now())) as first:
        next(first)
        with pytest.raises(Busy, match="under way here"):
            list(runs.run(timezone.now()))
    assert list(runs.run(timezone.now()))


def test_a_run_on_another_host_is_waited_for_and_given_up() -> None:
    make_past(1)
    Lease.objects.create(name=runs.LEASE, holder="other:1@elsewhere")
    with pytest.raises(Busy, match="on another host"):
        list(runs.run(timezone.now()))
    assert JournalEntry.objects.count() == 4


def test_a_run_that_was_superseded_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    make_past(3)
    asked: list[bool] = []

    def once(holder: Leaseholder) -> bool:
        asked.append(True)
        return len(asked) == 1

    monkeypatch.setattr(Leaseholder, "has_it", once)
    with pytest.raises(Busy, match="taken over"):
        list(runs.run(timezone.now()))
    assert JournalEntry.objects.count() == 8


def test_the_task_does_a_piece_and_queues_the_next(queued: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_past(3)
    monkeypatch.setattr(tasks, "PIECE_S", 0.0)
    left = []
    for _ in range(3):
        tasks.archive()
        left.append(JournalEntry.objects.count())
    assert left == [8, 4, 0]
    assert queued == ["trading.tasks.archive"] * 3
    monkeypatch.setattr(tasks, "PIECE_S", 10.0)
    tasks.archive()
    assert len(queued) == 3


def test_a_folder_that_cannot_be_written_is_logged(
    home: Path, queued: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    make_past(1)
    (home / "archive").write_text("a file")
    tasks.archive()
    assert "The archive cannot be written" in caplog.text
    assert JournalEntry.objects.count() == 4
    assert queued == []


def test_it_is_in_the_schedule_for_each_night() -> None:
    make_schedule()
    make_schedule()
    [row] = [row for row in SCHEDULE if row.task == tasks.archive.name]
    periodic = row.when()["crontab"].periodictask_set.get()
    assert (periodic.name, periodic.task, periodic.crontab.hour) == (row.name, row.task, "3")
