"""A running mock exchange for tests over the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.binance_mock import running
from tests.support.machine.processes import Processes


@pytest.fixture(scope="session")
def one_mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Mock]:
    folder = tmp_path_factory.mktemp("mock")
    processes = Processes(folder)
    try:
        yield running.start(processes, folder / "home", MOCK_ORDERS_PER_10S=100_000)
    finally:
        processes.stop_all()


@pytest.fixture
def mock(one_mock: running.Mock) -> running.Mock:
    """The exchange with its first balances, no orders, and ETHUSDT at 3000; its market moves by hand."""
    one_mock.control("reset")
    one_mock.trade("3000")
    return one_mock


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
