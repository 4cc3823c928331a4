"""Runs that end by kill -9, at every step and at any moment, on both databases: no line is lost, none is twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.support.environment import ROOT
from tests.support.machine import postgres as postgres_support
from tests.support.machine.stack import Stack
from tests.trading.archive.conftest import days_ago, make_told_cycle
from tests.trading.conftest import make_symbol
from trading.archive import files
from trading.models import ArchiveFile, Fill, JournalEntry

# So many cycles of four lines, in batches of some lines: two months, and several batches of each.
CYCLES, BATCH = 200, 16
# What a run does at each step, by what it calls there: it dies as the call begins, the third time.
STEPS = {
    "before it writes": "trading.archive.files._file_of",
    "before the file is on the disk": "os.fsync",
    "before the lines are deleted": "django.db.models.query.QuerySet._raw_delete",
    "before the file's length is saved": "trading.archive.files.Written.confirm",
    "after a batch": "time.sleep",
}
CHILD = """
import os, signal, sys
from unittest import mock
import django
django.setup()
from django.core.management import call_command
from trading.archive import journal
journal.BATCH = int(sys.argv[1])
count = 0
def dies(*args, **options):
    global count
    count += 1
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **options)
if len(sys.argv) > 2:
    patch = mock.patch(sys.argv[2], dies)
    original = patch.getter().__dict__.get(patch.attribute) or getattr(patch.getter(), patch.attribute)
    patch.start()
call_command("archive")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[Stack]:
    """A database of its own that child processes share, with an empty archive."""
    address = ""
    if request.param == "postgresql":
        cluster: postgres_support.Cluster = request.getfixturevalue("postgres")
        address = cluster.create()
    stack = Stack(tmp_path, address, REDIS_URL=settings.REDIS_URL)
    settings.HEDGEHOG_HOME = stack.home
    try:
        stack.prepare()
        yield stack
    finally:
        stack.processes.stop_all()


def run(stack: Stack, *words: str) -> subprocess.Popen[bytes]:
    """A run of the archive in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(BATCH), *words],
        cwd=ROOT,
        env=stack.processes.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def make_past() -> set[int]:
    """The ids of all lines."""
    symbol = make_symbol()
    for n in range(CYCLES):
        make_told_cycle(symbol, days_ago(100 + n % 45))
    return set(JournalEntry.objects.values_list("pk", flat=True))


def archived() -> list[int]:
    return [line["id"] for file in ArchiveFile.objects.all() for line in files.read(file)]


def check(every: set[int]) -> None:
    """Each line is in the journal or in the archive, and in none twice; no fill refers to a line that is gone."""
    there, kept = archived(), set(JournalEntry.objects.values_list("pk", flat=True))
    assert len(there) == len(set(there))
    assert not kept & set(there)
    assert kept | set(there) == every
    assert Fill.objects.filter(entry__isnull=False).count() == Fill.objects.filter(entry__in=kept).count()


def test_whatever_kills_a_run_each_line_is_there_once(stack: Stack, django_db_blocker: DjangoDbBlocker) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    with django_db_blocker.unblock(), stack.looked_into():
        every = make_past()
        for step in STEPS.values():
            code, text = ended(run(stack, step))
            assert code == -signal.SIGKILL, (step, text)
            check(every)
        kill_at_any_moment(stack, random.Random(seed), every)
        # Two at a time: the second one finds the first, or nothing to do.
        for code, text in [ended(child) for child in (run(stack), run(stack))]:
            assert code == 0 or "Another run of the archive is under way" in text, text
        check(every)
        assert not JournalEntry.objects.exists()
        assert sorted(archived()) == sorted(every)


def kill_at_any_moment(stack: Stack, chance: random.Random, every: set[int]) -> None:
    deaths = 0
    for _ in range(3):
        child, left = run(stack), JournalEntry.objects.count()
        # It has begun once the first batch is gone; then it is in the middle of some step.
        give_up = time.monotonic() + 20
        while child.poll() is None and JournalEntry.objects.count() == left and time.monotonic() < give_up:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.05)
        child.kill()
        deaths += ended(child)[0] == -signal.SIGKILL
        check(every)
    assert deaths


def ended(child: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Its exit code and its errors."""
    errors = child.communicate(timeout=60)[1].decode()
    return child.returncode, errors
