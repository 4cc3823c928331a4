"""Fixtures for all rooms. The Redis, the home and the settings of the run come from tests/settings.py."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from hedgehog_project.redis import connect
from tests.support.environment import ROOT
from tests.support.machine import postgres as postgres_support
from tests.support.machine.marked import FIRST, MARKED, STACKS
from tests.support.machine.processes import Processes
from tests.support.pages.chromium import Browser, program

# A busy machine is not a failure; and a failure says how to repeat it.
hypothesis.settings.register_profile(
    "hedgehog", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("hedgehog")

MARKS = {path: mark for mark, paths in MARKED.items() for path in paths}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gone = [str(path) for path in (*MARKS, *FIRST) if not path.exists()]
    if gone:
        raise pytest.UsageError(f"tests/support/machine/marked.py lists what is not there: {', '.join(gone)}")
    unmarked = {str(item.path) for item in items if item.path.is_relative_to(STACKS) and item.path not in MARKS}
    if unmarked:
        raise pytest.UsageError(f"tests/support/machine/marked.py does not list {', '.join(sorted(unmarked))}")
    for item in items:
        if item.path in MARKS:
            item.add_marker(MARKS[item.path])
    turns = {path: turn for turn, path in enumerate(FIRST)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))


@pytest.fixture
def redis_client() -> "redis.Redis":
    """The run's Redis, emptied."""
    client = connect()
    client.flushall()
    return client


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts real processes with the test run's environment; all have ended when the test is over."""
    started = Processes(tmp_path)
    yield started
    started.stop_all()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_support.Cluster]:
    """A temporary PostgreSQL cluster; `create()` gives the DATABASE_URL of a new database."""
    if postgres_support.bin_folder() is None:
        pytest.skip(postgres_support.NOT_INSTALLED)
    cluster = postgres_support.Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Browser]:
    """A headless browser with nothing in its memory."""
    if program() is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    with Browser(tmp_path / "chromium") as browser:
        yield browser


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Frames, replies and samples of the real Binance: tests/data/SOURCES.md."""
    return ROOT / "tests" / "data"
