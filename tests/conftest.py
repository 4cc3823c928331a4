"""Fixtures for all rooms. The Redis, the home and the settings of the run come from tests/settings.py."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from hedgehog_project.redis import connect
from tests.support.environment import ROOT
from tests.support.machine import postgres as postgres_support
from tests.support.machine.processes import Processes
from tests.support.pages.chromium import Browser, program

# A busy machine is not a failure; and a failure says how to repeat it.
hypothesis.settings.register_profile(
    "hedgehog", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("hedgehog")

# Whole stacks of processes, runs that use every core, promises of seconds: they would wait for the machine.
NEEDS_THE_MACHINE = tuple(
    ROOT / "tests" / path
    for path in (
        "e2e",
        "simulation/test_mutations.py",
        "simulation/test_simulation.py",
        "simulation/test_strategies.py",
        "hedgehog_project/launch/test_run.py",
        "hedgehog_project/launch/test_run_host.py",
        "streamer/test_stream_command.py",
        "console/management/test_halt_always.py",
        "binance_mock/state/test_durability.py",
        "history/test_killed.py",
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gone = [str(path) for path in NEEDS_THE_MACHINE if not path.exists()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py marks as `alone` what is not there: {', '.join(gone)}")
    for item in items:
        if any(item.path.is_relative_to(path) for path in NEEDS_THE_MACHINE):
            item.add_marker("alone")


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
